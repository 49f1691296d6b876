"""What the checks that call the compiler share: its command line, as CMake wrote it, and two workers."""
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class Compiler:
    """The compiler and the flags that a user of cloze::cloze gets, from the compiler.json that CMake generates."""

    def __init__(self, path):
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        self.program = found["compiler"]
        self.flags = found["flags"]
        self.libraries = found["libraries"]
        self.work = Path(found["work"])
        self.environment = {**os.environ, "LC_ALL": "C"}  # messages are matched: in English, with plain quotes

    def version(self):
        return subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout

    def run(self, arguments, source=None):
        """Compiles `source` (text, or nothing where the arguments name a file). Returns (exit status, output)."""
        command = [self.program, *self.flags, *map(str, arguments)]
        if source is not None:
            command += ["-x", "c++", "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True, env=self.environment, check=False)
        return done.returncode, done.stdout + done.stderr


def in_parallel(function, items):
    """[function(item) for item in items], two at a time."""
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, items))


class Clock:
    """Seconds since it was made."""

    def __init__(self):
        self.start = time.monotonic()

    def __str__(self):
        return f"{time.monotonic() - self.start:.1f} s"
