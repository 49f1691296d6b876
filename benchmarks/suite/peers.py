"""cloze beside PyTorch, ONNX Runtime and Hugging Face tokenizers: the same batches, turn by turn, medians and ratios of one run."""
import json
import subprocess

from build import python_of_peers, quietly
from report import median
from workers import BenchError, Worker

PARTS = ["train", "pretraining", "inference", "memory", "attention", "tokenizers"]


class Peers:
    def __init__(self, args, programs, data, report, root):
        self.args, self.programs, self.data, self.report, self.root = args, programs, data, report, root
        self.threads, self.quick, self.work = args.threads, args.quick, data.work
        self.rounds = 2 if args.quick else 5
        self.python, self.onnx = python_of_peers(args.python, data.work, report)
        self.scripts = root / "benchmarks/peers"
        self.ours = self.torch = None

    def new_ours(self):
        return Worker([self.programs["worker"]], self.threads)

    def new_torch(self):
        return Worker([self.python, self.scripts / "torch_worker.py", self.threads], self.threads)

    def model(self, shape):
        folder = self.work / shape
        self.ours.ask("model", shape=shape, folder=str(folder))
        return str(folder)

    def inputs(self, shape, split, demonstrations=False, count=32, batch=8):
        out = self.work / f"{shape}_{split}{'_demonstrations' * demonstrations}.json"
        self.ours.ask("render", tokenizer=str(self.data.tokenizers[shape]), data=str(self.data.kshot), split=split,
                      demonstrations=demonstrations, count=count, batch=batch, out=str(out))
        return str(out)

    def check_equal(self, name, ours, theirs, tolerance):
        """Both sides must compute the same thing before their times are compared."""
        if len(ours) != len(theirs):
            raise BenchError(f"{name}: {len(ours)} results of ours, {len(theirs)} of the peer's")
        largest = max(abs(x) for x in theirs)
        worst = max(abs(a - b) for a, b in zip(ours, theirs)) / largest
        if not worst <= tolerance:
            raise BenchError(f"{name}: the two sides do not compute the same: largest relative difference {worst:.1e}")
        return worst

    def interleave(self, contenders, rounds):
        """Name -> one median of milliseconds for each round; a round has every contender once, in turn. The first, which warms up, is dropped."""
        found = {name: [] for name in contenders}
        for number in range(rounds + 1):
            for name, once in contenders.items():
                ms = median(once())
                if number:
                    found[name].append(ms)
        return found

    def compare(self, found, name, peer, needed=None, aim=None, note="", ours="cloze", **detail):
        """One row: the median over the rounds of the peer's time by ours."""
        ratios = [b / a for a, b in zip(found[ours], found[peer])]
        self.report.row(name, median(ratios), needed=needed, aim=aim, ours=f"{median(found[ours]):.1f} ms",
                        peer=f"{median(found[peer]):.1f} ms", note=note, ours_ms=found[ours], peer_ms=found[peer],
                        lowest=min(ratios), highest=max(ratios), **detail)

    def in_bf16(self, do, **request):
        """What ours answers with bf16 products; they are float again afterwards."""
        self.ours.ask("precision", name="bf16")
        try:
            return self.ours.ask(do, **request)
        finally:
            self.ours.ask("precision", name="float32")

    def bf16_backend(self):
        """What computes bf16 products here, or nothing."""
        try:
            return self.in_bf16("precision", name="bf16")["backend"]
        except BenchError as error:
            self.report.progress(f"no rows with bf16 products: {error}")
            return None

    def training(self, name, shape, inputs, rows):
        """Rows (title, pad, needed, aim) of one training comparison."""
        self.report.progress(name)
        folder = self.model(shape)
        for side in (self.ours, self.torch):
            side.ask("load", model=folder, dropout=0.0, **({} if side is self.ours else {"train": True, "optimizer": "fused"}))
        checked = self.check_equal(name, self.ours.ask("train", inputs=inputs, steps=3)["loss"],
                                   self.torch.ask("train", inputs=inputs, steps=3, pad="longest")["loss"], 1e-3)
        self.ours.ask("load", model=folder, dropout=0.1)
        kind = self.torch.ask("load", model=folder, dropout=0.1, train=True)["optimizer"]
        steps = (1 if self.quick else 2) if shape == "roberta-base" else 4
        contenders = {"cloze": lambda: self.ours.ask("train", inputs=inputs, steps=steps)["ms"]}
        for _, pad, _, _ in rows:
            contenders[pad] = lambda pad=pad: self.torch.ask("train", inputs=inputs, steps=steps, pad=pad)["ms"]
        backend = self.bf16_backend()
        if backend:
            contenders["bf16"] = lambda: self.in_bf16("train", inputs=inputs, steps=steps)["ms"]
        found = self.interleave(contenders, self.rounds)
        for title, pad, needed, aim in rows:
            self.compare(found, title, pad, needed, aim, loss_difference=checked, peer_optimizer=kind)
        if backend:
            self.compare(found, f"{name}, bf16 products / our float ones", "cloze", ours="bf16", note=backend)

    def train_rows(self):
        prompts = self.inputs("roberta-base", "train")
        demonstrations = self.inputs("roberta-base", "train", demonstrations=True)
        self.training("training step, batch 8", "roberta-base", prompts,
                      [("train step, batch 8 / PyTorch padded to 128", 128, 5, 7),
                       ("train step, batch 8 / PyTorch padded to the longest", "longest", 1.8, 2.5)])
        self.useful_share(prompts)
        self.training("training step with 2 demonstrations", "roberta-base", demonstrations,
                      [("train step, 2 demonstrations / PyTorch padded to 256", 256, 5, 7),
                       ("train step, 2 demonstrations / PyTorch padded to the longest", "longest", 1.7, 2.3)])
        self.training("MiniLM-L6 training step", "minilm-l6", self.inputs("minilm-l6", "train"),
                      [("MiniLM-L6 train step, batch 8 / PyTorch, longest", "longest", 2.5, 4)])

    def useful_share(self, inputs):
        """Useful arithmetic by time, beside the rate of large products; and the same on one thread and all."""
        shares, rates, theirs = [], [], self.torch.ask("gemm")["gflops"]
        for _ in range(self.rounds):
            rates.append(self.ours.ask("gemm")["gflops"])
            reply = self.ours.ask("train", inputs=inputs, steps=4 if not self.quick else 2)
            shares.append(1e3 * sum(reply["gflop"]) / sum(reply["ms"]))
        rate = median(shares)
        self.report.row("useful FLOPs of a step / rate of kernels::gemm", 100 * rate / median(rates), unit="%", needed=75, aim=90,
                        ours=f"{rate:.0f} GFLOP/s", peer=f"{median(rates):.0f} GFLOP/s")
        self.report.row("useful FLOPs of a step / rate of PyTorch's GEMM", 100 * rate / theirs, unit="%",
                        ours=f"{rate:.0f} GFLOP/s", peer=f"{theirs:.0f} GFLOP/s")
        if self.threads == 1:
            return self.report.progress("threads 1 to 2: left out, one thread was asked for")
        found = {1: [], self.threads: []}
        for number in range(self.rounds + 1):
            for threads, times in found.items():
                self.ours.ask("threads", count=threads)
                ms = median(self.ours.ask("train", inputs=inputs, steps=4 if not self.quick else 2)["ms"])
                if number:
                    times.append(ms)
        ratio = median([a / b for a, b in zip(found[1], found[self.threads])])
        two = self.threads == 2
        self.report.row(f"threads 1 to {self.threads}, train step", ratio, needed=1.8 if two else None, aim=1.95 if two else None,
                        ours=f"{median(found[self.threads]):.0f} ms", peer=f"{median(found[1]):.0f} ms")

    def pretraining(self):
        """Masked LM over the whole vocabulary, 4096 tokens in sequences of 128."""
        shape = "minilm-l6"
        self.report.progress("pretraining step")
        text, source = self.data.text(1)
        inputs = str(self.work / "pretraining.json")
        self.ours.ask("render_text", tokenizer=str(self.data.tokenizers[shape]), text=str(text), out=inputs)
        folder = self.model(shape)
        for side in (self.ours, self.torch):
            side.ask("load", model=folder, dropout=0.0, **({} if side is self.ours else {"train": True, "optimizer": "fused"}))
        checked = self.check_equal("pretraining step", self.ours.ask("pretrain", inputs=inputs, steps=3)["loss"],
                                   self.torch.ask("pretrain", inputs=inputs, steps=3, head="masks")["loss"], 1e-3)
        self.ours.ask("load", model=folder, dropout=0.1)
        kind = self.torch.ask("load", model=folder, dropout=0.1, train=True)["optimizer"]
        contenders = {"cloze": lambda: self.ours.ask("pretrain", inputs=inputs, steps=2)["ms"]}
        for head in ("all", "masks"):
            contenders[head] = lambda head=head: self.torch.ask("pretrain", inputs=inputs, steps=2, head=head)["ms"]
        backend = self.bf16_backend()
        if backend:
            contenders["bf16"] = lambda: self.in_bf16("pretrain", inputs=inputs, steps=2)["ms"]
        found = self.interleave(contenders, self.rounds)
        tokens = median(self.ours.ask("pretrain", inputs=inputs, steps=1)["tokens"])
        note = f"{source}; ours {1e3 * tokens / median(found['cloze']):.0f} tokens/s"
        self.compare(found, "pretraining step, MiniLM-L6, 128 tokens / PyTorch", "all", 2, note=note, loss_difference=checked,
                     peer_optimizer=kind)
        self.compare(found, "pretraining step, MiniLM-L6 / PyTorch, head on masked tokens only", "masks")
        if backend:
            self.compare(found, "pretraining step, MiniLM-L6, bf16 products / PyTorch", "all", ours="bf16",
                         note=f"{backend}; {1e3 * tokens / median(found['bf16']):.0f} tokens/s")

    def inference(self):
        count = 64 if self.quick else 300
        inputs = self.inputs("roberta-base", "test", count=count, batch=1 << 20)
        folder = self.model("roberta-base")
        self.report.progress(f"inference, {count} test prompts")
        self.ours.ask("load", model=folder, dropout=0.0)
        self.torch.ask("load", model=folder, dropout=0.0, train=False)
        sides = {"PyTorch": self.torch}
        if self.onnx:
            try:
                file = self.work / "roberta-base.onnx"
                self.torch.ask("export", inputs=inputs, file=str(file))
                self.torch.ask("load", model=folder, dropout=0.0, train=False)  # the export leaves a model of its own
                sides["ONNX Runtime"] = Worker([self.python, self.scripts / "onnx_worker.py", self.threads], self.threads)
                pad = json.load(open(f"{folder}/config.json", encoding="utf-8"))["pad_token_id"]
                sides["ONNX Runtime"].ask("load", file=str(file), pad_id=pad)
            except BenchError as error:
                self.report.warn_if(f"no row for ONNX Runtime: {str(error)[:300]}")
                sides.pop("ONNX Runtime", None)
        ours = self.ours.ask("infer", inputs=inputs, batch_tokens=2048)["scores"]
        contenders = {"cloze": lambda: [self.ours.ask("infer", inputs=inputs, batch_tokens=2048)["ms"]]}
        for name, side in sides.items():
            for batch in (8,) if self.quick else (8, 32):
                contenders[f"{name} by {batch}"] = lambda side=side, batch=batch: [side.ask("infer", inputs=inputs, batch=batch)["ms"]]
            self.check_equal(f"inference, {name}", ours, side.ask("infer", inputs=inputs, batch=8)["scores"], 1e-3)
        backend = self.bf16_backend()
        if backend:
            rounded = self.in_bf16("infer", inputs=inputs, batch_tokens=2048)["scores"]
            apart = max(abs(a - b) for a, b in zip(ours, rounded)) / max(abs(x) for x in ours)
            contenders["bf16"] = lambda: [self.in_bf16("infer", inputs=inputs, batch_tokens=2048)["ms"]]
        found = self.interleave(contenders, 1 if self.quick else 3)
        best = min((name for name in found if name not in ("cloze", "bf16")), key=lambda name: median(found[name]))
        self.compare(found, "inference, SST-2 test prompts / the best peer", best, 1.4, 1.8, note=f"best: {best}")
        if backend:
            self.compare(found, "inference, SST-2 test prompts, bf16 products / the best peer", best, ours="bf16",
                         note=f"{backend}; scores differ by {apart:.1e} of the largest")
        for name in found:
            if name not in ("cloze", "bf16", best):
                self.compare(found, f"inference, SST-2 test prompts / {name}", name)
        if "ONNX Runtime" in sides:
            sides["ONNX Runtime"].stop()

    def memory(self):
        """Peak memory of training, each side in a process of its own."""
        self.report.progress("peak memory of training")
        with self.new_ours() as self.ours:
            folder, inputs, peak = self.model("roberta-base"), self.inputs("roberta-base", "train"), {}
        for name, new, load, train in (("cloze", self.new_ours, {}, {}),
                                       ("PyTorch", self.new_torch, {"train": True, "optimizer": "fused"}, {"pad": "longest"})):
            with new() as side:
                side.ask("load", model=folder, dropout=0.1, **load)
                side.ask("train", inputs=inputs, steps=2 if self.quick else 4, **train)
                peak[name] = side.ask("memory")["peak_mb"]
        self.report.row("peak memory of training / PyTorch, longest", peak["cloze"] / peak["PyTorch"], needed=0.5, aim=0.35, at_most=True,
                        ours=f"{peak['cloze']:.0f} MB", peer=f"{peak['PyTorch']:.0f} MB")

    def attention(self):
        self.report.progress("attention")
        out = self.work / "attention.json"
        quietly([self.python, self.scripts / "attention.py", self.programs["attention_timing"], "--rounds", 2 if self.quick else 4,
                 "--threads", self.threads, "--out", out], self.work / "attention.log", "the comparison of attention")
        for case in json.load(open(out, encoding="utf-8"))["cases"]:
            if case["dropout"] == 0.1 or not self.quick:
                best = case["best_peer"]
                self.report.row(f"attention forward + backward, {case['case']}, dropout {case['dropout']}", case["ratio_median"], needed=1.5, aim=3,
                                ours=f"{case['median_ms']['cloze']:.2f} ms", peer=f"{case['median_ms'][best]:.2f} ms", note=f"SDPA, {best}")

    def tokenizers(self):
        path, name = self.data.text(1 if self.quick else 4)
        repeat = 3
        for title, folder in {"WordPiece": self.data.tokenizers["minilm-l6"], "byte-level BPE": self.data.tokenizers["roberta-base"]}.items():
            if title == "byte-level BPE" and not (folder / "merges.txt").exists():
                continue
            for threads in (1, self.threads) if self.threads > 1 else (1,):
                self.report.progress(f"tokenizers: {title}, {threads} thread{'s' * (threads > 1)}")
                request = {"tokenizer": str(folder), "text": str(path), "repeat": repeat}
                self.ours.ask("threads", count=threads)
                with Worker([self.python, self.scripts / "tokenizers_worker.py"], threads, RAYON_NUM_THREADS=str(threads)) as theirs:
                    sides = {"cloze": self.ours, "Hugging Face": theirs}
                    answers = {side: worker.ask("tokenize", **request) for side, worker in sides.items()}
                    first, second = answers.values()
                    if (first["tokens"], first["id_sum"]) != (second["tokens"], second["id_sum"]):
                        raise BenchError(f"tokenizers, {title}: the two sides give different ids")
                    found = self.interleave({side: lambda worker=worker: worker.ask("tokenize", **request)["ms"] for side, worker in sides.items()},
                                            self.rounds)
                rate = first["bytes"] / 1e3 / median(found["cloze"])
                self.compare(found, f"tokenizers, {title}, {threads} thread{'s' * (threads > 1)} / Hugging Face", "Hugging Face", 5, 10,
                             note=f"{name}; ours {rate:.0f} MB/s")
        self.ours.ask("threads", count=self.threads)

    def run(self):
        wanted = self.args.only or PARTS
        with self.new_ours() as self.ours, self.new_torch() as self.torch:
            self.report.machine["peers"] = self.torch.ask("versions")
            for name, part in (("train", self.train_rows), ("pretraining", self.pretraining), ("inference", self.inference)):
                if name in wanted:
                    self.guarded(part)
        for name, part in (("memory", self.memory), ("attention", self.attention)):
            if name in wanted:
                self.guarded(part)
        if "tokenizers" in wanted:
            with self.new_ours() as self.ours:
                self.guarded(self.tokenizers)

    def guarded(self, part):
        """One row that fails must not take the others with it."""
        try:
            part()
        except (BenchError, OSError, subprocess.SubprocessError) as error:
            self.report.failed(f"{part.__name__}: {error}")


def run(args, programs, data, report, root):
    Peers(args, programs, data, report, root).run()
