"""The benchmark suite: builds the programs, runs the parts asked for, prints a table, and writes JSON and an SVG chart.

Run it as scripts/bench. Results are written after every row: what was measured before an interruption is kept.
"""
import argparse
import os
import sys
import time
from pathlib import Path

import build
import cuda
import kernels
import machine
import peers
import steps
from data import Data
from report import Report
from workers import BenchError, stop_all

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures cloze on this machine, and beside its peers.")
    parser.add_argument("part", nargs="?", default="all", choices=["kernels", "steps", "peers", "cuda", "all"],
                        help="cuda is not part of all")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds: to see that all runs, not to report")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of every side (default: all cores)")
    parser.add_argument("--model", type=Path, help="steps: a Hugging Face masked-LM folder instead of the random models")
    parser.add_argument("--data", type=Path, help="folder with kshot/SST-2, tokenizers/ and corpus/ (default: CLOZE_SHARED/data); "
                                                  "or a k-shot folder of SST-2's form")
    parser.add_argument("--python", type=Path, help="peers, cuda: a Python with torch and transformers (peers: instead of a venv made here)")
    parser.add_argument("--built", type=Path, help="a build folder that has the programs (benchmarks/bench_…): nothing is built")
    parser.add_argument("--only", nargs="+", choices=peers.PARTS, help="peers: these comparisons alone")
    parser.add_argument("--out", type=Path, default=Path("build/bench/result.json"), help="the JSON file; the chart lies beside it")
    args = parser.parse_args()
    if args.threads < 1 or args.threads > (os.cpu_count() or 1):
        parser.error(f"--threads {args.threads}: wanted 1 to {os.cpu_count()}, the cores of this machine")
    if args.model and not (args.model / "config.json").is_file():
        parser.error(f"--model {args.model}: no config.json there")
    if args.model and args.part not in ("steps", "all"):
        parser.error("--model is for steps")
    if args.only and args.part != "peers":
        parser.error("--only is for peers")
    if args.python and not os.access(args.python, os.X_OK):
        parser.error(f"--python {args.python}: no such program")
    if args.built and not (args.built / "benchmarks/bench_worker").is_file():
        parser.error(f"--built {args.built}: no benchmarks/bench_worker there")
    if args.data and not args.data.is_dir():
        parser.error(f"--data {args.data}: no such folder")
    if args.out.suffix != ".json":
        parser.error(f"--out {args.out}: wanted a name that ends in .json")
    return args


def recorded(words):
    """The command as others would repeat it: where this machine keeps things is left out."""
    places = {"--python": "PYTHON", "--built": "FOLDER", "--data": "FOLDER", "--model": "FOLDER"}
    return [places.get(before, word) for before, word in zip(["", *words], words)]


def main():
    args = arguments()
    work = ROOT / "build/bench"
    start = time.time()
    report = Report(args.out)
    try:
        load = machine.load_average()
        programs = build.programs(ROOT, work, report, kernels=args.part in ("kernels", "all"), built=args.built)
        report.machine = machine.describe(ROOT, args.built or work / "cmake", args.threads, load)
        report.command = "scripts/bench " + " ".join(recorded(sys.argv[1:]))
        report.warn_if(load > 0.5 and f"the machine was busy when this began (load average {load:.1f}): these times are not to be reported")
        data = Data(args.data, ROOT, work, report)
        chosen = ["kernels", "steps", "peers"] if args.part == "all" else [args.part]
        run = {"kernels": kernels.run, "steps": steps.run, "peers": peers.run, "cuda": cuda.run}
        for part in chosen:
            try:
                run[part](args, programs, data, report, ROOT)
            except BenchError as error:
                report.failed(f"{part}: {error}")
    except BenchError as error:
        report.failed(f"scripts/bench: {error}")
    except KeyboardInterrupt:
        report.failed("interrupted: what was measured before is kept", 130)
    finally:
        stop_all()
    report.finish(time.time() - start)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
