"""What the layer shows of itself, and what Keras does around it."""

from __future__ import annotations

import keras
from keras import ops

from tests.drop_in.given import (
    FEATURES,
    UNITS,
    X,
    built,
    compiled,
    everything,
    small_model,
    trained,
)
from tests.drop_in.judge import group

use = group("Looking at it")


@use("`count_params`, `weights`, `variables`: paths, shapes, values of the seed")
def _(layers):
    layer = built(layers, name="recurrent", dropout=0.5)
    return (
        layer.count_params(),
        [[w.path, w.name, w.dtype, w.trainable] for w in layer.weights],
        [v.path for v in layer.variables],
        [v.path for v in layer.non_trainable_variables],
        [layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias],
    )


@use(
    "`variables` of a stateful layer",
    differs="the kept state is among them, for a compiled step on JAX carries no other",
)
def _(layers):
    return [v.path for v in built(layers, stateful=True).variables]


@use("`model.summary()`")
def _(layers):
    lines = []
    small_model(layers).summary(print_fn=lambda text, **_: lines.append(text))
    return lines


@use("`compute_output_shape`, `compute_output_spec`, symbolic outputs")
def _(layers):
    layer, x = everything(layers), keras.Input((None, FEATURES))
    specs = [*layer.compute_output_spec(x), *layer(x)]
    return layer.compute_output_shape(X.shape), [[s.shape, s.dtype] for s in specs]


@use("attributes: `units`, `activation`, `state_size`, `input_spec`, …")
def _(layers):
    layer = layers.GRU(UNITS, dropout=0.5)
    names = ("units", "use_bias", "dropout", "recurrent_dropout", "reset_after")
    names += ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")
    names += ("zero_output_for_mask", "state_size", "use_cudnn", "supports_masking")
    return (
        {name: getattr(layer, name) for name in names},
        layer.activation is keras.activations.tanh,
        type(layer.kernel_initializer).__name__,
        layer.input_spec.ndim,
    )


use("`layer.quantize`", both_refuse="it cannot be quantized")(
    lambda layers: built(layers).quantize("int8")
)


@use("`model.quantize`, `enable_lora`: of the other layers only")
def _(layers):
    model = small_model(layers)
    model.quantize("int8")
    return hasattr(model.layers[0], "enable_lora"), model(X)


use = group("Keras around it")


@use(
    "`keras.RematScope`",
    both_refuse={
        "tensorflow": "`tf.recompute_grad` takes no keyword arguments in a graph",
        "jax": "`jax.checkpoint` makes a tracer of `training`",
    },
)
def _(layers):
    with keras.RematScope(mode="full"):
        layer = layers.GRU(UNITS)
    return trained(compiled(keras.Sequential([layer, layers.Dense(1)])))


@use("`keras.ops.vectorized_map`")
def _(layers):
    return ops.vectorized_map(built(layers), ops.stack([X, -X]))


@use("`keras.StatelessScope`: a call that leaves the variables alone")
def _(layers):
    layer = built(layers, stateful=True)
    with keras.StatelessScope():
        inside = layer(X)
    return inside, layer.states
