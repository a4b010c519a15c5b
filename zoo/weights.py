"""Weights files: Keras' own ``.weights.h5`` with a hash, whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.checkpoint import digest
from zoo.errors import ZooError
from zoo.files import replacing, require_room

if TYPE_CHECKING:
    import keras

HASH_ATTRIBUTE = "keras_gru_sha256"
HDF5_BYTES = 8192  # more than HDF5 adds to a weight


def digest_of(values: list[np.ndarray]) -> str:
    """SHA-256 of weights in their order; equal hashes mean equal bits."""
    return digest((str(index), value) for index, value in enumerate(values))


def save(model: keras.Model, path: Path, *, half: bool = False) -> None:
    """Write the weights of `model`, with their hash as an attribute of the file.

    The file is read by `keras.Model.load_weights` as well.

    Args:
        model: whose weights.
        path: the file.
        half: store them in float16, compressed. The hash is that of the rounded
            weights in float32, which the model has afterwards too.
    """
    import h5py

    from zoo.training import values_of

    if half:
        model.set_weights(
            [
                value.astype(np.float16).astype(value.dtype)
                for value in values_of(model.weights)
            ]
        )
    # On a full disk HDF5 tells so once for each of its objects, on stderr.
    values = values_of(model.weights)
    require_room(path, sum(value.nbytes + HDF5_BYTES for value in values))
    with replacing(path) as partial:
        model.save_weights(partial)
        with h5py.File(partial, "a") as file:
            file.attrs[HASH_ATTRIBUTE] = digest_of(values_of(model.weights))
        if half:
            _halve(partial)


def _halve(path: Path) -> None:
    """Rewrite a weights file with every float32 array in float16."""
    import h5py

    whole = path.with_name(f"{path.name}.float32.h5")
    path.rename(whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        target.attrs.update(source.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                copied = target.require_group(name)
            elif item.dtype == np.float32:
                copied = target.create_dataset(
                    name,
                    data=item[...].astype(np.float16),
                    # A scalar has no chunks to compress.
                    **({"compression": "gzip", "shuffle": True} if item.shape else {}),
                )
            else:
                copied = target.create_dataset(name, data=item[...])
            copied.attrs.update(item.attrs)

        source.visititems(copy)
    whole.unlink()


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
