"""replace_gru, restore_gru: Keras' GRU layers of a model for ours, and back;
with_update_gate: a layer in the other convention."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import keras

from keras_gru import arguments
from keras_gru.cell import UPDATE_GATES, GRUCellV
from keras_gru.convert.copying import Change, Layer, copied, pairs
from keras_gru.convert.errors import ConversionError
from keras_gru.convert.layers import other_options
from keras_gru.convert.terms import why_not_negated
from keras_gru.layer import GRU

OURS: dict[Any, Any] = {keras.layers.GRU: GRU, keras.layers.GRUCell: GRUCellV}
THEIRS = {ours: theirs for theirs, ours in OURS.items()}


class Swap(NamedTuple):
    """A model whose GRU layers are others, and which of them are.

    Attributes:
        model: the new model.
        swapped: the names of the layers that are now of the other kind, each after the
            names of those that hold it.
        left: name → the reason, of the GRU layers that are not.
    """

    model: Any
    swapped: list[str]
    left: dict[str, str]


def replace_gru(model: Any) -> Swap:
    """A copy of a model in which `keras_gru.GRU` stands for each `keras.layers.GRU`.

    Weights, names and configurations stay. GRU layers are found in functional and
    Sequential models, models in models, `Bidirectional`, `TimeDistributed`, as
    `GRUCell` in `RNN`, and in the attributes of layers and models of your own, lists
    and dictionaries included, if these can be made anew by `from_config(get_config())`.

    Args:
        model: a model or layer of Keras. It stays as it is.

    Returns:
        `Swap(model, swapped, left)`. The copy of a compiled model is compiled, with a
        fresh optimizer.

    Raises:
        ConversionError: a layer that is no GRU cannot be made anew.

    Example:

    >>> import keras, keras_gru
    >>> theirs = keras.Sequential([keras.Input((None, 3)), keras.layers.GRU(4)])
    >>> model, swapped, left = keras_gru.convert.replace_gru(theirs)
    >>> type(model.layers[0]) is keras_gru.GRU, swapped, left
    (True, ['gru'], {})
    """

    def change(layer: Layer) -> Layer | None:
        ours = OURS.get(type(layer))
        return ours.from_config(layer.get_config()) if ours else None

    def left(layer: Layer) -> str | None:
        if not isinstance(layer, tuple(OURS)) or isinstance(layer, GRUCellV):
            return None
        if type(layer) in OURS:
            return "it is held where no attribute, list or dictionary shows it"
        return f"its class {type(layer).__name__} may compute something else"

    return _swap(model, change, left)


def restore_gru(model: Any) -> Swap:
    """A copy of a model in which `keras.layers.GRU` stands for each `keras_gru.GRU`.

    The way back from `replace_gru`; `update_gate="replace"`, which Keras does not have,
    becomes `"keep"` by the weights, exactly. A layer that Keras' cannot stand for is
    left, with the reason.

    Args:
        model: a model or layer of Keras. It stays as it is.

    Returns:
        `Swap(model, swapped, left)`, as `replace_gru`.

    Raises:
        ConversionError: a layer that is no GRU cannot be made anew.

    Example:

    >>> import keras, keras_gru
    >>> gru = keras_gru.GRU(4, update_gate="replace", recurrent_activation="tanh")
    >>> ours = keras.Sequential([keras.Input((None, 3)), gru, keras.layers.Dense(2)])
    >>> print(keras_gru.convert.restore_gru(ours).left["gru"])
    update_gate keep and replace are the same function, with the weights of z negated, \
only where σ(−a) = 1 − σ(a): that is so of sigmoid, hard_sigmoid, sparse_sigmoid
    """

    def change(layer: Layer) -> Layer | None:
        if type(layer) not in THEIRS or _why_not_theirs(layer):
            return None
        theirs = THEIRS[type(layer)]
        ours_only = {
            *inspect.signature(type(layer)).parameters,
            "implementation",
        } - set(inspect.signature(theirs).parameters)
        config = layer.get_config()
        return theirs.from_config(
            {name: config[name] for name in config if name not in ours_only}
        )

    def left(layer: Layer) -> str | None:
        if not isinstance(layer, tuple(THEIRS)):
            return None
        if type(layer) not in THEIRS:
            return f"its class {type(layer).__name__} may compute something else"
        return _why_not_theirs(layer) or (
            "it is held where no attribute, list or dictionary shows it"
        )

    return _swap(model, change, left)


def with_update_gate(layer: Any, update_gate: str) -> Any:
    """A copy of a layer that computes the same with the other update gate.

    The z blocks of W, U and the biases are negated, which is exact where
    σ(−a) = 1 − σ(a): z changes places with 1 − z. With layer normalisation those of the
    gains are, in the place of W and U. Zoneout and a learnt initial state stay.

    Args:
        layer: a GRU of keras_gru or of Keras, a cell, a wrapper around one, or a model
            with some. It stays as it is.
        update_gate: `"keep"` or `"replace"`, what the copy is to have.

    Returns:
        The copy; a layer of Keras becomes `keras_gru.GRU` for `"replace"`.

    Raises:
        ConversionError: a recurrent activation has no such symmetry.
        ValueError: `update_gate` is something else.

    Example:

    >>> import keras, keras_gru, numpy as np
    >>> x = np.ones((2, 5, 3), "float32")
    >>> keep = keras.Sequential([keras_gru.GRU(4)])
    >>> y = keep.predict(x, verbose=0)
    >>> replace = keras_gru.convert.with_update_gate(keep, "replace")
    >>> bool(np.allclose(replace.predict(x, verbose=0), y, atol=1e-6))
    True
    """
    arguments.one_of("update_gate", update_gate, UPDATE_GATES)

    def change(one: Layer) -> Layer | None:
        if type(one) not in (*OURS, *THEIRS):
            return None
        if getattr(one, "update_gate", "keep") == update_gate:
            return None
        if reason := why_not_negated(one.recurrent_activation):
            raise ConversionError(
                f"The layer {one.name} with update_gate={update_gate!r}",
                reason,
                f"recurrent_activation={one.recurrent_activation}",
            )
        ours = OURS.get(type(one), type(one))
        return ours.from_config({**one.get_config(), "update_gate": update_gate})

    return copied(layer, change)


def _why_not_theirs(layer: Layer) -> str | None:
    """None where Keras' layer can compute the same; else the reason."""
    if layer.update_gate != "keep" and (
        reason := why_not_negated(layer.recurrent_activation)
    ):
        return reason
    options = other_options(layer, THEIRS[type(layer)])
    if type(layer) is GRU:
        options |= other_options(layer.cell, keras.layers.GRUCell)
    for name, value in options.items():
        return f"Keras has no {name}={value!r}"
    for node in layer._inbound_nodes:
        if node.arguments.kwargs.get("resets") is not None:
            return "Keras has no resets, with which it is called"
    return None


def _swap(model: Any, change: Change, left: Any) -> Swap:
    new = copied(model, change)
    swapped: list[str] = []
    kept: dict[str, str] = {}
    inner: set[int] = set()  # cells that go with their layer
    seen: set[int] = set()
    for path, old, its_copy in pairs(model, new):
        if isinstance(old, (keras.layers.GRU, GRU)):
            inner.add(id(old.cell))
        if (reason := left(old)) is None or id(old) in inner | seen:
            continue
        seen.add(id(old))
        if type(its_copy) is type(old):
            kept[path] = reason
        else:
            swapped.append(path)
    return Swap(new, swapped, kept)
