"""How the layer is called: inputs, states, masks, and what comes back."""

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
    built,
    everything,
)
from tests.drop_in.judge import group, refused

LATE = MASK[:, ::-1].copy()  # some rows begin with steps that are not used


def each(layer, *inputs):
    return [layer(x) for x in inputs]


use = group("Calling it")

use("a NumPy array, a tensor, float64, int32, by `layer.call`")(
    lambda layers: [
        *each(built(layers), X, ops.convert_to_tensor(X)),
        *each(built(layers), X.astype("float64"), X.astype("int32")),
        built(layers).call(ops.convert_to_tensor(X)),
    ]
)
use("`return_sequences`, `return_state`: none, either, both")(
    lambda layers: [
        layers.GRU(UNITS, return_sequences=sequences, return_state=state)(X)
        for sequences in (False, True)
        for state in (False, True)
    ]
)
use("`go_backwards=True`")(lambda layers: everything(layers, go_backwards=True)(X))
use("`unroll=True`, forwards and backwards")(
    lambda layers: [
        everything(layers, unroll=True, go_backwards=backwards)(X)
        for backwards in (False, True)
    ]
)
use("one step, 240 steps")(
    lambda layers: each(built(layers), X[:, :1], np.tile(X, (1, 40, 1)))
)
use("one layer, other sizes in each call")(
    lambda layers: each(built(layers), X, X[:1], X[:, :2], X[:3, :4])
)
use("a batch of no rows")(lambda layers: everything(layers)(X[:0]))
use(
    "no steps, two dimensions, another number of features",
    both_refuse="such inputs do not fit",
)(
    lambda layers: refused(
        lambda: layers.GRU(UNITS)(X[:, :0]),
        lambda: layers.GRU(UNITS)(X[0]),
        lambda: built(layers)(X[..., :2]),
    )
)

use = group("The initial state")

use("a tensor, NumPy, in a list or tuple, float64, by position")(
    lambda layers: (
        [
            everything(layers)(X, initial_state=state)
            for state in (ops.convert_to_tensor(H), H, [H], (H,), H.astype("float64"))
        ]
        + [everything(layers)(X, H)]
    )
)
use(
    "of shape (1, units), for every row",
    only_ours={"jax": "the loop needs a state of its final shape"},
)(lambda layers: everything(layers)(X, initial_state=H[:1]))


@use("symbolic, a second input of a model")
def _(layers):
    x, h = keras.Input((TIME, FEATURES)), keras.Input((UNITS,))
    one, two = everything(layers), everything(layers, go_backwards=True)
    model = keras.Model([x, h], [one(x, initial_state=h), two(x, initial_state=[h])])
    return model([X, H])


use("two of them", differs="an error, for a GRU has one; Keras takes the first")(
    lambda layers: layers.GRU(UNITS)(X, initial_state=[H, H])
)
use("of another size", both_refuse="it does not fit")(
    lambda layers: layers.GRU(UNITS)(X, initial_state=H[:, :2])
)
use("`get_initial_state`")(lambda layers: layers.GRU(UNITS).get_initial_state(BATCH))

use = group("Masks")

use("as an argument: NumPy, a tensor, numbers, in a list")(
    lambda layers: [
        everything(layers)(X, mask=mask)
        for mask in (MASK, ops.convert_to_tensor(MASK), ops.cast(MASK, "int32"), [MASK])
    ]
)
use("of shape (batch, time, 1)")(
    lambda layers: everything(layers)(X, mask=MASK[..., None])
)
use("of shape (1, time)")(lambda layers: everything(layers)(X, mask=MASK[:1]))
use("all true; one step only; the last output only")(
    lambda layers: [
        everything(layers)(X, mask=np.ones((BATCH, TIME), bool)),
        everything(layers)(X, mask=np.arange(TIME) * np.ones((BATCH, 1)) < 1),
        layers.GRU(UNITS)(X, mask=MASK),
    ]
)
use("of `Masking`, of `Embedding(mask_zero=True)`")(
    lambda layers: [
        everything(layers)(layers.Masking()(PADDED)),
        everything(layers)(layers.Embedding(9, FEATURES, mask_zero=True)(TOKENS)),
    ]
)
use("with an initial state")(
    lambda layers: everything(layers)(X, initial_state=H, mask=MASK)
)
use("with `go_backwards`, with `unroll`, with `reset_after=False`")(
    lambda layers: [
        everything(layers, go_backwards=True)(X, mask=LATE),
        everything(layers, unroll=True)(X, mask=MASK),
        everything(layers, reset_after=False)(X, mask=MASK),
    ]
)
use(
    "with `unroll` and `go_backwards`",
    only_ours={"torch": "the mask is reversed by a negative step, which torch lacks"},
)(
    lambda layers: everything(layers, unroll=True, go_backwards=True)(
        X, mask=ops.convert_to_tensor(LATE)
    )
)
use("with `zero_output_for_mask`")(
    lambda layers: everything(layers, zero_output_for_mask=True)(X, mask=MASK)
)
use(
    "with `zero_output_for_mask` and `unroll`",
    differs={"jax": "zeros at masked steps; Keras repeats the output before"},
)(
    lambda layers: everything(layers, zero_output_for_mask=True, unroll=True)(
        X, mask=MASK
    )
)
use(
    "with `zero_output_for_mask`, the last output only",
    differs="the output of the last used step, as documented; Keras gives zeros",
)(lambda layers: layers.GRU(UNITS, zero_output_for_mask=True)(X, mask=MASK))
use("that begin with False")(lambda layers: everything(layers)(X, mask=LATE))
use(
    "that begin with False, with an initial state",
    differs={"jax": "zeros before the first used step; Keras gives the initial state"},
)(lambda layers: everything(layers)(X, initial_state=H, mask=LATE))
use(
    "of the layer before, with an initial state",
    differs="the mask is used; Keras drops it where `initial_state` is given",
)(lambda layers: everything(layers)(layers.Masking()(PADDED), initial_state=H))


@use("handed on to the next layer, `compute_mask`")
def _(layers):
    outputs = layers.GRU(UNITS, return_sequences=True)(layers.Masking()(PADDED))
    return (
        outputs._keras_mask,
        layers.GRU(UNITS)(outputs),
        layers.GRU(UNITS).compute_mask(X, MASK),
        everything(layers).compute_mask(X, MASK),
    )


use("of another length", both_refuse="it does not fit")(
    lambda layers: layers.GRU(UNITS)(X, mask=MASK[:, :2])
)

use = group("Stateful")


@use("call after call; `reset_state`, `reset_states`")
def _(layers):
    layer = everything(layers, stateful=True)
    layer.reset_state()  # before the first call, too
    results = each(layer, X, X)
    layer.reset_state()
    results += [layer(X), layer.states]
    layer.reset_states()
    return [*results, layer(X)]


@use("other lengths, a mask, an initial state between")
def _(layers):
    layer = layers.GRU(UNITS, stateful=True)
    return [
        *each(layer, X, X[:, :2]),
        layer(X, mask=MASK),
        layer(X, initial_state=H),
        layer(X),
    ]


use("another batch size, an unknown batch size", both_refuse="one state is kept a row")(
    lambda layers: refused(
        lambda: each(layers.GRU(UNITS, stateful=True), X, X[:2]),
        lambda: layers.GRU(UNITS, stateful=True)(keras.Input((TIME, FEATURES))),
    )
)
