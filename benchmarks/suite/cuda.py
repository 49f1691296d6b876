"""Training and inference on a GPU beside PyTorch: the same prompts, turn by turn in one run. Run as scripts/bench cuda."""
import os
import subprocess

from build import quietly
from report import median
from workers import BenchError, Worker

# What PyTorch is measured as: name -> load's precision and compile, and how prompts are padded.
PEERS = {
    "pure bf16, longest": ("bfloat16", False, "longest"),
    "bf16, padded to 128": ("autocast", False, 128),
    "bf16, longest": ("autocast", False, "longest"),
    "bf16 compiled, longest": ("autocast", True, "longest"),
    "float32, longest": ("float32", False, "longest"),
}
OURS = ["float32", "tf32", "bfloat16"]


def programs(root, work, report, built):
    """The programs of benchmarks/cuda; BenchError where there is no toolkit or no GPU."""
    if built:
        return {path.name.removeprefix("bench_cuda_"): path.resolve() for path in (built / "benchmarks").glob("bench_cuda_*")}
    report.progress("building the programs for the GPU …")
    names = sorted(p.stem for p in (root / "benchmarks/cuda").glob("*.cpp"))
    quietly(["cmake", "--preset", "release", "-B", work / "cmake", "-DCLOZE_BENCHMARKS=ON", "-DCLOZE_TESTS=OFF", "-DCLOZE_EXAMPLES=OFF",
             "-DCLOZE_INSTALL=OFF", "-DCLOZE_CUDA=ON", f"-DCMAKE_CUDA_ARCHITECTURES={architecture()}"],
            work / "configure_cuda.log", "configuring for CUDA", cwd=root)
    quietly(["cmake", "--build", work / "cmake", "--parallel", os.environ.get("JOBS") or os.cpu_count(), "--target",
             *(f"bench_cuda_{name}" for name in names)], work / "build_cuda.log", "building")
    return {name: work / "cmake/benchmarks" / f"bench_cuda_{name}" for name in names}


def architecture():
    """90a-real, say: this GPU, with the instructions of its own."""
    try:
        asked = subprocess.run(["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"no GPU to measure: nvidia-smi: {error}") from error
    capability = asked.stdout.split()[0].replace(".", "")
    return f"{capability}{'a' if int(capability) >= 90 else ''}-real"


class Cuda:
    def __init__(self, args, ours, python, data, report, root, cpu_worker):
        self.args, self.programs, self.python, self.data, self.report, self.root = args, ours, python, data, report, root
        self.quick, self.rounds, self.cpu_worker = args.quick, 2 if args.quick else 5, cpu_worker
        self.lines = []

    def torch_worker(self):
        return Worker([self.python, self.root / "benchmarks/peers/torch_cuda_worker.py"], self.args.threads)

    def prepare(self, shape, batch, split="train", count=32):
        """A random model and rendered prompts: made by the program for the CPU."""
        folder, out = self.data.work / shape, self.data.work / f"cuda_{shape}_{split}_{batch}.json"
        with Worker([self.cpu_worker], self.args.threads) as cpu:
            cpu.ask("model", shape=shape, folder=str(folder))
            cpu.ask("render", tokenizer=str(self.data.tokenizers["roberta-base"]), data=str(self.data.kshot), split=split,
                    demonstrations=False, count=count, batch=batch, out=str(out))
        return str(folder), str(out)

    def check_equal(self, name, ours, theirs, tolerance):
        worst = max(abs(a - b) for a, b in zip(ours, theirs)) / max(abs(x) for x in theirs)
        if len(ours) != len(theirs) or not worst <= tolerance:
            raise BenchError(f"{name}: the two sides do not compute the same: largest relative difference {worst:.1e}")
        return worst

    def training(self, shape, batch):
        name = f"{shape}, train step, batch {batch}"
        self.report.progress(name)
        folder, inputs = self.prepare(shape, batch)
        steps = 4 if self.quick else 20
        sides, peak = {}, {}
        with Worker([self.programs["worker"]], self.args.threads) as ours, self.torch_worker() as theirs:
            ours.ask("load", model=folder, dropout=0.0, precision="float32")
            theirs.ask("load", model=folder, dropout=0.0, precision="float32", compile=False, train=True)
            checked = self.check_equal(name, ours.ask("train", inputs=inputs, steps=3, graph=False)["loss"],
                                       theirs.ask("train", inputs=inputs, steps=3, pad="longest")["loss"], 1e-3)
            times = {}
            for number in range(self.rounds):  # every contender in every round: what heats up heats up for all
                for precision, graph in ((p, g) for p in OURS for g in (False, True)):
                    side = f"cloze {precision}{', graph' if graph else ''}"
                    ours.ask("load", model=folder, dropout=0.1, precision=precision)
                    ours.ask("train", inputs=inputs, steps=8 if graph else 3, graph=graph)
                    reply = ours.ask("train", inputs=inputs, steps=steps, graph=graph)
                    times.setdefault(side, []).append(reply["ms"])
                    peak[side] = ours.ask("memory")["peak_mb"]
                    sides[side] = (reply["tokens"] / steps, reply["gflop"] / steps)
                for peer, (precision, compiled, pad) in PEERS.items():
                    theirs.ask("load", model=folder, dropout=0.1, precision=precision, compile=compiled, train=True)
                    theirs.ask("train", inputs=inputs, steps=8 if compiled else 3, pad=pad)
                    times.setdefault(peer, []).append(theirs.ask("train", inputs=inputs, steps=steps, pad=pad)["ms"])
                    peak[peer] = theirs.ask("memory")["peak_mb"]
        best = min(OURS, key=lambda p: median(times[f"cloze {p}"]))
        for peer in PEERS:
            same = "float32" if peer.startswith("float32") else best
            ratios = [b / a for a, b in zip(times[f"cloze {same}"], times[peer])]
            self.report.row(f"{name} / PyTorch {peer}", median(ratios), ours=f"{median(times[f'cloze {same}']):.2f} ms ({same})",
                            peer=f"{median(times[peer]):.2f} ms", ours_ms=times[f"cloze {same}"], peer_ms=times[peer], lowest=min(ratios),
                            highest=max(ratios), loss_difference=checked)
        for precision in OURS:
            plain, graph = times[f"cloze {precision}"], times[f"cloze {precision}, graph"]
            ratios = [b / a for a, b in zip(graph, plain)]
            self.report.row(f"{name} / cloze {precision} without a graph", median(ratios), ours=f"{median(graph):.2f} ms (graph)",
                            peer=f"{median(plain):.2f} ms", ours_ms=graph, peer_ms=plain, lowest=min(ratios), highest=max(ratios),
                            loss_difference=checked)
        for side, ms in times.items():
            tokens, gflop = sides.get(side, sides[f"cloze {best}"])
            self.lines.append([shape, batch, side, median(ms), 1e3 * tokens / median(ms), 1e3 * gflop / median(ms), peak[side]])

    def inference(self, shape):
        name = f"{shape}, inference"
        self.report.progress(name)
        folder, inputs = self.prepare(shape, 1 << 20, split="test", count=64 if self.quick else 300)
        with Worker([self.programs["worker"]], self.args.threads) as ours, self.torch_worker() as theirs:
            times = {}
            for number in range(self.rounds + 1):
                for side in ("float32", "bfloat16"):
                    ours.ask("load", model=folder, dropout=0.0, precision=side)
                    ours.ask("infer", inputs=inputs, batch_tokens=8192)
                    answer = ours.ask("infer", inputs=inputs, batch_tokens=8192)
                    times.setdefault(f"cloze {side}", []).append(answer["ms"])
                    if side == "float32":
                        reply = answer
                for peer, precision in (("float32", "float32"), ("bfloat16", "bfloat16")):
                    theirs.ask("load", model=folder, dropout=0.0, precision=precision, compile=False, train=False)
                    theirs.ask("infer", inputs=inputs, batch=32)
                    answer = theirs.ask("infer", inputs=inputs, batch=32)
                    times.setdefault(peer, []).append(answer["ms"])
                    if number == 0 and peer == "float32":
                        self.check_equal(name, reply["scores"], answer["scores"], 1e-3)
        for peer in ("float32", "bfloat16"):
            ratios = [b / a for a, b in zip(times[f"cloze {peer}"], times[peer])]
            self.report.row(f"{name} / PyTorch {peer}, by 32", median(ratios), ours=f"{median(times[f'cloze {peer}']):.1f} ms",
                            peer=f"{median(times[peer]):.1f} ms")

    def attention(self):
        """benchmarks/cuda/attention.py compares with PyTorch's SDPA itself; what it prints is passed on."""
        self.report.progress("attention")
        log, out = self.data.work / "cuda_attention.log", self.data.work / "cuda_attention.json"
        quietly([self.python, self.root / "benchmarks/cuda/attention.py", self.programs["attention"], "--out", out,
                 *(["--quick"] if self.quick else [])], log, "the comparison of attention")
        self.lines_of("Attention beside PyTorch's SDPA", log)

    def rows(self):
        self.report.progress("kernels by rows")
        log = self.data.work / "cuda_rows.log"
        quietly([self.programs["rows"]], log, "the kernels by rows")
        self.lines_of("Kernels that move more than they compute", log)

    def lines_of(self, title, log):
        self.report.table(title, ["line"], [[line] for line in log.read_text(encoding="utf-8").splitlines()])

    def run(self):
        with Worker([self.programs["worker"]], self.args.threads) as ours, self.torch_worker() as theirs:
            self.report.machine["gpu"] = ours.ask("gpu")
            self.report.machine["peers"] = theirs.ask("versions")
            rates = [[kind, m, n, k, ours.ask("gemm", m=m, n=n, k=k, type=kind)["tflops"]]
                     for kind in ("float32", "bfloat16") for m, n, k in ((8192, 8192, 8192), (320, 4096, 1024), (320, 1024, 4096))]
            self.report.table("kernels::gemm on the GPU", ["type", "m", "n", "k", "TFLOP/s"], rates)
        shapes = ["roberta-base"] if self.quick else ["roberta-base", "roberta-large"]
        parts = [(self.training, (shape, batch)) for shape in shapes for batch in ((8,) if self.quick else (8, 32))]
        parts += [(self.inference, (shape,)) for shape in shapes] + [(self.attention, ()), (self.rows, ())]
        for part, values in parts:
            try:
                part(*values)
            except (BenchError, OSError) as error:
                self.report.failed(f"cuda, {part.__name__} {values}: {error}")
        self.report.table("Training steps on the GPU (dropout 0.1, clipping, AdamW on everything)",
                          ["model", "batch", "side", "ms", "real tokens/s", "useful GFLOP/s", "peak MB"], self.lines)


def run(args, cpu_programs, data, report, root):
    ours = programs(root, data.work, report, args.built)
    Cuda(args, ours, args.python or "python3", data, report, root, cpu_programs["worker"]).run()
