"""Files that are either whole or absent, whatever kills the process."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo.errors import ZooError, one_line

# Names of half-written files carry this mark; `remove_partial` clears them away.
PARTIAL = ".partial-"
HASHES = "hashes"  # of the fields of a JSON file

FULL = (errno.ENOSPC, errno.EDQUOT)


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
    partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex}-{path.name}")
    with naming(path, partial):
        try:
            yield partial
            _sync(partial)
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):  # what is under way says more
                partial.unlink()
            raise
        _sync(path.parent)


@contextmanager
def naming(path: Path, draft: Path | None = None) -> Iterator[None]:
    """Let an OSError name `path`.

    It does in the place of `draft`, the name that a file or folder has while it is
    written, and where the disk was full in the middle of a write: that has no name.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in FULL and error.filename is None
        # h5py has the name in its text only.
        if full or (draft and str(draft) in f"{error.filename} {error.strerror}"):
            raise OSError(
                error.errno, os.strerror(error.errno or 0), str(path)
            ) from error
        raise


def require_room(path: Path, size: int) -> None:
    """Check that `size` bytes fit where `path` is to be.

    Raises:
        OSError: the disk is full.
    """
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def why(error: OSError) -> str:
    """What an error says; where the disk is full, also how much of it is free."""
    if error.errno not in FULL or error.filename is None:
        return str(error)
    folders = Path(error.filename).absolute().parents
    free = shutil.disk_usage(next(each for each in folders if each.is_dir())).free
    return f"{error}; {free / 1e6:,.1f} MB ({free:,} bytes) are free there"


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """Give a new folder to fill; on leaving, make it `path` in one step.

    If the block raises, the folder is removed.
    """
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    with naming(path, draft):
        try:
            draft.mkdir(parents=True)
            yield draft
            os.replace(draft, path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is never seen half-written."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and programs, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_hashed(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with a hash of each field, for `read_hashed`."""
    kept = json.loads(json.dumps(content, ensure_ascii=False))
    write_json(path, {**kept, HASHES: _hashes(kept)})


def read_hashed(path: Path) -> dict[str, Any]:
    """Read what `write_hashed` wrote.

    Raises:
        ZooError: it is damaged, or was edited: the fields are named.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stored = dict(content.pop(HASHES))
    # RecursionError: JSON that is nested too deep.
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ZooError(f"{path} is damaged: {one_line(reason)}") from error
    except RecursionError as error:
        raise ZooError(f"{path} is damaged: it is nested too deep") from error
    found = _hashes(content)
    names = [one for one in {**stored, **found} if stored.get(one) != found.get(one)]
    if names:
        raise ZooError(
            f"{path} is damaged, or was edited: {', '.join(sorted(names))} differ from "
            f"their hashes; a run's settings are never changed, train another one"
        )
    return dict(content)


def _hashes(content: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """Field -> hash of its value, those of a nested object by its own fields."""
    found: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict) and value:
            found |= _hashes(value, f"{place}{name}.")
        else:
            text = json.dumps(value, sort_keys=True)
            found[place + name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


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
