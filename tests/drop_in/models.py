"""The layer inside models and other layers, and its cell inside `RNN`."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tests.drop_in.given import (
    BATCH,
    FEATURES,
    MASK,
    PADDED,
    TIME,
    TOKENS,
    UNITS,
    H,
    X,
    everything,
    small_model,
)
from tests.drop_in.judge import group

use = group("In models")

use("`Sequential`, with an Input and without")(
    lambda layers: [
        small_model(layers)(X),
        keras.Sequential([layers.GRU(UNITS), layers.Dense(1)])(X),
    ]
)


@use("functional, of unknown length: a stack of two")
def _(layers):
    x = keras.Input((None, FEATURES))
    outputs = layers.GRU(UNITS, return_sequences=True)(x)
    model = keras.Model(x, layers.GRU(UNITS)(outputs))
    return outputs.shape, model(X), model(X[:2, :3]), [w.path for w in model.weights]


@use("a subclass of `Model`")
def _(layers):
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.gru = layers.GRU(UNITS)
            self.dense = layers.Dense(1)

        def call(self, x, training=False):
            return self.dense(self.gru(x, training=training))

    return Classifier()(X)


@use("one layer called twice: shared weights")
def _(layers):
    layer = layers.GRU(UNITS)
    one, two = keras.Input((TIME, FEATURES)), keras.Input((2, FEATURES))
    model = keras.Model([one, two], [layer(one), layer(two)])
    return len(model.weights), model([X, X[:, :2]])


@use("encoder and decoder: the final state starts the second layer")
def _(layers):
    source, target = keras.Input((None, FEATURES)), keras.Input((None, FEATURES))
    _, state = layers.GRU(UNITS, return_state=True)(source)
    outputs = layers.GRU(UNITS, return_sequences=True)(target, initial_state=state)
    return keras.Model([source, target], outputs)([X, X[:, :3]])


@use("a decoder step by step, its state handed round")
def _(layers):
    layer = layers.GRU(UNITS, return_state=True)
    x, h = keras.Input((1, FEATURES)), keras.Input((UNITS,))
    step = keras.Model([x, h], layer(x, initial_state=h))
    state, outputs = ops.convert_to_tensor(H), []
    for token in ops.split(X, TIME, axis=1):
        output, state = step([token, state])
        outputs.append(output)
    return outputs


@use("text: `Embedding(mask_zero=True)`, bidirectional encoder, attention")
def _(layers):
    source = keras.Input((None,), dtype="int32")
    embedded = layers.Embedding(9, FEATURES, mask_zero=True)(source)
    encoder = layers.Bidirectional(everything(layers), merge_mode="sum")
    outputs, state, _ = encoder(embedded)
    decoded = layers.GRU(UNITS, return_sequences=True)(outputs, initial_state=state)
    return keras.Model(source, layers.Attention()([decoded, outputs]))(TOKENS)


@use("between `Conv1D`, `LayerNormalization`, `Dropout` and pooling")
def _(layers):
    model = keras.Sequential(
        [
            layers.Conv1D(FEATURES, 3, padding="same"),
            layers.GRU(UNITS, return_sequences=True),
            layers.LayerNormalization(),
            layers.Dropout(0.1),
            layers.GlobalAveragePooling1D(),
        ]
    )
    return model(X)


@use("`get_layer(name).output`, `keras.ops` on its outputs, `keras.Function`")
def _(layers):
    model = small_model(layers, name="recurrent", return_sequences=True)
    outputs = ops.max(model.get_layer("recurrent").output, axis=1)
    return keras.Function(model.inputs, outputs)([X])


use = group("Bidirectional and TimeDistributed")

use("`Bidirectional`, every merge mode")(
    lambda layers: [
        layers.Bidirectional(layers.GRU(UNITS, return_sequences=True), merge_mode=mode)(
            X
        )
        for mode in ("concat", "sum", "mul", "ave", None)
    ]
)
use("`Bidirectional` with a mask, states in and out")(
    lambda layers: layers.Bidirectional(everything(layers))(
        X, mask=MASK, initial_state=[H, -H]
    )
)


@use("`Bidirectional` with a backward layer of its own")
def _(layers):
    backward = layers.GRU(UNITS, activation="relu", go_backwards=True)
    return layers.Bidirectional(layers.GRU(UNITS), backward_layer=backward)(X)


@use("`Bidirectional`, stateful; `reset_states`")
def _(layers):
    layer = layers.Bidirectional(layers.GRU(UNITS, stateful=True))
    results = [layer(X), layer(X)]
    layer.reset_states()
    return [*results, layer(X)]


use("`Bidirectional` with dropout and `reset_after=False`")(
    lambda layers: layers.Bidirectional(
        layers.GRU(UNITS, reset_after=False, dropout=0.5, seed=1)
    )(X, training=True)
)


@use("`Bidirectional`: config, paths, `compute_mask`, `compute_output_shape`")
def _(layers):
    layer = layers.Bidirectional(everything(layers, seed=2))
    again = layers.Bidirectional.from_config(layer.get_config())
    again.build(X.shape)
    return (
        [w.path for w in again.weights],
        again.compute_mask(X, MASK),
        again.compute_output_shape(X.shape),
    )


use(
    "`Bidirectional`, stateful, with states, under a mask",
    both_refuse="Keras' `Bidirectional` cannot compute its masks; "
    "`keras_gru.Bidirectional` can",
)(
    lambda layers: layers.Bidirectional(everything(layers, stateful=True))(
        layers.Masking()(PADDED)
    )
)
use("`TimeDistributed(GRU)`, `TimeDistributed(Dense)` after it")(
    lambda layers: [
        layers.TimeDistributed(layers.GRU(UNITS))(np.stack([X, -X], 1)),
        layers.TimeDistributed(layers.Dense(2))(
            layers.GRU(UNITS, return_sequences=True)(X)
        ),
    ]
)

use = group("The cell: `GRUCell` and `GRUCellV`")

use("by itself, the state as a tensor or in a list")(
    lambda layers: [layers.GRUCell(UNITS)(X[:, 0], state) for state in (H, [H])]
)
use("`RNN(cell)` with a mask; unrolled; backwards; stateful")(
    lambda layers: [
        layers.RNN(layers.GRUCell(UNITS), return_state=True, **options)(X, mask=MASK)
        for options in (
            {"return_sequences": True},
            {"unroll": True},
            {"stateful": True},
        )
    ]
)
use("`StackedRNNCells`, with `LSTMCell`, in `Bidirectional`")(
    lambda layers: [
        layers.RNN(layers.StackedRNNCells([layers.GRUCell(UNITS) for _ in "ab"]))(X),
        layers.RNN([layers.GRUCell(UNITS), layers.LSTMCell(UNITS)])(X),
        layers.Bidirectional(layers.RNN(layers.GRUCell(UNITS)))(X),
    ]
)
use("`RNN(layer.cell)`: the cell of a layer")(
    lambda layers: layers.RNN(layers.GRU(UNITS).cell)(X)
)
use("`RNN(cell)` with both dropouts, in training")(
    lambda layers: layers.RNN(
        layers.GRUCell(UNITS, dropout=0.5, recurrent_dropout=0.4, seed=1)
    )(X, training=True)
)


@use("`state_size`, `get_initial_state`, config, weights")
def _(layers):
    cell = layers.GRUCell.from_config(layers.GRUCell(UNITS, dropout=0.5).get_config())
    cell.build((BATCH, FEATURES))
    return (
        [cell.state_size, cell.output_size, cell.dropout],
        cell.get_initial_state(BATCH),
        {w.path: w for w in cell.weights},
    )
