"""Piano rolls in a MATLAB file, as the four data sets have them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from scipy import io

from zoo.errors import ZooError, one_line
from zoo.polyphonic_music.config import KEYS

NAMES = {"train": "traindata", "validation": "validdata", "test": "testdata"}


def read(path: Path) -> dict[str, list[np.ndarray]]:
    """Pieces by part: each (time, 88), 1 where a key sounds, uint8.

    The file has three cells of matrices (time, 88) of zeros and ones: `traindata`,
    `validdata` and `testdata`.

    Raises:
        ZooError: the file cannot be read, or holds something else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong is told below
            found = io.loadmat(str(path), appendmat=False)
    except FileNotFoundError as error:
        raise ZooError(f"{path} does not exist; expected a .mat file") from error
    except Exception as error:  # the library raises whatever its parts do
        reason = one_line(f"{type(error).__name__}: {error}")
        raise ZooError(
            f"{path} is damaged, or no MATLAB file up to version 7: {reason}; "
            f"get it again"
        ) from error
    missing = [name for name in NAMES.values() if name not in found]
    if missing:
        raise ZooError(
            f"{path} has no {' and no '.join(missing)}; expected the cells "
            f"{', '.join(NAMES.values())}"
        )
    return {part: _pieces(found[name], name, path) for part, name in NAMES.items()}


def _pieces(cell: np.ndarray, name: str, path: Path) -> list[np.ndarray]:
    """The matrices of one cell, checked."""
    if cell.dtype != object or not cell.size:
        raise ZooError(
            f"{path}: {name} is an array {cell.shape} of {cell.dtype}; expected a cell "
            f"of one piece or more"
        )
    pieces = []
    for index, piece in enumerate(cell.ravel()):
        told = f"{path}: piece {index} of {name}"
        shape: tuple[int, ...] = getattr(piece, "shape", ())
        if len(shape) != 2 or shape[0] < 2 or shape[1] != KEYS:
            raise ZooError(f"{told} has shape {shape}; expected (2 or more, {KEYS})")
        if piece.dtype.kind not in "buif" or not np.isin(piece, (0, 1)).all():
            raise ZooError(f"{told} has other values than 0 and 1")
        pieces.append(piece.astype(np.uint8))
    return pieces
