"""Operations of `keras.ops`, each as a small function.

A functional model has such operations between its layers; a layer of another class is
written by those of its `call`. `OPERATIONS` has the function of each: it takes the
graph, the operation and what it was called with, and returns the names of its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_gru.onnx.graph import Graph, Tensor, refuse
from keras_gru.onnx.masks import any_along

INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)


def _dtype(*operands: Any) -> str:
    """What Keras computes in, of tensors and of numbers."""
    return str(
        keras.backend.result_type(
            *(one.dtype if isinstance(one, Tensor) else type(one) for one in operands)
        )
    )


def _in(graph: Graph, x: Any, dtype: str) -> str:
    """An operand in a dtype."""
    if not isinstance(x, Tensor):
        return graph.constant(x, dtype)
    return x.name if x.dtype == dtype else graph.cast(x.name, dtype)


def _axes(given: Any, rank: int) -> list[int]:
    if given is None:
        return list(range(rank))
    return [given] if isinstance(given, int) else list(given)


def _whole(operation: Any, what: str, *numbers: Any) -> None:
    """Refuses what is computed while the model runs, or left open."""
    if not all(isinstance(number, int) for number in numbers):
        refuse(operation, f"its {what} is not given in whole numbers.")


def _of_one(operator: str) -> Callable[..., str]:
    """An operator of one tensor, in float32."""
    return lambda graph, operation, x: graph.node(operator, _in(graph, x, "float32"))


def _of_two(operator: str) -> Callable[..., str]:
    def write(graph: Graph, operation: Any, one: Any, other: Any) -> str:
        dtype = _dtype(one, other)
        return graph.node(operator, _in(graph, one, dtype), _in(graph, other, dtype))

    return write


def _of_bools(operator: str) -> Callable[..., str]:
    return lambda graph, operation, *given: graph.node(
        operator, *(_in(graph, one, "bool") for one in given)
    )


def _reduced(operator: str) -> Callable[..., str]:
    def write(graph: Graph, operation: Any, x: Tensor) -> str:
        axes = graph.integers(*_axes(operation.axis, len(x.shape)))
        spec = operation.compute_output_spec(keras.KerasTensor(x.shape, x.dtype))
        keep = int(operation.keepdims)
        return graph.node(operator, _in(graph, x, spec.dtype), axes, keepdims=keep)

    return write


def _over_an_axis(operator: str) -> Callable[..., str]:
    def write(graph: Graph, operation: Any, x: Tensor) -> str:
        _whole(operation, "axis", operation.axis)
        return graph.node(operator, _in(graph, x, "float32"), axis=operation.axis)

    return write


def divide(graph: Graph, operation: Any, one: Any, other: Any) -> str:
    return graph.node("Div", *(_in(graph, x, "float32") for x in (one, other)))


def square(graph: Graph, operation: Any, x: Tensor) -> str:
    return graph.node("Mul", x.name, x.name)


def not_equal(graph: Graph, operation: Any, one: Tensor, other: Any) -> str:
    return graph.node("Not", _of_two("Equal")(graph, operation, one, other))


def any_of(graph: Graph, operation: Any, x: Tensor) -> str:
    axes = _axes(operation.axis, len(x.shape))
    return any_along(graph, x.name, *axes, keepdims=operation.keepdims)


def cast(graph: Graph, operation: Any, x: Tensor) -> str:
    return _in(graph, x, operation.dtype or x.dtype)


def where(graph: Graph, operation: Any, condition: Tensor, one: Any, other: Any) -> str:
    dtype = _dtype(one, other)
    names = (_in(graph, x, dtype) for x in (one, other))
    return graph.node("Where", _in(graph, condition, "bool"), *names)


def constant_like(graph: Graph, operation: Any, x: Tensor) -> str:
    number = int(type(operation).__name__ == "OnesLike")
    value = graph.constant(number, operation.dtype or x.dtype)
    return graph.node("Expand", value, graph.node("Shape", x.name))


def concatenate(graph: Graph, operation: Any, x: Sequence[Tensor]) -> str:
    dtype = _dtype(*x)
    return graph.node(
        "Concat", *(_in(graph, one, dtype) for one in x), axis=operation.axis
    )


def expand_dims(graph: Graph, operation: Any, x: Tensor) -> str:
    return graph.node("Unsqueeze", x.name, graph.integers(*_axes(operation.axis, 0)))


def squeeze(graph: Graph, operation: Any, x: Tensor) -> str:
    ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    axes = ones if operation.axis is None else _axes(operation.axis, 0)
    return graph.node("Squeeze", x.name, graph.integers(*axes))


def transpose(graph: Graph, operation: Any, x: Tensor) -> str:
    backwards = range(len(x.shape))[::-1]
    return graph.node("Transpose", x.name, perm=list(operation.axes or backwards))


def swapaxes(graph: Graph, operation: Any, x: Tensor) -> str:
    axes = list(range(len(x.shape)))
    one, other = operation.axis1, operation.axis2
    axes[one], axes[other] = axes[other], axes[one]
    return graph.node("Transpose", x.name, perm=axes)


def reshape(graph: Graph, operation: Any, x: Tensor) -> str:
    sizes = operation.newshape
    sizes = [sizes] if isinstance(sizes, int) else sizes
    _whole(operation, "new shape", *sizes)
    return graph.node("Reshape", x.name, graph.integers(*sizes), allowzero=1)


def repeat(graph: Graph, operation: Any, x: Tensor) -> str:
    """What stands at index i of the result is at i // repeats of the input."""
    _whole(operation, "axis or number of repeats", operation.axis, operation.repeats)
    axis = operation.axis % len(x.shape)
    size = graph.node("Shape", x.name, start=axis, end=axis + 1)
    times, zero, one = (
        graph.constant(number, "int64") for number in (operation.repeats, 0, 1)
    )
    end = graph.node("Mul", graph.node("Squeeze", size), times)
    index = graph.node("Div", graph.node("Range", zero, end, one), times)
    return graph.node("Gather", x.name, index, axis=axis)


def get_item(graph: Graph, operation: Any, x: Tensor, key: Any) -> str:
    """Slices first; then numbers, from the last axis to the first, which go away."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        others = len(keys) - 1 - keys.count(None)
        keys[place : place + 1] = [slice(None)] * (len(x.shape) - others)
    kept = [one for one in keys if not isinstance(one, int)]
    new = [axis for axis, one in enumerate(kept) if one is None]
    keys = [one for one in keys if one is not None]
    cuts, numbers = [], []
    for axis, one in enumerate(keys):
        if isinstance(one, slice):
            step = 1 if one.step is None else one.step
            first, end = (0, INT64_MAX) if step > 0 else (-1, INT64_MIN)
            start = first if one.start is None else one.start
            stop = end if one.stop is None else one.stop
            _whole(operation, "slice", start, stop, step)
            if (start, stop, step) != (0, INT64_MAX, 1):
                cuts.append((start, stop, axis, step))
        else:
            _whole(operation, "index", one)
            numbers.append((axis, one))
    name = x.name
    if cuts:
        bounds = (graph.integers(*of) for of in zip(*cuts, strict=True))
        name = graph.node("Slice", name, *bounds)
    for axis, number in reversed(numbers):
        name = graph.node("Gather", name, graph.constant(number, "int64"), axis=axis)
    return graph.node("Unsqueeze", name, graph.integers(*new)) if new else name


def take(graph: Graph, operation: Any, x: Tensor, indices: Any) -> str:
    _whole(operation, "axis", operation.axis)
    return graph.node(
        "Gather", x.name, _in(graph, indices, "int64"), axis=operation.axis
    )


def top_k(graph: Graph, operation: Any, x: Tensor) -> list[str]:
    count = graph.integers(operation.k)
    values, indices = graph.nodes("TopK", [x.name, count], 2, axis=-1)
    return [values, graph.cast(indices, "int32")]


OPERATIONS: Mapping[str, Callable[..., str | list[str]]] = {
    "Add": _of_two("Add"),
    "Any": any_of,
    "Cast": cast,
    "Concatenate": concatenate,
    "ConvertToTensor": cast,
    "Equal": _of_two("Equal"),
    "Exp": _of_one("Exp"),
    "ExpandDims": expand_dims,
    "GetItem": get_item,
    "Log": _of_one("Log"),
    "LogSoftmax": _over_an_axis("LogSoftmax"),
    "LogicalAnd": _of_bools("And"),
    "LogicalNot": _of_bools("Not"),
    "LogicalOr": _of_bools("Or"),
    "Matmul": _of_two("MatMul"),
    "Max": _reduced("ReduceMax"),
    "Maximum": _of_two("Max"),
    "Mean": _reduced("ReduceMean"),
    "Minimum": _of_two("Min"),
    "Multiply": _of_two("Mul"),
    "Negative": _of_one("Neg"),
    "NotEqual": not_equal,
    "OnesLike": constant_like,
    "Relu": _of_one("Relu"),
    "Repeat": repeat,
    "Reshape": reshape,
    "Sigmoid": _of_one("Sigmoid"),
    "Softmax": _over_an_axis("Softmax"),
    "Sqrt": _of_one("Sqrt"),
    "Square": square,
    "Squeeze": squeeze,
    "Subtract": _of_two("Sub"),
    "Sum": _reduced("ReduceSum"),
    "Swapaxes": swapaxes,
    "Take": take,
    "Tanh": _of_one("Tanh"),
    "TopK": top_k,
    "Transpose": transpose,
    "TrueDivide": divide,
    "Where": where,
    "ZerosLike": constant_like,
}
"""The name of an operation of Keras -> its nodes."""
