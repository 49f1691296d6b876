"""Whole steps: training and inference by model size, length, batch and threads, what they reach of the GEMM's rate, and where time goes."""
import json
import random

from report import median
from workers import Worker

SIZES = {False: {"minilm-l6": [(32, 8), (32, 32), (128, 8), (512, 4)], "roberta-base": [(32, 8), (32, 32), (128, 8), (512, 2)]},
         True: {"minilm-l6": [(32, 8), (128, 8)], "roberta-base": [(32, 8)]}}
COLUMNS = ["model", "length x batch", "threads", "ms", "tokens/s", "GFLOP/s", "of GEMM %", "peak MB"]


def synthetic(path, vocabulary, length, batch):
    """Prompts of one length with random tokens: what is computed does not depend on which."""
    draw = random.Random(0)
    rows = {"ids": [[draw.randrange(5, vocabulary) for _ in range(length)] for _ in range(batch)],
            "masks": [length - 3] * batch, "labels": [i % 2 for i in range(batch)]}
    path.write_text(json.dumps({"words": [10, 11], "batches": [rows]}), encoding="utf-8")
    return path


def figures(ms, reply, gemm):
    """ms, tokens/s, GFLOP/s, share of the GEMM's rate; of the medians of a reply's lists, or of its single numbers."""
    first = lambda x: x[0] if isinstance(x, list) else x
    tokens, gflop = first(reply["tokens"]), first(reply["gflop"])
    return [ms, 1e3 * tokens / ms, 1e3 * gflop / ms, 100 * 1e3 * gflop / ms / gemm]


def one_size(worker, inputs, name, what, threads, train, infer):
    gemm = worker.ask("gemm")["gflops"]
    worker.ask("infer", inputs=str(inputs), batch_tokens=1 << 30)
    replies = [worker.ask("infer", inputs=str(inputs), batch_tokens=1 << 30) for _ in range(3)]
    infer.append([name, what, threads, *figures(median([r["ms"] for r in replies]), replies[0], gemm), worker.ask("memory")["peak_mb"]])
    first = worker.ask("train", inputs=str(inputs), steps=1)["ms"][0]
    reply = worker.ask("train", inputs=str(inputs), steps=max(2, min(20, int(2000 / first))))
    train.append([name, what, threads, *figures(median(reply["ms"]), reply, gemm), worker.ask("memory")["peak_mb"]])


def profile(worker, inputs, name, steps, report):
    """Where the time of a training step on real prompts goes."""
    worker.ask("train", inputs=str(inputs), steps=1)
    worker.ask("profile")
    total = sum(worker.ask("train", inputs=str(inputs), steps=steps)["ms"]) / steps
    merged = {}
    for row in worker.ask("profile")["rows"]:
        if row["phase"] != "between":
            entry = merged.setdefault((row["phase"], row["name"]), [0, 0])
            entry[0] += 1e3 * row["seconds"] / steps
            entry[1] += row["calls"] / steps
    lines = [[f"{phase} {op}", calls, ms, 100 * ms / total] for (phase, op), (ms, calls) in merged.items()]
    lines.sort(key=lambda line: -line[2])
    for phase in ("forward", "backward", "optimizer"):
        ms = sum(line[2] for line in lines if line[0].startswith(phase))
        lines.append([f"all of {phase}", "", ms, 100 * ms / total])
    report.table(f"Where a training step goes: {name}, 8 prompts, {total:.0f} ms", ["operation", "calls", "ms", "%"], lines)


def run(args, programs, data, report, root):
    train, infer = [], []
    folders = {args.model.name: args.model} if args.model else {s: root / "build/bench" / s for s in SIZES[args.quick]}
    with Worker([programs["worker"]], args.threads) as worker:
        for shape, folder in folders.items():
            if not args.model:
                worker.ask("model", shape=shape, folder=str(folder))
        report.table("This machine", ["threads", "GEMM GFLOP/s", "copy GB/s"], [peaks(worker, n) for n in thread_counts(args)])
    try:
        for name, folder in folders.items():
            one_model(args, programs, data, report, name, folder, train, infer)
    finally:  # what was measured before an interruption is kept
        report.table("Training steps (dropout 0.1, AdamW on everything)", COLUMNS, train)
        report.table("Inference (scores of the label words at the masks)", COLUMNS, infer)


def one_model(args, programs, data, report, name, folder, train, infer):
    vocabulary = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    sizes = SIZES[args.quick].get(name, SIZES[args.quick]["minilm-l6"])
    for threads in thread_counts(args):
        for length, batch in sizes:
            report.progress(f"{name}, {batch} prompts of {length} tokens, {threads} thread{'s' * (threads > 1)}")
            inputs = synthetic(data.work / "synthetic.json", vocabulary, length, batch)
            with Worker([programs["worker"]], threads) as worker:  # one process for each: peak memory is its own
                worker.ask("load", model=str(folder), dropout=0.1)
                one_size(worker, inputs, name, f"{length} x {batch}", threads, train, infer)
    with Worker([programs["worker"]], args.threads) as worker:
        inputs = data.work / "profile.json"
        tokenizer = data.tokenizers.get(name, args.model)
        worker.ask("render", tokenizer=str(tokenizer), data=str(data.kshot), split="train", demonstrations=False, count=32, batch=8,
                   out=str(inputs))
        worker.ask("load", model=str(folder), dropout=0.1)
        profile(worker, inputs, name, 2 if args.quick else 4, report)


def thread_counts(args):
    return [args.threads] if args.quick or args.threads == 1 else [1, args.threads]


def peaks(worker, threads):
    worker.ask("threads", count=threads)
    return [threads, worker.ask("gemm")["gflops"], worker.ask("copy")["gbs"]]
