"""How the layer is made: each argument, in every form that Keras takes."""

from __future__ import annotations

import keras
import numpy as np

from tests.drop_in.given import FEATURES, UNITS, X, built
from tests.drop_in.judge import group, refused

use = group("Making the layer")


def outputs_of(layers, *each):
    """The outputs of one layer for each of these options."""
    return [layers.GRU(UNITS, **options)(X) for options in each]


use("only `units`")(lambda layers: layers.GRU(UNITS)(X))
use("`units` as a NumPy integer", only_ours="the size of the state must be an int")(
    lambda layers: layers.GRU(np.int64(UNITS))(X)
)


@use("every argument by position")
def _(layers):
    layer = layers.GRU(
        *(UNITS, "relu", "hard_sigmoid", True, "he_normal", "glorot_normal", "ones"),
        *("l1", "l2", "l1", "l2", "max_norm", "non_neg", "unit_norm"),
        *(0.1, 0.2, 7, True, True, False, False, False, False, False),
    )
    return layer(X)


@use("activations by name, as a function, None, one of your own")
def _(layers):
    names = ["relu", keras.activations.softplus, None, lambda x: x / (1 + x * x)]
    gates = ["hard_sigmoid", "softsign", None, keras.activations.sigmoid]
    return outputs_of(
        layers,
        *({"activation": name} for name in names),
        *({"recurrent_activation": name} for name in gates),
    )


@use("initializers by name, as an object, a config, a function")
def _(layers):
    normal = keras.initializers.RandomNormal(seed=1)
    return outputs_of(
        layers,
        {"kernel_initializer": "ones", "recurrent_initializer": "identity"},
        {"kernel_initializer": normal, "bias_initializer": "ones"},
        {"kernel_initializer": keras.initializers.serialize(normal)},
        {"bias_initializer": lambda shape, dtype: keras.ops.ones(shape, dtype)},
    )


@use("regularizers by name, as an object, a function: `losses`")
def _(layers):
    return built(
        layers,
        kernel_regularizer=keras.regularizers.L1(0.1),
        recurrent_regularizer="l2",
        bias_regularizer=lambda w: keras.ops.sum(w * w),
        bias_initializer="ones",
    ).losses


use("`use_bias=False`, `reset_after=False`, `use_cudnn=False`")(
    lambda layers: outputs_of(
        layers, *({name: False} for name in ("use_bias", "reset_after", "use_cudnn"))
    )
)
SILENT = "an error, for cuDNN cannot run there; Keras passes in silence"
use(
    "`use_cudnn=True` without a GPU",
    both_refuse={"tensorflow": "cuDNN cannot run there"},
    differs={"jax": SILENT, "torch": SILENT},
)(lambda layers: layers.GRU(UNITS, use_cudnn=True)(X))
use("`implementation` 1 and 2")(
    lambda layers: outputs_of(layers, *({"implementation": i} for i in (1, 2)))
)
use(
    "`implementation` 0 and None, also with dropout",
    differs="a warning, and what Keras 2 meant: 1 and 2; Keras takes 0 as 2, silently",
)(
    lambda layers: [
        layers.GRU(UNITS, implementation=i, dropout=0.5, seed=1)(X, training=training)
        for i in (0, None)
        for training in (False, True)
    ]
)


@use("`name`, `trainable`, `autocast`, `dtype` by name or as a policy")
def _(layers):
    one = built(layers, name="mine", trainable=False, autocast=False)
    two = built(layers, dtype=keras.DTypePolicy("mixed_float16"))
    return one.name, len(one.trainable_weights), two.compute_dtype, two.variable_dtype


@use("rates of dropout outside [0, 1]")
def _(layers):
    made = [layers.GRU(UNITS, dropout=r, recurrent_dropout=r) for r in (-1, 2)]
    return [[layer.dropout, layer.recurrent_dropout] for layer in made]


@use("a class of your own that inherits from it")
def _(layers):
    class Scaled(layers.GRU):
        def __init__(self, units, scale=2.0, **kwargs):
            super().__init__(units, **kwargs)
            self.scale = scale

        def call(self, sequences, initial_state=None, mask=None, training=False):
            outputs = super().call(sequences, initial_state, mask, training)
            return self.scale * outputs

        def get_config(self):
            return {**super().get_config(), "scale": self.scale}

    return Scaled.from_config(Scaled(UNITS, scale=3.0).get_config())(X)


use("`isinstance(layer, keras.layers.RNN)`")(
    lambda layers: isinstance(layers.GRU(UNITS), keras.layers.RNN)
)
use(
    "`isinstance(layer, keras.layers.GRU)`",
    differs="False, for Keras' `Bidirectional` hands the weights of such a layer to "
    "cuDNN, whatever its convention",
)(lambda layers: isinstance(layers.GRU(UNITS), keras.layers.GRU))


@use("no units, 2.5 units, unknown arguments or names", both_refuse="wrong arguments")
def _(layers):
    refused(
        lambda: layers.GRU(0),
        lambda: layers.GRU(2.5)(X),
        lambda: layers.GRU(UNITS, hidden=3),
        lambda: layers.GRU(UNITS, activation="thin"),
        lambda: layers.GRU(UNITS, use_cudnn="perhaps"),
    )


@use("`build` with None in the shape, with the state's shape")
def _(layers):
    layer = layers.GRU(UNITS)
    layer.build((None, None, FEATURES), (None, UNITS))
    return [list(w.shape) for w in layer.weights], layer.built, layer.cell.built


@use("`get_config`, `from_config`, `serialize`, `deserialize`")
def _(layers):
    layer = layers.GRU(UNITS, "relu", kernel_initializer="ones", go_backwards=True)
    config = layer.get_config()
    return (
        {key: config[key] for key in keras.layers.GRU(UNITS).get_config()},
        layers.GRU.from_config(config)(X),
        keras.layers.deserialize(keras.layers.serialize(layer))(X),
    )


@use(
    "`implementation` and `use_cudnn` in the config",
    differs="the config keeps both; Keras drops them",
)
def _(layers):
    layer = layers.GRU(UNITS, implementation=1, use_cudnn=False)
    again = layers.GRU.from_config(layer.get_config())
    return again.cell.implementation, again.use_cudnn
