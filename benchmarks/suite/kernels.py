"""The programs of benchmarks/kernels, each line beside what this machine can do: the large matrix product, the copy of memory."""
import json
import os
import subprocess

from workers import BenchError, Worker


def run(args, programs, data, report, root):
    report.progress("measuring this machine's own peaks")
    with Worker([programs["worker"]], args.threads) as worker:
        peak = {"GFLOP/s": worker.ask("gemm")["gflops"], "GB/s": worker.ask("copy")["gbs"]}
    report.table("This machine", ["threads", "GEMM GFLOP/s", "copy GB/s"], [[args.threads, peak["GFLOP/s"], peak["GB/s"]]])
    tokenizer, text = data.tokenizers["minilm-l6"], data.text(1)
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads), CLOZE_BENCH_TOKENIZER=str(tokenizer), CLOZE_BENCH_TEXT=str(text[0]))
    lines = []
    try:
        for name, program in programs["kernels"].items():
            report.progress(f"kernels: {name}")
            command = [program, "--benchmark_format=json", f"--benchmark_min_time={0.03 if args.quick else 0.3}"]
            if name == "attention":
                command.append(f"--benchmark_filter=length:({'40|128|512' if args.quick else '24|40|60|128|256|512'})/")
            found = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment, check=False)
            if found.returncode:
                raise BenchError(f"{program.name} ended with status {found.returncode}: {found.stderr.strip()[-300:]}")
            for row in json.loads(found.stdout)["benchmarks"]:
                lines.append(line(name, row, peak))
    finally:  # what was measured before an interruption is kept
        report.table(f"Kernels, {args.threads} threads (small operands lie in a cache, where more than 100 % of the copy's rate is possible)",
                     ["kernel", "us", "GFLOP/s", "GB/s", "of peak %"], lines)


def line(program, row, peak):
    """One benchmark's line: its rate beside the peak of the same kind."""
    unit = next((unit for unit in peak if unit in row), None)
    name = row["name"].removesuffix("/real_time")
    scale = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}[row["time_unit"]]
    rates = [row[u] if u in row else "" for u in peak]
    if "MB/s" in row:
        return [f"{program} {name}", row["real_time"] * scale, "", f"{row['MB/s']:.0f} MB/s of text", ""]
    return [f"{program} {name}", row["real_time"] * scale, *rates, 100 * row[unit] / peak[unit] if unit else ""]
