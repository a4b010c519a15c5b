"""Runs a worker and ends with nothing left of it: ``python guard.py PID COMMAND...``.

The worker talks with the supervisor, process PID, on the guard's standard input and
output. When it ends, when the supervisor sends SIGTERM, or is dead, all that the worker
has started is killed, in sessions of its own too: on Linux the guard adopts the orphans
among its descendants. It ends as the worker did. It imports nothing but the standard
library, so that it starts in no time and is not what a machine without memory kills.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

LINUX = sys.platform == "linux"
SUBREAPER, PARENT_DEATH_SIGNAL = 36, 1  # of Linux' prctl(2)


def main(supervisor: int, command: list[str]) -> int:
    """Run the command; its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    control(SUBREAPER, 1)
    control(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != supervisor:
        return 1  # it died before that
    die_with_the_guard = functools.partial(control, PARENT_DEATH_SIGNAL, signal.SIGKILL)
    worker = None
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
        kill_all(worker)


def control(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def kill_all(worker: subprocess.Popen[bytes] | None) -> None:
    """Kill the worker and its descendants, until there are none."""
    if not LINUX:  # its group; those in sessions of their own stay
        if worker is not None and worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        return
    while True:
        for process in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)  # one that was killed, or an orphan that came to us
        except ChildProcessError:
            return


def descendants(process: int) -> list[int]:
    """The processes below a process, by what Linux tells in ``/proc``."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended in between
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = list(children.get(process, []))
    for child in found:
        found += children.get(child, [])
    return found


if __name__ == "__main__":
    code = main(int(sys.argv[1]), sys.argv[2:])
    if code < 0 and -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
