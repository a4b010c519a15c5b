"""Checkpoints: one file each, complete in itself, never half-written, hash-checked."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gru.files import remove_partial, replacing

# The previous checkpoint stays until the next one, in case the newest is damaged later.
KEPT = 2


class DamagedCheckpoint(Exception):
    """The file cannot be read, or its content differs from its own hash."""


@dataclass
class Checkpoint:
    """What a training needs to go on as if it had never stopped.

    Attributes:
        step: how many batches the weights have seen.
        arrays: name -> array: weights, optimizer state, carried states, seeds, best.
        metadata: JSON-able facts: history, best figure, seconds, data hash.
        damaged: files newer than this one that could not be used.
    """

    step: int
    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]
    damaged: list[Path] = field(default_factory=list)


def values_of(variables: Iterable[Any]) -> list[np.ndarray]:
    """Copy the values of Keras' variables into NumPy, in their own dtype."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def digest(arrays: Iterable[tuple[str, np.ndarray]]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, in hexadecimal."""
    sha256 = hashlib.sha256()
    for name, array in arrays:
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``step-00001234.npz`` into `folder` and drop all but the last `KEPT`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{checkpoint.step:08d}.npz"
    content = {f"array/{name}": array for name, array in checkpoint.arrays.items()}
    facts = {"step": checkpoint.step, **checkpoint.metadata}
    content["metadata"] = _to_bytes(json.dumps(facts))
    content["sha256"] = _to_bytes(digest(sorted(content.items())))
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **content)
    for old in _files(folder)[KEPT:]:
        old.unlink()
    return path


def load(path: Path) -> Checkpoint:
    """Read one checkpoint."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        for name, array in content.items():
            if not isinstance(array, np.ndarray):  # a member that says it is no array
                raise DamagedCheckpoint(f"{path}: {name} is no array")
        expected = content.pop("sha256").tobytes().decode()
        if digest(sorted(content.items())) != expected:
            raise DamagedCheckpoint(f"{path}: the content differs from its hash")
        metadata = json.loads(content.pop("metadata").tobytes())
        step = int(metadata.pop("step"))
    # A torn zip shows itself in any of these ways, by where it was torn.
    except (
        OSError,
        EOFError,
        KeyError,
        MemoryError,
        ValueError,
        NotImplementedError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
    ) as error:
        raise DamagedCheckpoint(f"{path}: {error}") from error
    arrays = {name.removeprefix("array/"): array for name, array in content.items()}
    return Checkpoint(step, arrays, metadata)


def latest(folder: Path) -> Checkpoint | None:
    """Load the newest whole checkpoint of `folder`, or None where there is none.

    Damaged ones that are newer are named in its `damaged`.
    """
    remove_partial(folder)
    damaged: list[Path] = []
    for path in _files(folder):
        try:
            checkpoint = load(path)
        except DamagedCheckpoint:
            damaged.append(path)
            continue
        checkpoint.damaged = damaged
        return checkpoint
    if damaged:
        raise DamagedCheckpoint(
            f"every checkpoint in {folder} is damaged: "
            + ", ".join(path.name for path in damaged)
        )
    return None


def last_good(folder: Path) -> str:
    """Which checkpoint is left, for the message of a training that failed."""
    kept = _files(folder)
    return f"the last good checkpoint is {kept[0]}" if kept else "no checkpoint yet"


def require_finite(arrays: Mapping[str, np.ndarray]) -> str | None:
    """Name the first array that holds a NaN or an infinity, or None."""
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            return name
    return None


def _files(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first."""
    return sorted(folder.glob("step-*.npz"), reverse=True)


def _to_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)
