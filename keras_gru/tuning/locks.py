"""One process at a time, told by the operating system: no lock outlives its process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_gru.tuning.errors import SweepError


@contextmanager
def lock(path: Path, seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock file; wait `seconds` for one that is held.

    Example:
        >>> import pathlib, tempfile
        >>> with lock(pathlib.Path(tempfile.mkdtemp()) / "lock"):
        ...     print("alone")
        alone
    """
    import fcntl  # not on Windows; a sweep needs process groups, too

    deadline = time.monotonic() + seconds
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise SweepError(
                        f"{path.parent.parent} is in use: another sweep works there"
                    ) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
