#!/usr/bin/env python3
"""House rules that a script can see: header length, the first comment, the guard, leftovers, large files.

usage: check_house.py [repository]
"""
import re
import statistics
import subprocess
import sys
from pathlib import Path

LONGEST = 500  # lines of a header
MEDIAN = 200  # lines, over all headers
LARGEST = 2048  # KiB of a file in the repository, but for the default model
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
SOURCES = {".hpp", ".cpp", ".cuh", ".cu", ".py", ".cmake", ".md", ".txt", ""}


def files_of(root):
    """The files that are, or would be, in the repository."""
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, check=False)
    if listing.returncode == 0:
        return [root / name for name in listing.stdout.decode().split("\0") if name and (root / name).is_file()]
    return [path for path in root.rglob("*") if path.is_file() and "build" not in path.relative_to(root).parts]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    faults, lengths = [], {}
    for path in files_of(root):
        name = path.relative_to(root).as_posix()
        size = path.stat().st_size // 1024
        if size > LARGEST and not name.startswith("models/"):
            faults.append(f"{name}: {size} KiB, the most is {LARGEST}")
        if path.suffix not in SOURCES or name.startswith(("models/", "examples/data/", "tests/golden/")) or size > 512:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # seeds of the fuzz tests are no text
        if path.suffix in (".hpp", ".cpp", ".cuh", ".cu", ".py"):
            for number, line in enumerate(text.splitlines(), 1):
                if LEFTOVER.search(line):
                    faults.append(f"{name}:{number}: leftover: {line.strip()}")
        if name.startswith("include/"):
            lines = text.splitlines()
            lengths[name] = len(lines)
            if len(lines) > LONGEST:
                faults.append(f"{name}: {len(lines)} lines, the most is {LONGEST}")
            if not lines or not lines[0].startswith("// "):
                faults.append(f"{name}:1: a header opens with a comment that says what it is")
            if "#pragma once" not in lines:
                faults.append(f"{name}: no #pragma once")
            if re.search(r"^\s*using namespace", text, re.MULTILINE):
                faults.append(f"{name}: using namespace in a header")
    median = statistics.median(lengths.values())
    if median > MEDIAN:
        faults.append(f"include/: the median header has {median:g} lines, the most is {MEDIAN}")
    longest = sorted(lengths, key=lengths.get)[-3:]
    print("\n".join(faults) or "the house is in order")
    print(f"{len(lengths)} headers, {sum(lengths.values())} lines, median {median:g}, longest: "
          + ", ".join(f"{name.removeprefix('include/cloze/')} {lengths[name]}" for name in reversed(longest)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
