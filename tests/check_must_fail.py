#!/usr/bin/env python3
"""Must-not-compile pairs: each file of tests/compile_fail compiles as it is and fails with CLOZE_MUST_FAIL defined.

usage: check_must_fail.py REPOSITORY COMPILER_JSON

A file has a line `// expect: text` for each text that the compiler's output must hold; `// expect: a | b` where compilers
word it differently. Without the text, a typing error would pass as the intended failure. Each `CLOZE_MUST_FAIL` case of
a file can be told apart by value: `#if CLOZE_MUST_FAIL == 2` with `// expect 2: text`; the file is compiled once per
value.
"""
import re
import sys
from pathlib import Path

from compiling import Clock, Compiler, in_parallel

EXPECT = re.compile(r"^// expect(?: ([0-9]+))?: (.+)$", re.MULTILINE)


def main():
    root, compiler, clock = Path(sys.argv[1]), Compiler(sys.argv[2]), Clock()
    files = sorted((root / "tests" / "compile_fail").glob("*.cpp"))

    def check(path):
        text = path.read_text(encoding="utf-8")
        cases = {}
        for number, wanted in EXPECT.findall(text):
            cases.setdefault(int(number or 1), []).append([part.strip() for part in wanted.split(" | ")])
        if not cases:
            return [f"{path.name}: no line `// expect: text`"], 0
        faults = []
        status, output = compiler.run(["-fsyntax-only", "-Wall", "-Werror", path])
        if status != 0:
            faults.append(f"{path.name}: the good form does not compile:\n{output}")
        for number, wanted in sorted(cases.items()):
            status, output = compiler.run(["-fsyntax-only", f"-DCLOZE_MUST_FAIL={number}", path])
            if status == 0:
                faults.append(f"{path.name}: case {number} compiles, and must not")
            for choices in wanted:
                if status != 0 and not any(choice in output for choice in choices):
                    faults.append(f"{path.name}: case {number} fails, but not with '{' | '.join(choices)}':\n{output}")
        return faults, len(cases)

    results = in_parallel(check, files)
    faults = [fault for found, _ in results for fault in found]
    print("\n".join(faults) or "every pair holds")
    print(f"{len(files)} files, {sum(count for _, count in results)} cases, {len(faults)} faults, {clock}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
