"""Runs a worker and ends with nothing left of it: ``python guard.py COMMAND...``.

The supervisor of a sweep holds the other end of the standard input. When that closes,
because the supervisor is done with the worker or is dead, and when the worker ends, all
that the worker has started is killed, in sessions of its own too: on Linux the guard
adopts the orphans among its descendants. It imports nothing but the standard library,
so that it starts in no time and is not what a machine without memory kills first.

On its standard output stands, at the end, what `os.waitpid` said of the worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

SUBREAPER, PARENT_DEATH_SIGNAL = 36, 1  # of Linux' prctl(2)


def main(command: list[str]) -> int:
    """Run the command; its output goes to the guard's standard error."""
    linux = sys.platform == "linux"
    if linux:
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's
    worker = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        pass_fds=_inherited(),
        preexec_fn=_die_with_the_guard if linux else None,
    )
    for descriptor in _inherited():
        os.close(descriptor)
    ended = os.pidfd_open(worker.pid) if linux else None
    watched = [0] if ended is None else [0, ended]
    status = ""
    while not status:
        ready, _, _ = select.select(watched, [], [], None if linux else 0.1)
        if worker.poll() is not None:
            status = str(worker.returncode)
        elif 0 in ready and not os.read(0, 1024):
            status = "let go"
    _kill_all(worker)
    with contextlib.suppress(BrokenPipeError):
        print(status, flush=True)
    return 0


def _inherited() -> tuple[int, ...]:
    """The pipes between supervisor and worker, which the guard hands on."""
    return tuple(int(word) for word in os.environ["KERAS_GRU_PIPES"].split(","))


def _die_with_the_guard() -> None:
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _kill_all(worker: subprocess.Popen[bytes]) -> None:
    """Kill the worker and its descendants, until there are none."""
    if sys.platform != "linux":  # its group; those in sessions of their own stay
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
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
    sys.exit(main(sys.argv[1:]))
