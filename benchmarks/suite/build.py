"""Builds the measured programs as the release preset does, in a folder of their own; and the Python of the peers."""
import os
import shutil
import subprocess
import sys
import time

from workers import BenchError


def quietly(command, log, what, **options):
    """Runs a command into a log file; BenchError with its end where it fails."""
    with open(log, "w", encoding="utf-8") as file:
        if subprocess.run([str(c) for c in command], stdout=file, stderr=subprocess.STDOUT, check=False, **options).returncode:
            tail = "".join(open(log, encoding="utf-8", errors="replace").readlines()[-15:])
            raise BenchError(f"{what} failed (all of it: {log}):\n{tail}")


def programs(root, work, report, kernels, built=None):
    """Name -> path of every program: worker, attention_timing, and the kernels' where Google Benchmark is installed.

    Where they are built already, `built` is that build's folder."""
    work.mkdir(parents=True, exist_ok=True)
    if built:
        found = {path.name.removeprefix("bench_"): path.resolve() for path in (built / "benchmarks").glob("bench_*")}
        kernel_names = {p.stem for p in (root / "benchmarks/kernels").glob("*.cpp")}
        return found | {"kernels": {name: path for name, path in found.items() if kernels and name in kernel_names}}
    report.progress("configuring and building the release preset …")
    start = time.time()
    quietly(["cmake", "--preset", "release", "-B", work / "cmake", "-DCLOZE_BENCHMARKS=ON", "-DCLOZE_TESTS=OFF",
             "-DCLOZE_EXAMPLES=OFF", "-DCLOZE_INSTALL=OFF"], work / "configure.log", "configuring", cwd=root)
    names = sorted(p.stem for p in (root / "benchmarks/steps").glob("*.cpp"))
    kernel_names = sorted(p.stem for p in (root / "benchmarks/kernels").glob("*.cpp")) if kernels else []
    found = "benchmark_DIR:PATH=benchmark_DIR-NOTFOUND" not in (work / "cmake/CMakeCache.txt").read_text(encoding="utf-8")
    if kernel_names and not found:
        report.failed("kernels are left out: they need Google Benchmark (Debian: apt-get install libbenchmark-dev)")
        kernel_names = []
    targets = [f"bench_{name}" for name in names + kernel_names]
    quietly(["cmake", "--build", work / "cmake", "--parallel", os.environ.get("JOBS") or os.cpu_count(), "--target", *targets],
            work / "build.log", "building")
    report.progress(f"built in {time.time() - start:.0f} s")
    found_programs = {name: work / "cmake/benchmarks" / f"bench_{name}" for name in names}
    return found_programs | {"kernels": {name: work / "cmake/benchmarks" / f"bench_{name}" for name in kernel_names}}


def python_of_peers(given, work, report):
    """A Python with torch, transformers and tokenizers: the one given, or that of a venv made here once. And what else it has."""
    python = given
    if python is None:
        venv = work / "venv"
        python = venv / "bin/python"
        if not (venv / "complete").exists():
            report.progress("installing PyTorch, transformers and ONNX Runtime into build/bench/venv (once; some GB) …")
            shutil.rmtree(venv, ignore_errors=True)
            quietly([sys.executable, "-m", "venv", venv], work / "venv.log", "making a venv (Debian: apt-get install python3-venv)")
            quietly([python, "-m", "pip", "install", "torch", "transformers", "tokenizers", "numpy"], work / "pip.log",
                    "installing PyTorch")
            try:
                quietly([python, "-m", "pip", "install", "onnxruntime", "onnx", "onnxscript"], work / "pip_onnx.log",
                        "installing ONNX Runtime")
            except BenchError as error:
                report.warn_if(str(error))
            (venv / "complete").touch()
    check = subprocess.run([str(python), "-c", "import torch, transformers, tokenizers, numpy"], capture_output=True, text=True, check=False)
    if check.returncode:
        raise BenchError(f"{python} cannot be used: {check.stderr.strip().splitlines()[-1]}")
    missing = subprocess.run([str(python), "-c", "import onnxruntime, onnx, onnxscript"], capture_output=True, text=True, check=False)
    onnx = missing.returncode == 0
    report.warn_if(not onnx and f"no row for ONNX Runtime: {missing.stderr.strip().splitlines()[-1]} (pip install onnxruntime onnx onnxscript)")
    return python, onnx
