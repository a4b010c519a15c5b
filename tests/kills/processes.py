"""The processes that a test may have to kill."""

from __future__ import annotations

import psutil


def descendants(pid: int) -> list[int]:
    """The processes below a process."""
    below = psutil.Process(pid).children(recursive=True)
    return [process.pid for process in below]
