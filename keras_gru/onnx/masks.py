"""The masks of layers.

`MASKS` has the layers that make a mask or change it; others hand theirs on where Keras
says `supports_masking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_gru.bidirectional import Bidirectional
from keras_gru.layer import GRU
from keras_gru.onnx.graph import Graph, Tensor

Mask = Tensor | None


def chain(graph: Graph, operator: str, names: list[str]) -> str:
    """An operator of two from the first to the last."""
    first, *others = names
    for other in others:
        first = graph.node(operator, first, other)
    return first


def wide(graph: Graph, mask: Tensor) -> str:
    """A mask with an axis more, for the features."""
    return graph.node("Unsqueeze", mask.name, graph.integers(len(mask.shape)))


def any_along(graph: Graph, name: str, *axes: int, keepdims: bool = False) -> str:
    """Whether one along the axes is True; ONNX has no such reduction of bool."""
    numbers = graph.cast(name, "int32")
    keep = int(keepdims)
    found = graph.node("ReduceMax", numbers, graph.integers(*axes), keepdims=keep)
    return graph.cast(found, "bool")


def differs(graph: Graph, x: Tensor, value: Any) -> str:
    return graph.node(
        "Not", graph.node("Equal", x.name, graph.constant(value, x.dtype))
    )


def used(graph: Graph, layer: Any, x: Tensor) -> str:
    """Where a step is not all `mask_value`."""
    return any_along(graph, differs(graph, x, layer.mask_value), -1)


def embedding_mask(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> Mask:
    if not layer.mask_zero:
        return None
    return Tensor(differs(graph, x, 0), x.shape, "bool")


def masking_mask(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> Mask:
    return Tensor(used(graph, layer, x), x.shape[:-1], "bool")


def recurrent_mask(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> list[Mask]:
    """Of the outputs; the states have none."""
    outputs = 2 if getattr(layer, "merge_mode", "") is None else 1
    return [mask if layer.return_sequences else None] * outputs


def no_mask(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> Mask:
    return None


def concatenate_mask(graph: Graph, layer: Any, x: list[Tensor], mask: Any) -> Mask:
    """As Keras: a step is used where one feature of an input is."""
    if not any(one.mask for one in x):
        return None
    parts = []
    for one in x:
        shape = graph.node("Shape", one.name)
        if one.mask is None:
            given = graph.constant(True, "bool")
        elif len(one.mask.shape) == len(one.shape):
            given = one.mask.name
        else:
            given = wide(graph, one.mask)
        parts.append(graph.node("Expand", given, shape))
    joined = graph.node("Concat", *parts, axis=layer.axis)
    rank = len(x[0].shape)
    time = [one.shape[1] for one in x]
    sizes = list(x[0].shape[:-1])
    if layer.axis % rank == 1:
        sizes[1] = None if None in time else sum(size for size in time if size)
    return Tensor(any_along(graph, joined, -1), tuple(sizes), "bool")


def merged_mask(graph: Graph, layer: Any, x: list[Tensor], mask: Any) -> Mask:
    """A step is used where it is in one input; no mask where an input has none."""
    masks = [one.mask for one in x if one.mask]
    if len(masks) < len(x):
        return None
    name = chain(graph, "Or", [one.name for one in masks])
    return Tensor(name, masks[0].shape, "bool")


MASKS: Mapping[type, Callable[..., Any]] = {
    keras.layers.Add: merged_mask,
    keras.layers.Bidirectional: recurrent_mask,
    Bidirectional: recurrent_mask,
    keras.layers.Concatenate: concatenate_mask,
    keras.layers.Embedding: embedding_mask,
    keras.layers.GRU: recurrent_mask,
    GRU: recurrent_mask,
    keras.layers.GlobalAveragePooling1D: no_mask,
    keras.layers.LSTM: recurrent_mask,
    keras.layers.Masking: masking_mask,
    keras.layers.Multiply: merged_mask,
    keras.layers.RNN: recurrent_mask,
}
