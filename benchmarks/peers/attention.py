"""Attention forward + backward (dq, dk, dv): cloze beside PyTorch's scaled_dot_product_attention, in turn, in one run.

usage: attention.py CLOZE_ATTENTION_TIMING [--rounds N] [--threads N] [--out RESULT.json]
CLOZE_ATTENTION_TIMING is the program built from benchmarks/steps/attention_timing.cpp. The same sequences go to both: packed to
ours, to PyTorch padded to the longest (a mask hides the padding) in two layouts and with two kinds of mask, and as a nested
tensor without padding. Both sides stay warm; each round runs every contender once (A B C A B C …). Prints medians over
all repetitions, the fastest repetition, and the ratio of PyTorch's best variant to ours.
"""
import argparse, json, os, statistics, subprocess, time

parser = argparse.ArgumentParser()
parser.add_argument("program"); parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--threads", type=int, default=os.cpu_count()); parser.add_argument("--out")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)
import numpy, torch
torch.set_num_threads(args.threads)
sdpa = torch.nn.functional.scaled_dot_product_attention
heads, size = 12, 64

def uneven(count, low, high, seed):
    return numpy.random.RandomState(seed).randint(low, high + 1, count).tolist()

cases = [("8 x 20-60", uneven(8, 20, 60, 0)), ("32 x 20-60", uneven(32, 20, 60, 1)), ("8 x 128", [128] * 8),
         ("8 x 80-128", uneven(8, 80, 128, 2)), ("4 x 512", [512] * 4), ("4 x 300-512", uneven(4, 300, 512, 3))]

def waves(n, step):
    return torch.from_numpy(numpy.sin(step * (numpy.arange(n) % 1000003).astype(numpy.float64)).astype(numpy.float32))

def torch_variants(lengths):
    """Name -> (leaves, function to the output, gradient of the output, back to packed rows)"""
    tokens, longest, n = sum(lengths), max(lengths), len(lengths)
    qkv = waves(tokens * 3 * heads * size, 0.7).view(tokens, 3, heads, size)
    grad = waves(tokens * heads * size, 1.3).view(tokens, heads, size)
    valid = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]  # [n, longest]
    def padded(x):
        out = torch.zeros(n, longest, heads, size)
        out[valid] = x
        return out
    even = all(l == longest for l in lengths)
    masks = {"": None} if even else {" bool": valid[:, None, None, :].expand(n, 1, longest, longest),
                                     " float": torch.zeros(n, 1, 1, longest).masked_fill(~valid[:, None, None, :], -torch.inf).expand(n, 1, longest, longest).contiguous()}
    variants = {}
    for layout in ("BTHd", "BHTd"):
        for kind, mask in masks.items():
            order = (lambda x: x.transpose(1, 2)) if layout == "BTHd" else (lambda x: x)
            leaves = [padded(qkv[:, i]) if layout == "BTHd" else padded(qkv[:, i]).transpose(1, 2).contiguous() for i in range(3)]
            g = padded(grad).transpose(1, 2) if layout == "BTHd" else padded(grad).transpose(1, 2).contiguous()
            back = (lambda x: x[valid]) if layout == "BTHd" else (lambda x: x.transpose(1, 2)[valid])
            variants[f"padded {layout}{kind}"] = (leaves, lambda p, leaves, order=order, mask=mask: sdpa(*map(order, leaves), attn_mask=mask, dropout_p=p),
                                                  g, back, lambda y, layout=layout: y.transpose(1, 2) if layout == "BTHd" else y)
    offsets = torch.tensor([0] + numpy.cumsum(lengths).tolist())  # one list for all: other lengths are another shape
    def nest(x):
        return torch.nested.nested_tensor_from_jagged(x.contiguous(), offsets, min_seqlen=min(lengths), max_seqlen=longest).detach()
    try:
        leaves = [nest(qkv[:, i]).requires_grad_() for i in range(3)]
        f = lambda p, leaves: sdpa(*[x.transpose(1, 2) for x in leaves], dropout_p=p)
        y = f(0.0, leaves); y.backward(nest(grad).transpose(1, 2))
        variants["nested"] = (leaves, f, nest(grad).transpose(1, 2), lambda x: x.values(), lambda y: y.transpose(1, 2))
    except Exception as e:
        print(f"  nested tensors do not work here: {type(e).__name__}: {str(e).splitlines()[0][:100]}")
    for leaves, *_ in variants.values():
        for x in leaves: x.requires_grad_(True)
    return variants

def time_torch(variant, dropout, repetitions):
    leaves, f, g, back, order = variant
    times = []
    for _ in range(repetitions):
        for x in leaves: x.grad = None
        start = time.perf_counter()
        y = f(dropout, leaves)
        y.backward(g)
        times.append((time.perf_counter() - start) * 1e3)
    return times, y

ours = subprocess.Popen([args.program, "--threads", str(args.threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def time_ours(lengths, dropout, repetitions):
    ours.stdin.write(f"{repetitions} {dropout} {heads} {size} {' '.join(map(str, lengths))}\n"); ours.stdin.flush()
    return json.loads(ours.stdout.readline())

results = []
for name, lengths in cases:
    variants = torch_variants(lengths)
    first = time_ours(lengths, 0.0, 1)
    for kind, v in variants.items():
        _, y = time_torch(v, 0.0, 1)
        out = v[3](v[4](y.detach())).double().square().mean().item()
        grad = sum(v[3](x.grad).double().square().mean().item() for x in v[0]) / 3
        if abs(out / first["out"] - 1) > 1e-4 or abs(grad / first["grad"] - 1) > 1e-4:
            raise SystemExit(f"{name}, {kind}: the two sides differ: {out} {first['out']}, {grad} {first['grad']}")
    useful = sum(14 * l * l * size * heads for l in lengths) / 1e6  # flops / 1e6; per ms: GFLOP/s
    repetitions = max(3, min(50, int(4000 / useful)))
    for dropout in (0.0, 0.1):
        times = {"cloze": [], **{k: [] for k in variants}}
        for r in range(args.rounds):
            times["cloze"] += time_ours(lengths, dropout, repetitions + 1)["ms"][1:]
            for k, v in variants.items(): times[k] += time_torch(v, dropout, repetitions + 1)[0][1:]
        median = {k: statistics.median(t) for k, t in times.items()}
        fastest = {k: min(t) for k, t in times.items()}
        best = min(variants, key=lambda k: median[k])
        row = {"case": name, "lengths": lengths, "dropout": dropout, "median_ms": median, "min_ms": fastest, "best_peer": best,
               "ratio_median": median[best] / median["cloze"], "ratio_min": min(fastest[k] for k in variants) / fastest["cloze"],
               "gflops": useful / median["cloze"], "gflops_peer": useful / median[best]}
        results.append(row)
        print(f"{name:12s} p {dropout}: cloze {median['cloze']:8.3f} ms ({row['gflops']:5.1f} GFLOP/s)  {best} {median[best]:8.3f} ms  "
              f"{row['ratio_median']:.2f}x (fastest {row['ratio_min']:.2f}x)  " + ", ".join(f"{k} {median[k]:.2f}" for k in variants), flush=True)
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "")
if args.out: json.dump({"cpu": cpu, "threads": args.threads, "torch": torch.__version__, "rounds": args.rounds, "cases": results}, open(args.out, "w"), indent=1)
