"""The workers' processes, as the process that leads sees them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from benchmarks.contenders import framework_of

PATIENCE = 900.0
"""Seconds after which a worker that does not answer has failed."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


class WorkerFailed(RuntimeError):
    """A worker died, raised or went silent."""


class Process:
    """One worker; `ask` waits for the answer, `send` and `receive` do not."""

    def __init__(
        self, name: str, processors: Sequence[int], kernels: Sequence[str]
    ) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by `stop`
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.worker", name),
                *("--processors", ",".join(map(str, processors))),
                *("--kernels", ",".join(kernels)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            bufsize=1,
            env=environment(name, len(processors)),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, do: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, "with": arguments}) + "\n")
        except BrokenPipeError:
            raise WorkerFailed(self._story("died")) from None

    def receive(self) -> Any:
        out = self._process.stdout
        assert out is not None
        readable, _, _ = select.select([out], [], [], PATIENCE)
        if not readable:
            raise WorkerFailed(self._story(f"gave no answer in {PATIENCE:.0f} s"))
        line = out.readline()
        if not line:
            raise WorkerFailed(self._story("died"))
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(f"The worker {self.name} raised:\n{answer['error']}")
        return answer["value"]

    def ask(self, do: str, **arguments: Any) -> Any:
        self.send(do, **arguments)
        return self.receive()

    def stop(self) -> None:
        """Ends the process; what it still had to answer is lost."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _story(self, what: str) -> str:
        self._process.kill()
        status = self._process.wait()
        self._log.seek(0)
        tail = self._log.read()[-3000:]
        return f"The worker {self.name} {what} (exit status {status}):\n{tail}"


def environment(process: str, threads: int) -> dict[str, str]:
    """The variables with which a worker starts."""
    return {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        # NumPy's threads would else hold their processors 100 ms after a product.
        "OPENBLAS_THREAD_TIMEOUT": "4",
        "KERAS_BACKEND": framework_of(process),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def processors_for(threads: int, position: int) -> list[int]:
    """The processors that a worker may use.

    Workers of one thread are spread over the machine, so that they can compile
    beside each other; while one is timed the others wait.

    Raises:
        ValueError: the machine has fewer.
    """
    available = sorted(os.sched_getaffinity(0))
    if threads > len(available):
        raise ValueError(
            f"threads={threads}: this machine has {len(available)} processors to use. "
            "Pass fewer, as in --threads 1."
        )
    if threads == 1:
        return [available[position % len(available)]]
    return available[:threads]
