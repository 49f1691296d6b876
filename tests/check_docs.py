#!/usr/bin/env python3
"""Compiles and runs the C++ code of README.md and docs/*.md.

usage: check_docs.py REPOSITORY COMPILER_JSON [page…]

A fenced block that begins with ```cpp is code. Words after `cpp` say more:
  no-run       compile and link only (it needs a file that is not there)
  continue     the page's blocks since the last one without `continue` stand before it, in the same program
An HTML comment that begins with `<!--cpp` is code that the reader does not see; it joins the block after it.
A block without `int main` is the body of one: its #include lines are moved to the top, cloze/cloze.hpp is included, and
so is `using namespace std::literals`. A namespace-scope declaration that cannot stand in a function (a template, a
concept) goes before a line `// …`: all above that line stands outside main.
A fence ```output after a block is what the program must print.
Programs run in a folder of their own, where `models` and `examples` of the repository can be seen.
"""
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from compiling import Clock, Compiler, in_parallel

TIME_LIMIT = 120  # seconds for one block
OUTSIDE = re.compile(r"^\s*// …\s*$", re.MULTILINE)
HEAD = re.compile(r"^\s*#\s*(include|define|pragma)\b.*$", re.MULTILINE)


@dataclass
class Block:
    page: str
    line: int
    words: list
    code: str
    output: str = None


def blocks_of(path, name):
    """The blocks of a page in order, hidden code and continued code in place."""
    found, hidden, fence, body, start, info = [], "", None, [], 0, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if fence is None:
            opening = re.match(r"^\s*(```+|<!--)\s*(cpp|output)?\b(.*)$", line)
            if opening:
                if opening[1] == "<!--" and (opening[2] != "cpp" or "-->" in line):
                    continue
                fence = "-->" if opening[1] == "<!--" else opening[1]
                info, body, start = (opening[2] or "") + opening[3], [], number
            continue
        if line.strip() != fence:
            body.append(line)
            continue
        words, text = info.split(), "\n".join(body) + "\n"
        if fence == "-->":
            hidden += text
        elif words[:1] == ["cpp"]:
            unknown = set(words[1:]) - {"no-run", "continue"}
            if unknown:
                raise SystemExit(f"{name}:{start}: unknown words after cpp: {' '.join(sorted(unknown))}")
            before = found[-1].code if "continue" in words and found else ""
            found.append(Block(name, start, words, before + hidden + text))
            hidden = ""
        elif words[:1] == ["output"] and found:
            found[-1].output = text
        fence = None
    if fence is not None:
        raise SystemExit(f"{name}:{start}: a block that never ends")
    return found


def program(block):
    """The block as a whole program."""
    head = "#include <cloze/cloze.hpp>\n"
    if re.search(r"\bint main\(", block.code):
        return head + block.code
    lines = "".join(found.group(0) + "\n" for found in HEAD.finditer(block.code))
    rest = HEAD.sub("", block.code)
    parts = OUTSIDE.split(rest)
    outside, inside = "\n".join(parts[:-1]), parts[-1]
    return (f"{head}{lines}{outside}\n"
            f"int main() {{\nusing namespace std::literals;\n{inside}\n}}\n")


def main():
    root, compiler, clock = Path(sys.argv[1]).resolve(), Compiler(sys.argv[2]), Clock()
    pages = [Path(page).resolve() for page in sys.argv[3:]] or [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    blocks = [block for page in pages if page.is_file() for block in blocks_of(page, page.relative_to(root).as_posix())]
    if not blocks:
        print("no blocks")
        return 0
    work = compiler.work / "docs_code"
    (work / "cloze").mkdir(parents=True, exist_ok=True)
    (work / "run").mkdir(exist_ok=True)
    for folder in ("models", "examples"):
        link = work / "run" / folder
        if not link.is_symlink():
            link.symlink_to(root / folder)

    # The umbrella is precompiled: GCC takes cloze.hpp.gch where it is the first thing that a program includes, and the file
    # beside it later on. The models are compiled once.
    compiler.flags.insert(1, f"-I{work}")
    umbrella = f'#pragma once\n#include "{root}/include/cloze/cloze.hpp"\n'
    (work / "cloze/cloze.hpp").write_text(umbrella, encoding="utf-8")
    (work / "with_models.hpp").write_text(umbrella + "CLOZE_DECLARE_MODELS(float, cloze::Cpu);\n", encoding="utf-8")
    (work / "models.cpp").write_text("CLOZE_DEFINE_MODELS(float, cloze::Cpu);\n", encoding="utf-8")
    for command in (["-x", "c++-header", work / "with_models.hpp", "-o", work / "cloze/cloze.hpp.gch"],
                    ["-include", "cloze/cloze.hpp", "-c", work / "models.cpp", "-o", work / "models.o"]):
        status, output = compiler.run(["-O1", "-w", *command])
        if status != 0:
            print(output)
            return 1
    print(f"umbrella precompiled and models compiled, {clock}")

    def check(numbered):
        number, block = numbered
        where, binary = f"{block.page}:{block.line}", work / f"block_{number}"
        source = binary.with_suffix(".cpp")
        source.write_text(program(block), encoding="utf-8")
        status, output = compiler.run(["-O1", "-w", "-include", "cloze/cloze.hpp", source, work / "models.o", "-o", binary,
                                       *compiler.libraries])
        if status != 0:
            return f"{where}: does not compile:\n{output}"
        if "no-run" in block.words:
            return None
        try:
            done = subprocess.run([binary], cwd=work / "run", capture_output=True, text=True, timeout=TIME_LIMIT,
                                  check=False)
        except subprocess.TimeoutExpired:
            return f"{where}: still running after {TIME_LIMIT} s"
        if done.returncode != 0:
            return f"{where}: exit status {done.returncode}:\n{done.stdout}{done.stderr}"
        if block.output is not None and done.stdout.strip() != block.output.strip():
            return f"{where}: printed\n{done.stdout}\nand the page says\n{block.output}"
        return None

    faults = [fault for fault in in_parallel(check, list(enumerate(blocks))) if fault]
    print("\n".join(faults) or "every block compiles and runs")
    print(f"{len(blocks)} blocks of {len(pages)} pages, {len(faults)} faults, {clock}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
