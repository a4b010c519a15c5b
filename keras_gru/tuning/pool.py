"""The workers of a sweep as the supervisor sees them: started, told, heard, ended."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from keras_gru.tuning import guard
from keras_gru.tuning.errors import one_line
from keras_gru.tuning.records import Record

MODULE = "keras_gru.tuning.worker"
GRACE = 5.0  # seconds for a guard to kill what its worker has left


class Worker:
    """A process that runs trials, under a guard; it can be started again.

    Attributes:
        record: of the trial that it runs.
        ready: it has built the model.
        since: when it was started, or was given the trial.
        deaths: how often it died in a row before it was ready.
        ended: its process has ended.
    """

    def __init__(
        self, name: str, folder: Path, digest: str, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = folder / "logs" / f"{name}.log"
        self.record: Record | None = None
        self.ready = False
        self.since = 0.0
        self.deaths = 0
        self.ended = False
        self._folder = folder
        self._digest = digest
        self._environment = environment
        self._guard: subprocess.Popen[bytes] | None = None
        self._heard = b""

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, guard.__file__, str(os.getpid())),
            *(sys.executable, "-m", MODULE, str(self._folder), self._digest),
        ]
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        os.set_blocking(self.pipe.fileno(), False)
        self._heard = b""
        self.ready = self.ended = False
        self.since = time.monotonic()

    @property
    def pipe(self) -> IO[bytes]:
        """What becomes readable when it says something, or ends."""
        assert self._guard is not None
        assert self._guard.stdout is not None
        return self._guard.stdout

    def run(self, record: Record) -> None:
        """Have it run a trial."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        self.record, self.since = record, time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it has died, which is seen
            self._guard.stdin.write(f"{record.trial_id}\n".encode())

    def answers(self) -> list[dict[str, Any]]:
        """What it has said since the last time; notes its end."""
        assert self._guard is not None
        self.ended = self._guard.poll() is not None
        while said := self.pipe.read(1 << 16):
            self._heard += said
        self.ended |= said == b""  # None: nothing yet
        *lines, self._heard = self._heard.split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self) -> int | None:
        """Kill what is left of it; its exit code, None where it was ended already."""
        if self._guard is None:
            return None
        if self.ended:  # the guard is about to end, with the worker's exit code
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(GRACE)
        self._guard.terminate()
        self._guard.communicate()
        code, self._guard = self._guard.returncode, None
        return code

    def last_words(self) -> str:
        """The last line of its log."""
        text = self.log.read_bytes()[-20_000:].decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return one_line(lines[-1]) if lines else "it said nothing"


def environment(backend: str, workers: int) -> dict[str, str]:
    """What the workers of a sweep need in their environment.

    Each gets its part of the threads, unless OMP_NUM_THREADS is set.
    """
    found = {
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    }
    if workers > 1:
        if "OMP_NUM_THREADS" not in os.environ:
            threads = str(max(1, (os.cpu_count() or 1) // workers))
            found["OMP_NUM_THREADS"] = found["TF_NUM_INTRAOP_THREADS"] = threads
        # Else the first worker takes the whole memory of a GPU.
        found["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        found["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    return found
