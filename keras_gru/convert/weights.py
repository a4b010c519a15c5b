"""export_weights, import_weights: the weights of a layer as another system's arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_gru import arguments
from keras_gru.convert.errors import ConversionError
from keras_gru.convert.layers import (
    CELLS,
    Cell,
    cells_of,
    check_options,
    form_of,
    read_cell,
    write_cell,
)
from keras_gru.convert.systems import SYSTEMS, Arrays, Size
from keras_gru.convert.terms import Terms, fit

FLAGS = ("reset_after", "linear_before_reset")
"""The names of what says where the reset gate acts."""


def export_weights(layer: Any, system: str) -> dict[str, np.ndarray]:
    """The weights of a layer as arrays in the layout of another system.

    Args:
        layer: a built `keras_gru.GRU` or `keras.layers.GRU`, its cell, a
            `Bidirectional` or `RNN` around one, or, for `"torch"` and `"cudnn"`, a
            list of them, first layer first.
        system: a name in `SYSTEMS`.

    Returns:
        Name → array, in the dtype of the layer's weights; the README has the names.
        Of a system with both forms, `reset_after` or `linear_before_reset` is among
        them, an array without axes.

    Raises:
        ConversionError: the system cannot hold the same function.
        TypeError: `layer` is no GRU.
        ValueError: `system` is unknown, or the layer is not built.

    Example:

    >>> import keras_gru
    >>> layer = keras_gru.GRU(4, update_gate="replace")
    >>> layer.build((None, None, 3))
    >>> arrays = keras_gru.convert.export_weights(layer, "torch")
    >>> {name: array.shape for name, array in arrays.items()}["weight_ih_l0"]
    (12, 3)
    """
    table = SYSTEMS[_name(system)]
    cells = cells_of(layer)
    _check(cells, system)
    rows = [
        [
            fit(read_cell(cell, system), table.form, cell.recurrent_activation, system)
            for cell in row
        ]
        for row in cells
    ]
    for row in rows[1:]:
        if len(row[0].w) != len(row) * len(row[0].u):
            raise ConversionError(
                system,
                "each layer takes the outputs of all directions of the one before it, "
                "side by side",
                f"a layer of {len(row[0].w)} features after one of "
                f"{len(row)} × {len(row[0].u)} outputs",
            )
    # A system says once whether there are biases: zeros where only some cells have any.
    biased = any(terms.biased for row in rows for terms in row)
    arrays = table.to_arrays(
        [[replace(terms, biased=biased) for terms in row] for row in rows]
    )
    if _torch_cell(layer, system):
        arrays = {name.removesuffix("_l0"): array for name, array in arrays.items()}
    dtype = keras.ops.convert_to_numpy(cells[0][0].kernel).dtype
    return {
        name: np.ascontiguousarray(array, dtype) if array.ndim else array
        for name, array in arrays.items()
    }


def import_weights(layer: Any, system: str, arrays: Mapping[str, Any]) -> None:
    """Gives a layer the weights that another system's arrays hold.

    The layer keeps its own convention: what the arrays compute is written in it, or
    refused. Nothing is assigned before all of it is known to fit. A layer that is not
    built is built for as many features as the arrays have.

    Args:
        layer: as for `export_weights`.
        system: a name in `SYSTEMS`.
        arrays: name → array, as `export_weights` returns it. Values are whatever NumPy
            takes, torch's tensors included; names may be nested, as flax has them:
            `{"ir": {"kernel": …}}` is `"ir/kernel"`.

    Raises:
        ConversionError: the layer cannot hold the same function.
        TypeError: `layer` is no GRU.
        ValueError: `system` is unknown, an array is missing, unknown or of
            another shape.

    Example:

    >>> import keras_gru, numpy as np
    >>> cell = keras_gru.GRUCellV(2, **keras_gru.VARIANTS["haiku"])
    >>> arrays = {"w_i": np.ones((3, 6)), "w_h": np.ones((2, 6)), "b": np.ones(6)}
    >>> keras_gru.convert.import_weights(cell, "haiku", arrays)
    >>> tuple(cell.kernel.shape)
    (3, 6)
    """
    cells = cells_of(layer)
    _check(cells, _name(system))
    given = _flat(arrays)
    if _torch_cell(layer, system):
        given = {f"{name}_l0": array for name, array in given.items()}
    rows = _read(given, system, cells)
    fitted = [
        [
            fit(terms, form_of(cell), cell.recurrent_activation, f"layer {cell.name}")
            for terms, cell in zip(terms_row, row, strict=True)
        ]
        for terms_row, row in zip(rows, cells, strict=True)
    ]
    for terms_row, row in zip(fitted, cells, strict=True):
        for terms, cell in zip(terms_row, row, strict=True):
            if cell.built and tuple(cell.kernel.shape) != terms.w.shape:
                raise ValueError(
                    f"The arrays are of {len(terms.w)} features. Expected "
                    f"{cell.kernel.shape[0]}, as the layer {cell.name} was built."
                )
    _build(layer, [len(row[0].w) for row in fitted])
    for terms_row, row in zip(fitted, cells, strict=True):
        for terms, cell in zip(terms_row, row, strict=True):
            write_cell(cell, terms)


def _name(system: str) -> str:
    return str(arguments.one_of("system", system, tuple(SYSTEMS)))


def _check(cells: list[list[Cell]], system: str) -> None:
    """Raises ConversionError where the system lacks something but the weights."""
    table = SYSTEMS[system]
    if len(cells) > 1 and not table.joining.stacks:
        raise ConversionError(
            system,
            "its arrays are of one layer",
            f"{len(cells)} layers",
            advice="Convert each layer alone.",
        )
    kinds = {(cell.units, len(row), cell.reset_after) for row in cells for cell in row}
    if len(kinds) > 1:
        raise ConversionError(
            system,
            "its layers and directions agree in units, directions and reset_after",
            "those of " + " and ".join(map(str, sorted(kinds))),
        )
    for cell in (cell for row in cells for cell in row):
        check_options(cell, system)
        for name, known in (
            ("activation", table.activations),
            ("recurrent_activation", table.recurrent_activations),
        ):
            function = getattr(cell, name)
            if known is not None and not any(
                function is getattr(keras.activations, one) for one in known
            ):
                raise ConversionError(
                    system,
                    f"its {name} is one of: {', '.join(known)}",
                    f"{name}={getattr(function, '__name__', function)}",
                )


def _torch_cell(layer: Any, system: str) -> bool:
    """Whether the arrays are those of `torch.nn.GRUCell`, without a number of layer."""
    return system == "torch" and type(layer) in CELLS


def _read(given: Arrays, system: str, cells: list[list[Cell]]) -> list[list[Terms]]:
    """The arrays as terms, by layer and direction; checks names and shapes."""
    table = SYSTEMS[system]
    if system == "keras":
        given = _with_reset_after(given)
    units, layers, directions = cells[0][0].units, len(cells), len(cells[0])
    reset_after = any(array for name, array in given.items() if name.endswith(FLAGS))

    def expected(features: int, biased: bool) -> Arrays:
        def zeros(rows: int) -> Terms:
            bias = np.zeros(3 * units)
            return Terms(
                np.zeros((rows, 3 * units)),
                np.zeros((units, 3 * units)),
                bias,
                bias,
                reset_after or table.form.resets == (True,),
                table.form.update_gate,
                biased,
            )

        inner = [directions * units] * (layers - 1)
        return table.to_arrays(
            [[zeros(rows)] * directions for rows in (features, *inner)]
        )

    biased = set(given) != set(expected(1, False))
    if wrong := set(given) ^ set(expected(1, biased)):
        raise ValueError(
            f"Argument `arrays` has the names {sorted(given)}. Expected "
            f"{sorted(expected(1, biased))} for {layers} layers in {directions} "
            f"directions; {sorted(wrong)} stand in one of the two only."
        )
    # The count of all numbers grows with the features by a fixed number each.
    count, one, two = (
        sum(array.size for array in arrays.values())
        for arrays in (given, expected(1, biased), expected(2, biased))
    )
    features = max(1, 1 + (count - one) // (two - one))
    for name, array in expected(features, biased).items():
        if given[name].shape != array.shape:
            raise ValueError(
                f"arrays[{name!r}] has the shape {given[name].shape}. Expected "
                f"{array.shape}, for {units} units and {features} features."
            )
    return table.to_terms(given, Size(units, layers, directions, features))


def _with_reset_after(given: Arrays) -> Arrays:
    """Keras' arrays with `reset_after`, where only their biases tell it."""
    told = {
        name.removesuffix("bias") + "reset_after": np.asarray(array.ndim == 2)
        for name, array in given.items()
        if name.endswith("bias")
    }
    return told | given


def _flat(arrays: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    """Nested names joined by "/", the values as float64."""
    found: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}/")
            continue
        if hasattr(value, "detach"):  # torch: wherever it lies, and bfloat16 too
            value = value.detach().cpu().double()
        found[f"{prefix}{name}"] = np.asarray(value).astype("float64")
    return found


def _build(layer: Any, features: list[int]) -> None:
    """Builds what is not built yet, `features` being those of each layer."""
    if isinstance(layer, (list, tuple)):
        for one in layer:
            count = len(cells_of(one))
            _build(one, features[:count])
            features = features[count:]
    elif not layer.built:
        time = () if type(layer) in CELLS else (None,)
        layer.build((None, *time, features[0]))
