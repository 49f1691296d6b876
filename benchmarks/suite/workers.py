"""Processes that are told what to do by lines of JSON and answer with one each."""
import json
import os
import subprocess
import tempfile


class BenchError(Exception):
    """Something the user should read."""


_running = []


class Worker:
    """One such process. It stays alive between requests: models stay loaded, threads and caches stay warm."""

    def __init__(self, command, threads, **environment):
        self.name = os.path.basename(str(command[1] if len(command) > 1 and "python" in str(command[0]) else command[0]))
        self.errors = tempfile.TemporaryFile("w+")
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true",
                   HF_HUB_OFFLINE="1", **environment)
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=self.errors, env=env)
        _running.append(self)

    def ask(self, do, **request):
        """The answer to one request; BenchError where it is an error, or the process has ended."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process.wait()
            self.errors.seek(0)
            tail = " ".join(self.errors.read().split())[-400:]
            raise BenchError(f"{self.name} ended with status {self.process.returncode} at \"{do}\": {tail}")
        reply = json.loads(line)
        if "error" in reply:
            raise BenchError(f"{self.name}, \"{do}\": {reply['error']}")
        return reply

    def stop(self):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        if self in _running:
            _running.remove(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def stop_all():
    """Ends every process that is still there."""
    for worker in list(_running):
        worker.process.kill()
        worker.process.wait()
        _running.remove(worker)
