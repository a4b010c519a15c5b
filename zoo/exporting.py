"""Write a trained model as ONNX or as a SavedModel, in plain operations."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo import backend as backends
from zoo.errors import ZooError, one_line
from zoo.programs import program_of
from zoo.trained import open_trained


@dataclass(frozen=True)
class Format:
    """A format, and the backends whose exporters keep every length of sequence.

    torch's exporters fix the length that a model was traced with, and what jax2onnx
    writes knows no symbolic length in a reshape.
    """

    keras_name: str
    backends: tuple[str, ...]


FORMATS = {
    "onnx": Format("onnx", ("tensorflow",)),
    "saved_model": Format("tf_saved_model", ("tensorflow", "jax")),
}


def export(
    program: str, source: str, form: str, backend: str, out: Path | None = None
) -> Path:
    """Export the model of a run or preset, for any batch and any length.

    Args:
        program: whose it is.
        source: a run folder, or a preset.
        form: a name in `FORMATS`.
        backend: that Keras runs on; its exporter does the work.
        out: the file (ONNX) or folder (SavedModel) to write.

    Returns:
        What was written.

    Raises:
        ZooError: the backend cannot write this format, or its converter is missing
            or fails.
    """
    able = FORMATS[form].backends
    if backend not in able:
        raise ZooError(
            f"{form} cannot be written with sequences of any length on {backend}: "
            f"add --backend {' or '.join(able)}; the weights are the same"
        )
    trained = open_trained(program_of(program), source)
    name = source.rstrip("/").rpartition("/")[2].partition("@")[0]
    out = out or Path(f"{name}.{form}")
    if out.exists():
        raise ZooError(f"--out {out} exists; remove it first, or choose another name")
    backends.use(backend)
    import keras

    import keras_gru

    model = trained.model()
    if form == "onnx":
        # The scans keep the gates for a gradient, in arrays that tf2onnx cannot write.
        for layer in model._flatten_layers():
            if isinstance(layer, keras_gru.GRU):
                layer.kernel = "portable"
    # An exporter asks for a model that was called; one step of zeros will do.
    model(
        keras.tree.map_structure(
            lambda x: np.zeros([size or 1 for size in x.shape], x.dtype), model.input
        )
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes of converters about themselves
            model.export(out, format=FORMATS[form].keras_name, verbose=False)
            if form == "onnx":
                import onnx

                # tf2onnx only logs an operation that it could not convert.
                onnx.checker.check_model(str(out))
    except ImportError as error:
        raise ZooError(f"{form}: {one_line(error)}") from error
    # Whatever a converter raises where it cannot write a model: each has its own.
    except Exception as error:
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)
        raise ZooError(
            f"{backend} cannot export {source} as {form}: "
            f"{type(error).__name__}: {one_line(error)}"
        ) from error
    return out
