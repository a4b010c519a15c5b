"""Write a trained model as ONNX or as a SavedModel, in plain operations."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

from zoo import backend as backends
from zoo.errors import ZooError, one_line
from zoo.programs import program_of
from zoo.trained import open_trained

FORMATS = {"onnx": "onnx", "saved_model": "tf_saved_model"}


def export(
    program: str, source: str, form: str, backend: str, out: Path | None = None
) -> Path:
    """Export the model of a run or preset; Keras' exporter of the backend does it.

    Args:
        program: whose it is.
        source: a run folder, or a preset.
        form: "onnx" or "saved_model".
        backend: that Keras runs on; it decides what can be exported, and how.
        out: the file (ONNX) or folder (SavedModel) to write.

    Returns:
        What was written.

    Raises:
        ZooError: the backend or its converter cannot write this format.
    """
    trained = open_trained(program_of(program), source)
    name = source.rstrip("/").rpartition("/")[2].partition("@")[0]
    out = out or Path(f"{name}.{form}")
    if out.exists():
        raise ZooError(f"--out {out} exists; remove it first, or choose another name")
    backends.use(backend)
    model = trained.model()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes of converters about themselves
            model.export(out, format=FORMATS[form], verbose=False)
    # Whatever a converter raises where it cannot write a model: each has its own.
    except Exception as error:
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)
        raise ZooError(
            f"{backend} cannot export {source} as {form}: "
            f"{type(error).__name__}: {one_line(error)}"
        ) from error
    return out
