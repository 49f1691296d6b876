"""A training step of RoBERTa-base's shape on real SST-2 prompts: cloze beside PyTorch, in turn, in one run.

usage: compare_train_step.py CLOZE_TRAIN_STEP WORK_FOLDER [--rounds N] [--steps N] [--threads N] [--out RESULT.json]
CLOZE_TRAIN_STEP is the program built from benchmarks/steps/train_step.cpp; WORK_FOLDER holds what make_inputs.py wrote.
Each round starts every contender once (A B C A B C …), drops its first step and takes the others' times. Prints medians and
the ratios of PyTorch's to ours, and first of all checks that both sides compute the same loss without dropout.
"""
import argparse, json, os, platform, statistics, subprocess, sys

parser = argparse.ArgumentParser()
parser.add_argument("program"); parser.add_argument("work")
parser.add_argument("--rounds", type=int, default=3); parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--threads", type=int, default=os.cpu_count()); parser.add_argument("--out")
args = parser.parse_args()
here = os.path.dirname(os.path.abspath(__file__))
model, batches = f"{args.work}/roberta-base-shape", f"{args.work}/batches.json"

def run(name, dropout, steps):
    command = [args.program] if name == "cloze" else [sys.executable, f"{here}/torch_train_step.py"]
    command += [model, batches, "--steps", str(steps), "--dropout", str(dropout), "--threads", str(args.threads)]
    if name != "cloze": command += ["--pad", name.split()[-1]]
    env = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    lines = [json.loads(l) for l in subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.splitlines() if l.startswith("{")]
    return [l for l in lines if "ms" in l], lines[-1]["peak_mb"], lines[0].get("warmup_loss")

contenders = ["cloze", "torch longest", "torch 128"]
ours, _, first = run("cloze", 0, 3)
theirs, _, first_theirs = run("torch longest", 0, 3)
losses = [(first, first_theirs)] + [(a["loss"], b["loss"]) for a, b in zip(ours, theirs)]
worst = max(abs(a - b) / abs(b) for a, b in losses)
print(f"losses of 4 steps without dropout: largest relative difference {worst:.1e}")
if worst > 1e-3: sys.exit("the two sides do not compute the same thing")
times, peaks = {c: [] for c in contenders}, {}
for _ in range(args.rounds):
    for c in contenders:
        steps, peak, _ = run(c, 0.1, args.steps)
        times[c].append([s["ms"] for s in steps]); peaks[c] = peak
median = {c: statistics.median(t for r in times[c] for t in r) for c in contenders}
result = {"machine": platform.processor() or platform.machine(), "cpu": next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), ""),
          "threads": args.threads, "rounds": args.rounds, "steps": args.steps, "loss_difference": worst,
          "median_ms": median, "peak_mb": peaks,
          "ratio": {c: statistics.median(statistics.median(b) / statistics.median(a) for a, b in zip(times["cloze"], times[c])) for c in contenders[1:]}}
for c in contenders: print(f"{c:14s} {median[c]:8.0f} ms/step  peak {peaks[c]:6.0f} MB" + (f"  {result['ratio'][c]:.2f}x ours" if c != "cloze" else ""))
if args.out: json.dump(result, open(args.out, "w"), indent=1)
