"""Weights files: Keras' own ``.weights.h5`` with a hash, whole or absent."""

from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_gru.resume.checkpoint import digest, values_of
from zoo.errors import ZooError, one_line
from zoo.files import replacing, require_room

HASH_ATTRIBUTE = "keras_gru_sha256"
HDF5_BYTES = 8192  # more than HDF5 adds to a weight


class Damaged(ZooError):
    """A weights file cannot be read, or belongs to another model."""


def weights_to_use(model: keras.Model) -> list[np.ndarray]:
    """Copy the values of `model.weights`, averaged where the optimizer averages.

    With `use_ema` a Keras optimizer keeps, for each trainable weight w,
    a ← m a + (1 − m) w. The training goes on from w; the figures of a are better.
    """
    optimizer = model.optimizer
    if not optimizer.use_ema:
        return values_of(model.weights)
    # The averages come out of the optimizer only through the model's own variables.
    trained = values_of(model.trainable_variables)
    optimizer.finalize_variable_values(model.trainable_variables)
    averaged = values_of(model.weights)
    for variable, value in zip(model.trainable_variables, trained, strict=True):
        variable.assign(value)
    return averaged


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy trained weights between two builds that differ in their batch size."""
    # As NumPy copies: on JAX two variables with one buffer lose it together when a
    # training step gives it away. Carried states are no weights and stay as they are.
    target.set_weights(values_of(source.weights))


def digest_of(values: list[np.ndarray]) -> str:
    """SHA-256 of weights in their order; equal hashes mean equal bits."""
    return digest((str(index), value) for index, value in enumerate(values))


def save(model: keras.Model, path: Path, *, half: bool = False) -> None:
    """Write the weights of `model`, with their hash as an attribute of the file.

    The file is read by `keras.Model.load_weights` as well. With `half` they are stored
    in float16, compressed; the hash is that of the rounded weights in float32, which
    the model has afterwards too.
    """
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
        ZooError: there is no such file.
        Damaged: it cannot be read, belongs to another model, or differs from its hash.
    """

    if not path.is_file():
        raise ZooError(
            f"{path.parent} has no {path.name}: the training has not reached its "
            f"first validation; go on with --resume"
        )
    try:
        with h5py.File(path) as file:
            expected = str(file.attrs[HASH_ATTRIBUTE])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what does not fit is told below
            model.load_weights(path)
    # h5py and Keras raise these for torn, foreign and ill-fitting files.
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise Damaged(f"{path} is damaged: {reason}") from error
    if digest_of(values_of(model.weights)) != expected:
        raise Damaged(f"{path} is damaged: the weights differ from the hash in it")
