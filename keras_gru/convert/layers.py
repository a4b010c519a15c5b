"""The GRU cells of a layer, and their weights as arrays."""

from __future__ import annotations

import inspect
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_gru.cell import GRUCellV
from keras_gru.convert.errors import ConversionError
from keras_gru.convert.terms import Form, Terms

Cell: TypeAlias = Any
"""A `keras.layers.GRUCell` or a `GRUCellV`."""

CELLS = (keras.layers.GRUCell, GRUCellV)


def cells_of(layer: Any) -> list[list[Cell]]:
    """The cells of a layer or of a list of layers: by layer, then by direction.

    Raises:
        TypeError: it is no GRU.
        ValueError: a `Bidirectional` runs its first layer backwards.
    """
    if isinstance(layer, (list, tuple)):
        return [row for one in layer for row in cells_of(one)]
    if isinstance(layer, keras.layers.Bidirectional):
        if layer.forward_layer.go_backwards:
            raise ValueError(
                f"The forward layer of {layer.name} has go_backwards=True, the other "
                "one has not. Expected it the other way round."
            )
        both = cells_of([layer.forward_layer, layer.backward_layer])
        if [len(row) for row in both] == [1, 1]:
            return [[row[0] for row in both]]
    elif isinstance(layer, keras.layers.StackedRNNCells):
        return cells_of(list(layer.cells))
    elif isinstance(layer, keras.layers.RNN):
        return cells_of(layer.cell)
    elif type(layer) in CELLS:
        # A class derived from these may compute something else.
        return [[layer]]
    raise TypeError(
        "Argument `layer` must be a GRU of keras_gru or of keras.layers, its cell, a "
        f"Bidirectional or RNN around one, or a list of them. Received: {layer!r}."
    )


def form_of(cell: Cell) -> Form:
    """What the cell can hold."""
    biases = "none"
    if cell.use_bias:
        biases = "two" if cell.reset_after else "one"
    return Form((cell.reset_after,), biases, getattr(cell, "update_gate", "keep"))


def read_cell(cell: Cell, target: str, allowed: tuple[str, ...] = ()) -> Terms:
    """The weights of a built cell.

    Args:
        cell: whose they are.
        target: whom they are for, for the message.
        allowed: options of the cell that no term has, and that the caller sees to.

    Raises:
        ConversionError: the cell has an option that no other system has.
        ValueError: it is not built.
    """
    check_options(cell, target, allowed)
    if not cell.built:
        raise ValueError(
            f"The layer {cell.name} has no weights yet. Call it once, or its method "
            "build((None, None, features))."
        )
    w, u = (numbers(one) for one in (cell.kernel, cell.recurrent_kernel))
    b = c = np.zeros(u.shape[-1])
    if cell.use_bias:
        bias = numbers(cell.bias)
        b, c = bias if cell.reset_after else (bias, c)
    form = form_of(cell)
    return Terms(w, u, b, c, cell.reset_after, form.update_gate, bool(cell.use_bias))


def write_cell(cell: Cell, terms: Terms) -> None:
    """Puts the weights, in the cell's own form, into a built cell."""
    cell.kernel.assign(terms.w)
    cell.recurrent_kernel.assign(terms.u)
    if cell.use_bias:
        both = np.stack([terms.b, terms.c])
        cell.bias.assign(both if cell.reset_after else terms.b)


def numbers(variable: Any) -> np.ndarray:
    """A variable as float64."""
    return keras.ops.convert_to_numpy(variable).astype("float64")


def other_options(layer: Any, keras_class: Any) -> dict[str, Any]:
    """The options that Keras' class does not have, where they are not the default.

    But for the update gate, and for what changes no result.
    """
    theirs = inspect.signature(keras_class).parameters
    found = {}
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        value = getattr(layer, name, parameter.default)
        harmless = name in (*theirs, "update_gate", "implementation", "kernel")
        if not harmless and value != parameter.default:
            found[name] = value
    return found


def check_options(cell: Cell, target: str, allowed: tuple[str, ...] = ()) -> None:
    """Raises ConversionError where the cell has an option that others have not."""
    for name, value in other_options(cell, keras.layers.GRUCell).items():
        if name not in allowed:
            raise ConversionError(
                target, "it has the plain equations only", f"{name}={value!r}"
            )
