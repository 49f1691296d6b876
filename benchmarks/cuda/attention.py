"""Attention on a GPU, forward and backward: cloze beside PyTorch's scaled_dot_product_attention, in turn, in one run.

usage: attention.py PROGRAM [--rounds N] [--quick] [--check] [--out RESULT.json]
PROGRAM is built from benchmarks/cuda/attention.cpp by nvcc. The same sequences go to both sides: packed to ours; to PyTorch
padded to the longest, with a mask where lengths differ, through each backend that takes the case (flash, cuDNN,
memory-efficient), and without padding as a nested tensor. Each round runs every contender once. Prints medians, TFLOP/s
(forward 4 T² d, backward 2.5 times that; causal half) and PyTorch's best time over ours. Results of both sides are
compared with PyTorch in double first: a wrong kernel is not timed. Where the kernels for Hopper (wgmma) take a case, they are compared
with ours for every GPU and timed beside them. --check does only that, also without a GPU.
"""
import argparse, json, os, statistics, subprocess, tempfile

import numpy, torch
from torch.nn.attention import SDPBackend, sdpa_kernel

parser = argparse.ArgumentParser()
parser.add_argument("program"); parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--quick", action="store_true"); parser.add_argument("--check", action="store_true")
parser.add_argument("--out")
args = parser.parse_args()
device = "cuda" if torch.cuda.is_available() else "cpu"
types = {"bf16": torch.bfloat16, "float": torch.float32}
torch.backends.cuda.matmul.allow_tf32 = False

def uneven(count, low, high, seed):
    return numpy.random.RandomState(seed).randint(low, high + 1, count).tolist()

# name, element type, heads, head size, causal, dropout, lengths
cases = [("8 x 20-60", "bf16", 12, 64, 0, 0, uneven(8, 20, 60, 0)), ("32 x 20-60", "bf16", 16, 64, 0, 0, uneven(32, 20, 60, 1)),
         ("32 x 20-60 p", "bf16", 16, 64, 0, 0.1, uneven(32, 20, 60, 1)), ("128 x 20-60", "bf16", 16, 64, 0, 0, uneven(128, 20, 60, 2)),
         ("32 x 80-128", "bf16", 16, 64, 0, 0, uneven(32, 80, 128, 3)), ("16 x 150-300", "bf16", 16, 64, 0, 0, uneven(16, 150, 300, 4))]
for size, heads in ((64, 16), (128, 16), (32, 32), (96, 16), (80, 16)):
    for length, count in ((512, 32), (2048, 8), (16384, 1)):
        if size in (64, 128) or length == 2048:
            cases.append((f"{count} x {length}", "bf16", heads, size, 0, 0, [length] * count))
cases += [("8 x 2048 causal", "bf16", 16, 64, 1, 0, [2048] * 8), ("8 x 2048 p", "bf16", 16, 64, 0, 0.1, [2048] * 8),
          ("32 x 20-60", "float", 16, 64, 0, 0, uneven(32, 20, 60, 1)),
          ("8 x 512", "float", 16, 64, 0, 0, [512] * 8)]
if args.quick:
    cases = cases[:2] + [c for c in cases if c[0] == "32 x 512"][:2]
if args.check:
    cases = [("4 x 20-60", "bf16", 2, 64, 0, 0, uneven(4, 20, 60, 0)), ("2 x 90-140", "bf16", 2, 96, 1, 0, uneven(2, 90, 140, 1)),
             ("2 x 100", "bf16", 2, 80, 0, 0, [100, 100]), ("3 x 20-60", "float", 2, 64, 1, 0, uneven(3, 20, 60, 1))]

def waves(n, step):
    return torch.from_numpy(numpy.sin(step * (numpy.arange(n) % 1000003).astype(numpy.float64)).astype(numpy.float32))

worker = subprocess.Popen([args.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

def ours(case, calls, repetitions, file="-"):
    name, kind, heads, size, causal, p, lengths = case
    worker.stdin.write(f"{kind} {heads} {size} {causal} {p} {calls} {repetitions} {file} {' '.join(map(str, lengths))}\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        raise SystemExit(f"{args.program} ended at case {name}")
    return json.loads(answer)

def inputs(case):
    _, kind, heads, size, _, _, lengths = case
    tokens = sum(lengths)
    qkv = waves(tokens * 3 * heads * size, 0.7).view(tokens, 3, heads, size).to(device, types[kind])
    return qkv, waves(tokens * heads * size, 1.3).view(tokens, heads, size).to(device, types[kind])

def exact(case):
    """o, dq, dk, dv in double, one sequence after the other."""
    _, _, _, _, causal, _, lengths = case
    qkv, grad = (x.double() for x in inputs(case))
    results, begin = [[], []], 0
    for n in lengths:
        x = qkv[begin:begin + n].clone().requires_grad_()
        q, k, v = (x[:, i].transpose(0, 1) for i in range(3))
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        if causal:
            scores = scores.masked_fill(torch.ones(n, n, dtype=torch.bool, device=device).triu(1), -torch.inf)
        o = (scores.softmax(-1) @ v).transpose(0, 1)
        o.backward(grad[begin:begin + n])
        results[0].append(o.detach()); results[1].append(x.grad)
        begin += n
    return [torch.cat(r).flatten().cpu() for r in results]

def check(case):
    """Largest error of o and of the gradients, over the largest exact value."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "results")
        ours(case, 1, 1, file)
        found = torch.from_numpy(numpy.fromfile(file, numpy.float32)).double()
    wanted = exact(case)
    errors = []
    for w in wanted:
        errors.append(((found[:w.numel()] - w).abs().max() / w.abs().max()).item())
        found = found[w.numel():]
    limit = {"bf16": 0.03, "float": 1e-4}[case[1]]
    if not max(errors) < limit:
        raise SystemExit(f"{case[0]} {case[1]}: errors {errors} are too large")
    return errors

def variants(case):
    """Name -> (forward, backward) of PyTorch."""
    _, kind, heads, size, causal, p, lengths = case
    qkv, grad = inputs(case)
    longest, n = max(lengths), len(lengths)
    even = min(lengths) == longest
    valid = torch.arange(longest, device=device)[None] < torch.tensor(lengths, device=device)[:, None]
    def padded(x):
        out = torch.zeros(n, longest, heads, size, device=device, dtype=x.dtype)
        out[valid] = x
        return out.transpose(1, 2)
    mask = None if even else valid[:, None, None, :].expand(n, 1, longest, longest)
    found = {}
    def add(name, leaves, g, **options):
        def forward():
            return torch.nn.functional.scaled_dot_product_attention(*leaves, dropout_p=p, **options)
        kept = forward()
        torch.autograd.grad(kept, leaves, g, retain_graph=True)
        found[name] = (forward, lambda: torch.autograd.grad(kept, leaves, g, retain_graph=True))
    for name, backend in (("flash", SDPBackend.FLASH_ATTENTION), ("cuDNN", SDPBackend.CUDNN_ATTENTION), ("efficient", SDPBackend.EFFICIENT_ATTENTION)):
        leaves = [padded(qkv[:, i]).requires_grad_() for i in range(3)]
        try:
            with sdpa_kernel(backend):
                add(name, leaves, padded(grad), attn_mask=mask, is_causal=bool(causal and even))
            forward, backward = found[name]
            def inside(f, backend=backend):
                with sdpa_kernel(backend):
                    return f()
            found[name] = (lambda f=forward, inside=inside: inside(f), backward)
        except RuntimeError:
            pass  # a case that this backend does not take
    if not even:
        try:
            offsets = torch.tensor([0] + numpy.cumsum(lengths).tolist(), device=device)
            nest = lambda x: torch.nested.nested_tensor_from_jagged(x.contiguous(), offsets, min_seqlen=min(lengths), max_seqlen=longest).detach()
            leaves = [nest(qkv[:, i]).transpose(1, 2).requires_grad_() for i in range(3)]
            add("nested", leaves, nest(grad).transpose(1, 2), is_causal=bool(causal))
        except RuntimeError:
            pass
    return found

def timed(call, calls):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    call()
    begin.record()
    for _ in range(calls):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / calls

rows = []
for case in cases:
    name, kind, heads, size, causal, p, lengths = case
    if args.check or sum(n * n for n in lengths) * heads < 1 << 28:
        errors = check(case)
        print(f"{name} {kind} d {size}: error of o {errors[0]:.1e}, of the gradients {errors[1]:.1e}", flush=True)
    if args.check:
        continue
    flops = sum(4 * n * n for n in lengths) * heads * size / (2 if causal else 1)
    calls = max(3, min(50, int(2e12 / flops)))
    peers = variants(case)
    wgmma = ([], [])
    times = {"cloze": ([], []), **{peer: ([], []) for peer in peers}}
    for _ in range(args.rounds):
        answer = ours(case, calls, 1)
        times["cloze"][0].append(answer["forward"][0]); times["cloze"][1].append(answer["backward"][0])
        if "forward_sm90" in answer:
            if not (answer["sm90_apart"][0] < 0.03 and answer["sm90_apart"][1] < 0.1):  # waves cancel in gradients
                raise SystemExit(f"{name}: the kernels by mma.sync and wgmma are {answer['sm90_apart']} apart (o, gradients)")
            wgmma[0].append(answer["forward_sm90"][0]); wgmma[1].append(answer["backward_sm90"][0])
        for peer, pair in peers.items():
            for half in range(2):
                times[peer][half].append(timed(pair[half], calls))
    medians = {who: [statistics.median(half) for half in halves] for who, halves in times.items()}
    best = [min((medians[peer][half] for peer in peers), default=float("nan")) for half in range(2)]
    mine = medians["cloze"]
    print(f"{name:16} {kind:5} h {heads} d {size:3}: " + " ".join(
        f"{what} {mine[half]:.4f} ms {flops * scale / mine[half] / 1e9:.0f} TFLOP/s x{best[half] / mine[half]:.2f}"
        for half, (what, scale) in enumerate((("forward", 1), ("backward", 2.5)))) +
        ("".join(f" wgmma {what} {statistics.median(ms):.4f} ms {flops * scale / statistics.median(ms) / 1e9:.0f} TFLOP/s x{mine[half] / statistics.median(ms):.2f}"
                 for half, (what, scale, ms) in enumerate((("forward", 1, wgmma[0]), ("backward", 2.5, wgmma[1])))) if wgmma[0] else "") +
        "  | " + ", ".join(f"{peer} {medians[peer][0]:.4f} {medians[peer][1]:.4f}" for peer in peers), flush=True)
    rows.append({"case": name, "type": kind, "heads": heads, "size": size, "causal": causal, "p": p, "lengths": lengths, "flops": flops, "times": times, "wgmma": wgmma})
    torch.cuda.empty_cache()
worker.stdin.close()
if args.out:
    machine = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()} if device == "cuda" else {}
    with open(args.out, "w") as file:
        json.dump({"machine": machine, "rounds": args.rounds, "results": rows}, file, indent=1)
