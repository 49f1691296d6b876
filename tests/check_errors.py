#!/usr/bin/env python3
"""Every error id in include/ is listed in docs/errors.md, every listed id is thrown somewhere, and each is tested.

usage: check_errors.py [repository]

An id looks like cloze.<area>.<n>. In docs/errors.md an id counts as listed where it stands in backticks. An id without
a test is reported but does not fail the check: some failures (a full disk) cannot be had on every machine.
"""
import re
import sys
from collections import defaultdict
from pathlib import Path

IN_CODE = re.compile(r'"(cloze\.[a-z0-9_]+\.[0-9]+)"')
IN_PAGE = re.compile(r"`(cloze\.[a-z0-9_]+\.[0-9]+)`")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    thrown = defaultdict(set)
    for path in sorted(path for path in (root / "include").rglob("*") if path.suffix in (".hpp", ".cuh")):
        for found in IN_CODE.findall(path.read_text(encoding="utf-8")):
            thrown[found].add(path.relative_to(root / "include").as_posix())
    tested = {found for path in (root / "tests").rglob("*.cpp")
              for found in IN_CODE.findall(path.read_text(encoding="utf-8"))}
    page = root / "docs" / "errors.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    listed = set(IN_PAGE.findall(text))
    headings = re.findall(r"^(?:#+ |\| ?)`(cloze\.[a-z0-9_]+\.[0-9]+)`", text, re.MULTILINE)
    faults = [f"docs/errors.md does not list {name}, thrown in {', '.join(sorted(thrown[name]))}"
              for name in sorted(set(thrown) - listed)]
    faults += [f"docs/errors.md lists {name}, which nothing throws" for name in sorted(listed - set(thrown))]
    faults += [f"docs/errors.md explains {name} twice" for name in sorted(set(headings)) if headings.count(name) > 1]
    print("\n".join(faults) or f"{len(thrown)} error ids, all listed")
    untested = sorted(set(thrown) - tested)
    print(f"{len(thrown) - len(untested)} of {len(thrown)} named in a test"
          + (f"; not named: {', '.join(untested)}" if untested else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
