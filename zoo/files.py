"""Files that are either whole or absent, whatever kills the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Names of half-written files carry this mark; `remove_partial` clears them away.
PARTIAL = ".partial-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name to write to; on leaving, make it `path` in one step.

    The bytes reach the disk (fsync) before the rename does, and the rename before the
    block ends: a reader sees the old file or the new one, never a part of one. If the
    block raises, the old file stays and the half-written one is removed.

    Example:
        >>> with replacing(Path("notes.txt")) as partial:  # doctest: +SKIP
        ...     partial.write_text("all or nothing")
    """
    # The suffix stays at the end: Keras and matplotlib read the format from it.
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is never seen half-written."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def remove_partial(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`."""
    for partial in folder.glob(f"{PARTIAL}*"):
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Force a file's bytes, or a folder's names, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
