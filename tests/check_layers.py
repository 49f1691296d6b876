#!/usr/bin/env python3
"""Fails where a header breaks the layering, where includes form a cycle, or where device code reaches a host library.

usage: check_layers.py [repository]

The table below is the one of docs/design.md. `#include <cloze/…>` is the only form allowed between our own headers.
"""
import re
import sys
from pathlib import Path

# folder: the folders whose headers it may include, besides its own. The order is the direction in which data flows.
MAY_INCLUDE = {
    "core": "",
    "tensor": "core",
    "kernels": "core tensor",
    "autograd": "core tensor kernels",
    "io": "core tensor",
    "text": "core",
    "data": "core",
    "batch": "core tensor",
    "nn": "core tensor autograd io",
    "models": "core tensor autograd nn io batch",
    "prompt": "core tensor autograd text data batch",
    "train": "core tensor kernels autograd nn io data",
    "methods": "*",
    "dist": "*",
    "report": "*",
}
# A host library and the only folders or headers that may name it.
LIBRARIES = {
    r"(unsupported/)?Eigen/": ["tensor/eigen.hpp", "kernels/cpu/"],
    r"(xtensor|xtl)/": ["tensor/xtensor.hpp", "io/npy.hpp"],
    r"xsimd/": ["kernels/cpu/"],
    r"utf8proc\.h": ["text/"],
    r"nlohmann/": ["core/json.hpp"],
    r"lzma\.h": ["data/xz.hpp"],
    r"omp\.h": ["core/parallel.hpp"],
    r"fmt/(?!core\.h)": [],  # fmt/core.h is the cheap part and goes anywhere; the rest costs compile time
    r"(cuda|cub|cublas|cooperative_groups)": ["core/cuda", "kernels/cuda/"],
}
NOT_IN_DEVICE_CODE = re.compile(r"(unsupported/)?Eigen/|xtensor/|xtl/|xsimd/|nlohmann/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


class Header:
    """What one header includes: our own headers, and others."""

    def __init__(self, path):
        found = INCLUDE.findall(path.read_text(encoding="utf-8"))
        self.quoted = [name for mark, name in found if mark == '"']
        self.own = [name.removeprefix("cloze/") for _, name in found if name.startswith("cloze/")]
        self.others = [name for _, name in found if not name.startswith("cloze/")]


def layering_faults(name, header):
    folder = name.split("/")[0] if "/" in name else None
    for quoted in header.quoted:
        yield f'{name}: "{quoted}" is included in quotes; write <cloze/…>'
    if folder is not None and folder not in MAY_INCLUDE:
        yield f"{name}: the folder {folder}/ has no line in the table of check_layers.py"
        return
    for other in header.own:
        target = other.split("/")[0] if "/" in other else None
        if folder is None or target is None or target == folder or MAY_INCLUDE[folder] == "*":
            continue
        if target not in MAY_INCLUDE[folder].split():
            allowed = MAY_INCLUDE[folder] or "nothing"
            yield f"{name}: includes <cloze/{other}>, but {folder}/ may include only: {allowed}"
    for library, homes in LIBRARIES.items():
        for other in header.others:
            if re.match(library, other) and not any(name == home or name.startswith(home) for home in homes):
                yield f"{name}: includes <{other}>, which belongs in {', '.join(homes) or 'no header'}"


def cycles(headers):
    """Every include cycle once, by a depth-first walk that keeps the path it came along."""
    finished = set()

    def walk(name, path):
        if name in path:
            yield "include cycle: " + " -> ".join(path[path.index(name):] + [name])
        elif name in headers and name not in finished:
            for other in headers[name].own:
                yield from walk(other, path + [name])
            finished.add(name)

    for name in headers:
        yield from walk(name, [])


def device_faults(root, headers):
    """Headers of device code stand without the host's libraries: follows the includes of every .cuh."""
    for source in sorted(root.rglob("include/**/*.cuh")):
        pending = Header(source).own
        seen = set(pending)
        while pending:
            name = pending.pop()
            if name not in headers:
                continue
            for other in filter(NOT_IN_DEVICE_CODE.match, headers[name].others):
                yield f"{source.relative_to(root)}: reaches <{other}> through <cloze/{name}>"
            fresh = [other for other in headers[name].own if other not in seen]
            seen.update(fresh)
            pending += fresh


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    base = root / "include" / "cloze"
    paths = sorted(path for path in base.rglob("*") if path.suffix in (".hpp", ".cuh"))
    headers = {path.relative_to(base).as_posix(): Header(path) for path in paths}
    faults = [fault for name, header in headers.items() for fault in layering_faults(name, header)]
    faults += [f"{name}: includes <cloze/{other}>, which does not exist"
               for name, header in headers.items() for other in header.own if not (base / other).is_file()]
    faults += [*cycles(headers), *device_faults(root, headers)]
    print("\n".join(faults) or f"{len(headers)} headers keep the layering")
    return 1 if faults or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
