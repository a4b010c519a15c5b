"""Runs a worker and ends with nothing left of it: ``python guard.py PID COMMAND...``.

The worker talks with the supervisor, process PID, on the guard's standard input and
output. When it ends, when the supervisor sends SIGTERM, or is dead, all that the worker
has started is killed, in sessions of its own too: on Linux the guard adopts the orphans
among its descendants. It ends as the worker did. It imports next to nothing, so that it
starts in no time and is not what a machine without memory kills.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys

import psutil

SUBREAPER, PARENT_DEATH_SIGNAL = 36, 1  # of Linux' prctl(2)


def main(supervisor: int, command: list[str]) -> int:
    """Run the command; its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    control(SUBREAPER, 1)
    control(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != supervisor:
        return 1  # it died before that
    die_with_the_guard = functools.partial(control, PARENT_DEATH_SIGNAL, signal.SIGKILL)
    try:
        worker = subprocess.Popen(
            command, start_new_session=True, preexec_fn=die_with_the_guard
        )
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in (0, 1):
            os.dup2(nothing, pipe)  # so that they close when the worker ends
        return worker.wait()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kill_all()


def control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def kill_all() -> None:
    """Kill all descendants, until there are none."""
    while below := psutil.Process().children(recursive=True):
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(below)


if __name__ == "__main__":
    code = main(int(sys.argv[1]), sys.argv[2:])
    if code < 0:  # of a signal, which no handler has that this process took
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
