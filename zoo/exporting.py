"""Write a trained model as ONNX or as a SavedModel, in plain operations."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo import backend as backends
from zoo.errors import ZooError, one_line
from zoo.presets.saved import Saved, open_saved
from zoo.programs import PROGRAMS, module

if TYPE_CHECKING:
    from onnx import ValueInfoProto


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
        program: its name.
        source: a run folder, or a preset.
        form: a name in `FORMATS`.
        backend: that Keras runs on; its exporter does the work.
        out: the file (ONNX) or folder (SavedModel) to write; by default, in the run's
            folder, and of a preset in ``runs/export``.
    """
    able = FORMATS[form].backends
    if backend not in able:
        raise ZooError(
            f"{form} cannot be written with sequences of any length on {backend}: "
            f"add --backend {' or '.join(able)}; the weights are the same"
        )
    found = open_saved(source, program)
    out = _place(found, form, out)
    backends.use(backend)
    import keras

    model = module(program, "use").PRETRAINED.from_saved(found).model
    # An exporter asks for a model that was called; two steps of zeros will do.
    model(
        keras.tree.map_structure(
            lambda x: np.zeros([size or 2 for size in x.shape], x.dtype), model.input
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes of converters about themselves
            model.export(out, format=FORMATS[form].keras_name, verbose=False)
            if form == "onnx":
                _describe(out, found)
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


def _place(found: Saved, form: str, out: Path | None) -> Path:
    """Where the export goes."""
    if out is None:
        folder = Path(found.name) if found.is_run else Path("runs/export")
        out = folder / f"{_plain_name(found)}.{form}"
    places = [out]
    if form == "onnx" and not out.suffix:
        places.append(out.with_suffix(".onnx"))
    for place in places:
        if place.exists():
            raise ZooError(
                f"--out {place} exists; remove it first, or choose another name"
            )
    return places[-1]


def _plain_name(found: Saved) -> str:
    """Of the run's folder, or of the preset."""
    if found.is_run:
        return Path(found.name).resolve().name
    return found.name.rstrip("/").rpartition("/")[2].partition("@")[0]


def _describe(file: Path, found: Saved) -> None:
    """Name the dynamic dimensions in an ONNX file, and say whose weights it holds."""
    import onnx
    from onnx.tools.update_model_dims import update_inputs_outputs_dims

    model = onnx.load(file)
    names = PROGRAMS[found.program].times

    def dimensions(values: Iterable[ValueInfoProto]) -> dict[str, list[int | str]]:
        return {
            value.name: [
                axis.dim_value or name
                for axis, name in zip(
                    value.type.tensor_type.shape.dim,
                    ("batch", names.get(value.name, "time"), "features", "quantiles"),
                    strict=False,
                )
            ]
            for value in values
        }

    update_inputs_outputs_dims(
        model, dimensions(model.graph.input), dimensions(model.graph.output)
    )
    onnx.helper.set_model_props(model, _facts(found))
    onnx.checker.check_model(model)
    onnx.save(model, file)


def _facts(found: Saved) -> dict[str, str]:
    """Run or preset, commit of its training, and licence of its data."""
    return {
        "run" if found.is_run else "preset": _plain_name(found),
        "commit": found.code.rpartition("commit ")[2],
        "licence": found.source.licence,
    }
