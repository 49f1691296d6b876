#!/usr/bin/env python3
"""Compiles every header alone, twice in one unit and with warnings as errors; says which take longest.

usage: check_headers_alone.py REPOSITORY COMPILER_JSON

A header that passed is not compiled again while it, the headers of ours that it reaches, the compiler and the flags
stay as they are. A few headers that many others reach are precompiled; each header begins with the largest one that it reaches
anyway. So a header still fails where nothing that it includes, directly or not, brings what it uses.
"""
import hashlib
import json
import sys
import time
from pathlib import Path

from check_layers import Header
from compiling import Clock, Compiler, in_parallel

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
PRECOMPILED = ["core/json.hpp", "kernels/gemm.hpp", "tensor/tensor.hpp", "text/tokenizer.hpp", "autograd/op.hpp",
               "models/auto.hpp"]
UMBRELLA_BUDGET = 6.0  # seconds, on the machine that the project was started on


def reached(name, base, seen):
    """`name` and every header of ours that it reaches."""
    if name not in seen and (base / name).is_file():
        seen.add(name)
        for other in Header(base / name).own:
            reached(other, base, seen)
    return seen


def main():
    root, compiler, clock = Path(sys.argv[1]), Compiler(sys.argv[2]), Clock()
    base = root / "include" / "cloze"
    # Other libraries' warnings are theirs: a precompiled header forgets the pragmas by which they silence some.
    def of_others(flag):
        return flag.startswith("-I/") and flag != "-I/usr/include" and not flag.startswith(f"-I{root.resolve()}")

    compiler.flags = [f"-isystem{flag[2:]}" if of_others(flag) else flag for flag in compiler.flags]
    names = [path.relative_to(base).as_posix() for path in sorted(base.rglob("*.hpp"))]
    closures = {name: reached(name, base, set()) for name in names}
    memory = compiler.work / "headers_alone.json"
    known = json.loads(memory.read_text(encoding="utf-8")) if memory.is_file() else {}
    setting = compiler.version() + " ".join(compiler.flags + WARNINGS)

    def state(name):
        digest = hashlib.sha256(setting.encode())
        for other in sorted(closures[name]):
            digest.update(other.encode() + (base / other).read_bytes())
        return digest.hexdigest()

    folder = compiler.work / "headers_alone"

    def precompile(name):
        """NAME where it compiles: then -include alone/NAME takes the precompiled one."""
        place = folder / "alone" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"#include <cloze/{name}>\n", encoding="utf-8")
        status, output = compiler.run([*WARNINGS, "-x", "c++-header", place, "-o", f"{place}.gch"])
        return name if status == 0 else None

    def compile_alone(name):
        start = time.monotonic()
        inside = [other for other in ready if other in closures[name] and other != name]
        largest = max(inside, key=lambda other: len(closures[other]), default=None)
        before = ["-I", folder, "-include", f"alone/{largest}"] if largest else []
        status, output = compiler.run(["-fsyntax-only", *WARNINGS, *before], f"#include <cloze/{name}>\n" * 2)
        return name, status, output, time.monotonic() - start

    states = {name: state(name) for name in names}
    todo = [name for name in names if known.get(name, {}).get("state") != states[name]]
    ready = [name for name in in_parallel(precompile, PRECOMPILED if len(todo) > 20 else []) if name]
    failed = 0
    for name, status, output, seconds in in_parallel(compile_alone, todo):
        if status == 0:
            known[name] = {"state": states[name], "seconds": round(seconds, 2)}
        else:
            failed += 1
            known.pop(name, None)
            print(f"cloze/{name} does not compile alone:\n{output}")
    known = {name: known[name] for name in names if name in known}
    memory.write_text(json.dumps(known, indent=1), encoding="utf-8")

    dearest = sorted(known, key=lambda name: -known[name]["seconds"])
    print(f"{len(names)} headers, {len(todo)} compiled in {clock}, {failed} failed")
    print("dearest (two compilers at a time): "
          + ", ".join(f"{name} {known[name]['seconds']:.1f} s" for name in dearest[:6]))
    if "cloze.hpp" in known:
        start = time.monotonic()
        compiler.run(["-fsyntax-only"], "#include <cloze/cloze.hpp>\n")
        seconds = time.monotonic() - start
        verdict = "within" if seconds <= UMBRELLA_BUDGET else "OVER"
        print(f"umbrella: {seconds:.1f} s, {verdict} its budget of {UMBRELLA_BUDGET:g} s")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
