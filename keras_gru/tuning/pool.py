"""The workers of a sweep as the supervisor sees them: started, told, heard, ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_gru.tuning import guard
from keras_gru.tuning.errors import one_line

Answer = dict[str, Any]

MODULE = "keras_gru.tuning.worker"


class Worker:
    """A process that runs trials, under a guard; it can be started again.

    Args:
        name: for messages and the log.
        folder: of the sweep.
        digest: of the hypermodel's pickle.
        environment: beside the supervisor's own.
    """

    def __init__(
        self, name: str, folder: Path, digest: str, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = folder / "logs" / f"{name}.log"
        self._folder = folder
        self._digest = digest
        self._environment = environment
        self._guard: subprocess.Popen[bytes] | None = None
        self._orders = self._answers = -1
        self._heard = b""

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        os.set_blocking(self._answers, False)
        command = [
            *(sys.executable, guard.__file__),
            *(sys.executable, "-m", MODULE),
            *("--folder", str(self._folder), "--digest", self._digest),
            *("--orders", str(orders), "--answers", str(answers)),
        ]
        pipes = {"KERAS_GRU_PIPES": f"{orders},{answers}"}
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._environment, **pipes},
                pass_fds=(orders, answers),
                start_new_session=True,
            )
        os.close(orders)
        os.close(answers)
        self._heard = b""

    def pipes(self) -> tuple[int, int]:
        """What becomes readable when the worker says something, and when it ends."""
        assert self._guard is not None
        assert self._guard.stdout is not None
        return self._answers, self._guard.stdout.fileno()

    def tell(self, trial_id: str) -> None:
        """Have it run a trial; it may die before it reads of it."""
        try:
            os.write(self._orders, f"{trial_id}\n".encode())
        except BrokenPipeError:
            return  # which its end tells

    def answers(self) -> list[Answer]:
        """What it has said since the last time."""
        try:
            while said := os.read(self._answers, 1 << 16):
                self._heard += said
        except BlockingIOError:
            pass
        *lines, self._heard = self._heard.split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self) -> int | None:
        """Kill what is left of it; its exit code, None where it still ran."""
        if self._guard is None:
            return None
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self._guard.stdin.close()
        said = self._guard.stdout.read().decode().strip()
        self._guard.stdout.close()
        self._guard.wait()
        self._guard = None
        for descriptor in (self._orders, self._answers):
            os.close(descriptor)
        if said == "let go":
            return None
        return int(said) if said else -signal.SIGKILL  # the guard itself was killed

    def last_words(self) -> str:
        """The last line of its log."""
        if not self.log.is_file():
            return "it left no log"
        text = self.log.read_bytes()[-20_000:].decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return one_line(lines[-1]) if lines else "it said nothing"


def environment(backend: str, workers: int) -> dict[str, str]:
    """What the workers of a sweep need in their environment.

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
