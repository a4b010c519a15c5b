"""Write a trained model as ONNX, with `GRU` nodes, or as a SavedModel."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo import backend as backends
from zoo.errors import ZooError, one_line
from zoo.files import write_json
from zoo.presets.saved import Saved, open_saved
from zoo.programs import PROGRAMS, module

if TYPE_CHECKING:
    from onnx import ValueInfoProto

    from zoo.presets.pretrained import Pretrained


FORMATS: dict[str, tuple[str, ...]] = {
    "onnx": ("tensorflow", "jax", "torch"),
    "saved_model": ("tensorflow", "jax"),
}
"""Format -> the backends that can write it."""


def export(
    program: str, source: str, form: str, backend: str, out: Path | None = None
) -> Path:
    """Export the model of a run or preset, for any batch and any length.

    ONNX files have `GRU` nodes. Beside them stands a JSON file with what else is needed
    to use them, such as the vocabulary.

    Args:
        program: its name.
        source: a run folder, or a preset.
        form: a name in `FORMATS`.
        backend: that Keras runs on.
        out: the file (ONNX) or folder (SavedModel) to write; by default, in the run's
            folder, and of a preset in ``runs/export``.
    """
    able = FORMATS[form]
    if backend not in able:
        raise ZooError(
            f"{form} cannot be written on {backend}: add --backend "
            f"{' or '.join(able)}; the weights are the same"
        )
    found = open_saved(source, program)
    out = _place(found, form, out)
    backends.use(backend)
    pretrained = module(program, "use").PRETRAINED.from_saved(found)
    out.parent.mkdir(parents=True, exist_ok=True)
    write = _onnx if form == "onnx" else _saved_model
    written: list[Path] = []
    try:
        write(pretrained, out, written)
    except ImportError as error:
        raise ZooError(f"{form}: {one_line(error)}") from error
    except ZooError:
        raise
    # Whatever a converter raises where it cannot write a model: each has its own.
    except Exception as error:
        for path in written:
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
        raise ZooError(
            f"{backend} cannot export {source} as {form}: "
            f"{type(error).__name__}: {one_line(error)}"
        ) from error
    return out


def _onnx(pretrained: Pretrained, out: Path, written: list[Path]) -> None:
    """Write the files of the models, and the JSON file."""
    import keras_gru

    files = {
        out.with_suffix(f".{name}{out.suffix}") if name else out: model
        for name, model in pretrained.onnx_models().items()
    }
    beside = out.with_suffix(".json")
    for path in (*files, beside):
        _must_be_new(path)
    for path, model in files.items():
        written.append(path)
        keras_gru.export_onnx(model, path, states=pretrained.carries_state)
        _describe(path, pretrained.saved)
    saved = pretrained.saved
    facts = {**_facts(saved), "program": saved.program, "config": vars(saved.config)}
    written.append(beside)
    write_json(beside, {**facts, **saved.extras})


def _saved_model(pretrained: Pretrained, out: Path, written: list[Path]) -> None:
    """Keras' own exporter, which asks for a model that was called."""
    import keras

    model = pretrained.model
    model(  # two steps of zeros will do
        keras.tree.map_structure(
            lambda x: np.zeros([size or 2 for size in x.shape], x.dtype), model.input
        )
    )
    written.append(out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes of converters about themselves
        model.export(out, format="tf_saved_model", verbose=False)


def _place(found: Saved, form: str, out: Path | None) -> Path:
    """Where the export goes."""
    if out is None:
        folder = Path(found.name) if found.is_run else Path("runs/export")
        out = folder / f"{_plain_name(found)}.{form}"
    places = [out]
    if form == "onnx" and not out.suffix:
        places.append(out.with_suffix(".onnx"))
    for place in places:
        _must_be_new(place)
    return places[-1]


def _must_be_new(place: Path) -> None:
    if place.exists():
        raise ZooError(f"--out {place} exists; remove it first, or choose another name")


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
