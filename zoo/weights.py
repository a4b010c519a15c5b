"""Weights files: Keras' own ``.weights.h5`` with a hash, whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.checkpoint import digest
from zoo.errors import ZooError
from zoo.files import replacing

if TYPE_CHECKING:
    import keras
    import numpy as np

HASH_ATTRIBUTE = "keras_gru_sha256"


def digest_of(values: list[np.ndarray]) -> str:
    """SHA-256 of weights in their order; equal hashes mean equal bits."""
    return digest((str(index), value) for index, value in enumerate(values))


def save(model: keras.Model, path: Path) -> None:
    """Write the weights of `model`, with their hash as an attribute of the file.

    The file is read by `keras.Model.load_weights` as well.
    """
    import h5py

    from zoo.training import values_of

    with replacing(path) as partial:
        model.save_weights(partial)
        with h5py.File(partial, "a") as file:
            file.attrs[HASH_ATTRIBUTE] = digest_of(values_of(model.weights))


def load(model: keras.Model, path: Path) -> None:
    """Read weights into `model` and check them against the hash in the file.

    Raises:
        ZooError: there is no such file, it cannot be read, it belongs to another
            model, or its weights differ from its hash.
    """
    import h5py

    from zoo.training import values_of

    if not path.is_file():
        raise ZooError(
            f"{path.parent} has no {path.name}: the training has not reached its "
            f"first validation; go on with --resume"
        )
    try:
        with h5py.File(path) as file:
            expected = str(file.attrs[HASH_ATTRIBUTE])
        model.load_weights(path)
    # h5py and Keras raise these for torn, foreign and ill-fitting files.
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ZooError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    if digest_of(values_of(model.weights)) != expected:
        raise ZooError(f"{path} is damaged: the weights differ from the hash in it")
