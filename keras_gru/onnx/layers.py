"""Every layer that can be written, but for recurrent ones, as a small function.

`WRITERS` has the function of each type: it takes the graph, the layer, its input (a
list for layers that merge) and its mask, and returns the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_gru.bidirectional import Bidirectional
from keras_gru.layer import GRU
from keras_gru.onnx.graph import Graph, Tensor, refuse
from keras_gru.onnx.masks import Mask, chain, used, wide
from keras_gru.onnx.recurrent import bidirectional, recurrent

Activation = Callable[[Graph, str], str]


def _operator(name: str, **attributes: Any) -> Activation:
    return lambda graph, x: graph.node(name, x, **attributes)


def _clipped(low: float, high: float) -> Activation:
    return lambda graph, x: graph.node(
        "Clip", x, graph.constant(low), graph.constant(high)
    )


def _silu(graph: Graph, x: str) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda graph, x: x,
    "relu": _operator("Relu"),
    "relu6": _clipped(0.0, 6.0),
    "sigmoid": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "softmax": _operator("Softmax", axis=-1),
    "log_softmax": _operator("LogSoftmax", axis=-1),
    "elu": _operator("Elu", alpha=1.0),
    "selu": _operator("Selu"),
    "leaky_relu": _operator("LeakyRelu", alpha=0.2),
    "softplus": _operator("Softplus"),
    "softsign": _operator("Softsign"),
    "hard_sigmoid": _operator("HardSigmoid", alpha=1 / 6, beta=0.5),
    "exponential": _operator("Exp"),
    "silu": _silu,
}
"""Keras' name of an activation -> its nodes."""


def activate(graph: Graph, layer: Any, x: str) -> str:
    """The activation of a layer, which may be None."""
    function = layer.activation or keras.activations.linear
    found = (
        write
        for name, write in ACTIVATIONS.items()
        if keras.activations.get(name) is function
    )
    write = next(found, None)
    if write is None:
        called = getattr(function, "__name__", function)
        refuse(
            layer,
            f"its activation {called} is none of these: {', '.join(ACTIVATIONS)}.",
        )
    return write(graph, x)


def constant(graph: Graph, value: Any, name: str) -> str:
    """A weight of a layer."""
    return graph.constant(keras.ops.convert_to_numpy(value), name=name)


def same(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    """What acts in training only."""
    return x.name


def activation(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    return activate(graph, layer, x.name)


def dense(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    y = graph.node("MatMul", x.name, constant(graph, layer.kernel, "kernel"))
    if layer.use_bias:
        y = graph.node("Add", y, constant(graph, layer.bias, "bias"))
    return activate(graph, layer, y)


def embedding(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    table = constant(graph, layer.embeddings, "embeddings")
    whole = x.dtype in ("int32", "int64")
    return graph.node("Gather", table, x.name if whole else graph.cast(x.name, "int32"))


def masking(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    shown = graph.node("Unsqueeze", used(graph, layer, x), graph.integers(-1))
    return graph.node("Where", shown, x.name, graph.constant(0.0))


def time_distributed(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    """Of what acts on each step alone anyway."""
    inner = {
        keras.layers.Dense: dense,
        keras.layers.Activation: activation,
        keras.layers.Dropout: same,
    }
    if type(layer.layer) not in inner:
        refuse(
            layer,
            f"it is around {type(layer.layer).__name__}. TimeDistributed can be "
            "written around Activation, Dense and Dropout.",
        )
    return inner[type(layer.layer)](graph, layer.layer, x, None)


def layer_normalization(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    rank = len(x.shape)
    given = [layer.axis] if isinstance(layer.axis, int) else layer.axis
    axes = sorted(axis % rank for axis in given)
    if axes != list(range(axes[0], rank)):
        refuse(layer, f"it is over the axes {axes}, not the last ones.")
    if getattr(layer, "rms_scaling", False):
        refuse(layer, "it has rms_scaling=True.")
    sizes = [x.shape[axis] for axis in axes]
    scale, bias = (
        constant(graph, np.full(sizes, number) if weight is None else weight, name)
        for weight, number, name in (
            (layer.gamma, 1.0, "gamma"),
            (layer.beta, 0.0, "beta"),
        )
    )
    return graph.node(
        "LayerNormalization", x.name, scale, bias, axis=axes[0], epsilon=layer.epsilon
    )


def batch_normalization(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    """With the moving mean and variance, folded into a factor and a term."""
    mean, variance, gamma, beta = (
        np.asarray(keras.ops.convert_to_numpy(one), "float64")
        for one in (
            layer.moving_mean,
            layer.moving_variance,
            1.0 if layer.gamma is None else layer.gamma,
            0.0 if layer.beta is None else layer.beta,
        )
    )
    factor = gamma / np.sqrt(variance + layer.epsilon)
    term = beta - mean * factor
    behind = len(x.shape) - 1 - layer.axis % len(x.shape)
    shape = (-1, *[1] * behind)
    y = graph.node("Mul", x.name, graph.constant(factor.reshape(shape), name="factor"))
    return graph.node("Add", y, graph.constant(term.reshape(shape), name="term"))


def concatenate(graph: Graph, layer: Any, x: list[Tensor], mask: Any) -> str:
    return graph.node("Concat", *(one.name for one in x), axis=layer.axis)


def add(graph: Graph, layer: Any, x: list[Tensor], mask: Any) -> str:
    return chain(graph, "Add", _of_one_rank(graph, layer, x))


def multiply(graph: Graph, layer: Any, x: list[Tensor], mask: Any) -> str:
    """As Keras: a masked step is 1 in the product, and 0 where all are masked."""
    masks = [one.mask for one in x if one.mask]
    names = _of_one_rank(graph, layer, x)
    shown = [wide(graph, one) for one in masks]
    if masks:
        places = iter(shown)
        names = [
            graph.node("Where", next(places), name, graph.constant(1.0))
            if one.mask
            else name
            for name, one in zip(names, x, strict=True)
        ]
    y = chain(graph, "Mul", names)
    if len(masks) < len(x):
        return y
    return graph.node("Where", chain(graph, "Or", shown), y, graph.constant(0.0))


def reshape(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    return graph.node("Reshape", x.name, graph.integers(0, *layer.target_shape))


def rescaling(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    y = graph.node("Mul", x.name, graph.constant(layer.scale))
    return graph.node("Add", y, graph.constant(layer.offset))


def permute(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    return graph.node("Transpose", x.name, perm=[0, *layer.dims])


def flatten(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    y = x.name
    if layer.data_format == "channels_first" and len(x.shape) > 2:
        y = graph.node("Transpose", y, perm=[0, *range(2, len(x.shape)), 1])
    return graph.node("Reshape", y, graph.integers(0, -1))


def conv1d(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    last = layer.data_format == "channels_last"
    y = graph.node("Transpose", x.name, perm=[0, 2, 1]) if last else x.name
    (size,), (stride,), (dilation,) = (
        layer.kernel_size,
        layer.strides,
        layer.dilation_rate,
    )
    reach = (size - 1) * dilation
    padding: dict[str, Any] = {"pads": [0, 0]}
    if layer.padding == "causal":
        padding = {"pads": [reach, 0]}
    elif layer.padding == "same" and stride == 1:
        padding = {"pads": [reach // 2, reach - reach // 2]}
    elif layer.padding == "same":  # how much depends on the number of steps
        padding = {"auto_pad": "SAME_UPPER"}
    kernel = keras.ops.convert_to_numpy(layer.kernel).transpose(2, 1, 0)
    weights = [graph.constant(kernel, name="kernel")]
    if layer.use_bias:
        weights.append(constant(graph, layer.bias, "bias"))
    y = graph.node(
        "Conv",
        y,
        *weights,
        kernel_shape=[size],
        strides=[stride],
        dilations=[dilation],
        group=layer.groups,
        **padding,
    )
    return activate(
        graph, layer, graph.node("Transpose", y, perm=[0, 2, 1]) if last else y
    )


def global_average(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    time = 1 if layer.data_format == "channels_last" else 2
    keep = {"keepdims": int(layer.keepdims)}
    axis = graph.integers(time)
    if mask is None:
        return graph.node("ReduceMean", x.name, axis, **keep)
    shown = graph.node("Unsqueeze", mask.name, graph.integers(3 - time))
    kept = graph.node("Where", shown, x.name, graph.constant(0.0))
    total = graph.node("ReduceSum", kept, axis, **keep)
    count = graph.node("ReduceSum", graph.cast(shown, "float32"), axis, **keep)
    return graph.node("Div", total, count)


def global_max(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    time = 1 if layer.data_format == "channels_last" else 2
    axis = graph.integers(time)
    return graph.node("ReduceMax", x.name, axis, keepdims=int(layer.keepdims))


def softmax(graph: Graph, layer: Any, x: Tensor, mask: Mask) -> str:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if len(axes) > 1:
        refuse(layer, f"it is over the axes {axes}; ONNX has a softmax over one.")
    y = x.name
    if mask is not None:
        y = graph.node("Where", mask.name, y, graph.constant(-1e9))
    y = graph.node("Softmax", y, axis=axes[0])
    if mask is not None:
        y = graph.node("Where", mask.name, y, graph.constant(0.0))
    return y


def _of_one_rank(graph: Graph, layer: Any, x: list[Tensor]) -> list[str]:
    """Axes of size 1 behind the batch where an input has fewer, as Keras has it."""
    rank = max(len(one.shape) for one in x)
    names = []
    for one in x:
        missing = range(1, 1 + rank - len(one.shape))
        if missing and any(other.mask for other in x):
            refuse(layer, "it merges inputs of different ranks under a mask.")
        names.append(
            graph.node("Unsqueeze", one.name, graph.integers(*missing))
            if missing
            else one.name
        )
    return names


WRITERS: Mapping[type, Callable[..., str | list[str]]] = {
    keras.layers.Activation: activation,
    keras.layers.ActivityRegularization: same,
    keras.layers.Add: add,
    keras.layers.AlphaDropout: same,
    keras.layers.BatchNormalization: batch_normalization,
    keras.layers.Bidirectional: bidirectional,
    Bidirectional: bidirectional,
    keras.layers.Concatenate: concatenate,
    keras.layers.Conv1D: conv1d,
    keras.layers.Dense: dense,
    keras.layers.Dropout: same,
    keras.layers.Embedding: embedding,
    keras.layers.Flatten: flatten,
    keras.layers.GRU: recurrent,
    GRU: recurrent,
    keras.layers.GaussianDropout: same,
    keras.layers.GaussianNoise: same,
    keras.layers.GlobalAveragePooling1D: global_average,
    keras.layers.GlobalMaxPooling1D: global_max,
    keras.layers.Identity: same,
    keras.layers.LSTM: recurrent,
    keras.layers.LayerNormalization: layer_normalization,
    keras.layers.Masking: masking,
    keras.layers.Multiply: multiply,
    keras.layers.Permute: permute,
    keras.layers.RNN: recurrent,
    keras.layers.Rescaling: rescaling,
    keras.layers.Reshape: reshape,
    keras.layers.Softmax: softmax,
    keras.layers.SpatialDropout1D: same,
    keras.layers.TimeDistributed: time_distributed,
}

AS_GIVEN = (
    keras.layers.Embedding,
    keras.layers.Flatten,
    keras.layers.Permute,
    keras.layers.Reshape,
)
"""Those that leave integers as they are."""
