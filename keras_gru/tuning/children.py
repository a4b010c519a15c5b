"""The processes of a sweep: started, told something, killed with all they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_gru.tuning.errors import one_line


class Child:
    """A process that can be started again under the same name.

    It leads a process group of its own, so that Ctrl-C reaches the supervisor only and
    `kill` reaches whatever the child has started. Its standard input is the leash: when
    the supervisor dies, it ends, and the child does too.

    Args:
        name: for messages and the log.
        module: what it runs, as in ``python -m``.
        log: where its output goes, after what is there.
        environment: beside the supervisor's own.
    """

    def __init__(
        self, name: str, module: str, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self._module = module
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started last; 0 before that."""
        return self._process.pid if self._process else 0

    def start(self, arguments: Sequence[str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """None while it runs, or before it was started."""
        return self._process.poll() if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tell(self, line: str) -> None:
        """Send a line to its standard input; it may die before it reads it."""
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # it is dead, which is seen, and told again, at the next look

    def kill(self) -> None:
        """End it and all that it started, at once."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # all of them are gone
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._let_go()

    def end(self, seconds: float) -> None:
        """Let go of the leash, wait a while, then kill."""
        if self.alive:
            self._let_go()
            deadline = time.monotonic() + seconds
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.02)
        self.kill()

    def _let_go(self) -> None:
        """Close its standard input; a line may be on its way to a dead process."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def last_words(self) -> str:
        """Why it ended: what its log says for the reader, or the log's last line."""
        if not self.log.is_file():
            return "it left no log"
        text = self.log.read_bytes()[-20_000:].decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("sweep: ")]
        if said:
            return one_line(said[-1].removeprefix("sweep: "))
        return one_line(lines[-1]) if lines else "it said nothing"


def environment(backend: str, workers: int) -> dict[str, str]:
    """What the processes of a sweep need in their environment.

    Args:
        backend: of Keras.
        workers: how many share the processors; each gets its part of the threads,
            unless OMP_NUM_THREADS is set.
    """
    threads = max(1, (os.cpu_count() or 1) // max(1, workers))
    found = {
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    }
    if workers > 1:
        if "OMP_NUM_THREADS" not in os.environ:
            found["OMP_NUM_THREADS"] = str(threads)
            found["TF_NUM_INTRAOP_THREADS"] = str(threads)
        # Else the first worker takes the whole memory of a GPU.
        found.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        found.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    return found
