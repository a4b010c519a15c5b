"""State files: whole or absent, and set aside where they are damaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PARTIAL = ".partial-"
SEAL = "sha256"  # of a JSON object, in it


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name to write to; on leaving, make it `path` in one step.

    The bytes reach the disk before the rename does: a reader sees the old file or the
    new one, never a part of one.

    Example:
        >>> import pathlib, tempfile
        >>> notes = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
        >>> with replacing(notes) as partial:
        ...     _ = partial.write_text("all or nothing")
        >>> notes.read_text()
        'all or nothing'
    """
    # The suffix stays at the end: Keras and matplotlib read the format from it.
    partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex}-{path.name}")
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
        if os.name != "nt":  # Windows cannot open a folder
            _sync(path.parent)
    except BaseException as error:
        with suppress(OSError):  # what is under way says more
            partial.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            # A write on a full disk has no name; h5py has it in its text only.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT) and not error.filename
            if full or str(partial) in str(error):
                text = os.strerror(error.errno)
                raise OSError(error.errno, text, str(path)) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is never seen half-written."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that it is never seen half-written."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with a hash of it, for `read_sealed`."""
    write_json(path, {**content, SEAL: _hash(content)})


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote.

    Raises:
        OSError, ValueError: it cannot be read, or differs from its hash.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.pop(SEAL, None) != _hash(content):
        raise ValueError("it differs from its hash")
    return content


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def remove_partial(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`."""
    for partial in folder.glob(f"{PARTIAL}*"):
        partial.unlink(missing_ok=True)


def set_aside(path: Path, reason: object) -> None:
    """Rename a damaged file, so that nothing of it is lost, and warn on stderr."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    os.replace(path, aside)
    note(f"{path} is damaged ({reason}): set aside as {aside.name}")


def note(line: str) -> None:
    """Print a line for the reader that is not a result."""
    print(f"note: {line}", file=sys.stderr, flush=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
