"""What is known of the machine that measures."""
import os
import platform
import re
import subprocess
from datetime import datetime, timezone

FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "sve")


def load_average():
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def describe(root, build, threads, load):
    cpu, flags, memory = platform.machine(), [], None
    try:
        for line in open("/proc/cpuinfo", encoding="utf-8"):
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                cpu = value.strip()
            if key.strip() in ("flags", "Features"):
                flags = [flag for flag in FLAGS if flag in value.split()]
        memory = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo", encoding="utf-8").read())[1]) // 1024
    except (OSError, TypeError):
        pass
    cache = dict(re.findall(r"^(CMAKE_CXX_COMPILER|CMAKE_CXX_FLAGS|CMAKE_CXX_FLAGS_RELEASE):\w+=(.*)$",
                            (build / "CMakeCache.txt").read_text(encoding="utf-8"), re.MULTILINE))
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "flags": flags,
        "memory_mb": memory,
        "system": f"{platform.system()} {platform.release()}",
        "compiler": first_line(cache.get("CMAKE_CXX_COMPILER", "c++"), "--version"),
        "compiler_flags": f"{cache.get('CMAKE_CXX_FLAGS', '')} {cache.get('CMAKE_CXX_FLAGS_RELEASE', '')}".strip(),
        "commit": first_line("git", "-C", str(root), "rev-parse", "--short", "HEAD"),
        "threads": threads,
        "openmp": {key: value for key, value in os.environ.items() if key.startswith(("OMP_", "GOMP_", "KMP_", "MKL_"))},
        "load_average_before": load,
    }
