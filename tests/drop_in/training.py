"""Training and inference through Keras: `fit` and its relatives, every option."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tests.drop_in.given import (
    BATCH,
    FEATURES,
    MASK,
    TIME,
    TOKENS,
    UNITS,
    H,
    X,
    Y,
    built,
    compiled,
    fitted,
    small_model,
    trained,
)
from tests.drop_in.judge import group
from tests.passes import float64_allowed

NOT_TORCH = ("tensorflow", "jax")

use = group("fit, evaluate, predict")


@use("`fit`, `evaluate`, `predict`, `train_on_batch`, `predict_on_batch`, …")
def _(layers):
    model = compiled(small_model(layers), metrics=["mae"])
    return (
        trained(model, epochs=2),
        model.train_on_batch(X, Y),
        model.test_on_batch(X, Y),
        model.predict_on_batch(X),
        model.evaluate(X, Y, verbose=0, return_dict=True),
        model.predict(X, batch_size=3, verbose=0),
    )


@use("`validation_data` and callbacks")
def _(layers):
    model, seen = compiled(small_model(layers)), []
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=1),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])
        ),
    ]
    more = {"validation_data": (X, Y), "callbacks": callbacks}
    return trained(model, epochs=3, **more), seen


@use("data from a generator, batches of several lengths, a `PyDataset`")
def _(layers):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return X[i::2], Y[i::2]

    def batches():
        while True:
            yield X, Y
            yield X[:, :2], Y

    model = compiled(small_model(layers, time=None))
    return (
        trained(model, batches(), None, batch_size=None, steps_per_epoch=2),
        trained(model, Batches(workers=1), None, batch_size=None),
    )


@use("data from `tf.data`", on=NOT_TORCH)
def _(layers):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(2)
    return trained(compiled(small_model(layers)), data, None, batch_size=None)


@use("`sample_weight`, `class_weight`")
def _(layers):
    model, truth = compiled(small_model(layers)), (Y > 0).astype("float32")
    return (
        trained(model, y=truth, sample_weight=np.arange(BATCH, dtype="float32")),
        trained(model, y=truth, class_weight={0: 1.0, 1: 3.0}),
    )


@use("tokens: the mask of an `Embedding`")
def _(layers):
    model = keras.Sequential(
        [
            layers.Embedding(9, FEATURES, mask_zero=True),
            layers.GRU(UNITS, return_sequences=True),
            layers.Dense(1),
        ]
    )
    return trained(compiled(model), TOKENS, np.tile(Y[:, None], (1, TIME, 1)))


@use("an encoder and a decoder")
def _(layers):
    source, target = keras.Input((None, FEATURES)), keras.Input((None, FEATURES))
    _, state = layers.GRU(UNITS, return_state=True)(source)
    outputs = layers.GRU(UNITS, return_sequences=True)(target, initial_state=state)
    model = keras.Model([source, target], layers.Dense(1)(outputs))
    return trained(compiled(model), [X, X], np.tile(Y[:, None], (1, TIME, 1)))


@use("a `Bidirectional` layer")
def _(layers):
    model = keras.Sequential([layers.Bidirectional(layers.GRU(UNITS))])
    return trained(compiled(model), X, np.concatenate([H, -H], axis=1))


use("`reset_after=False`")(lambda layers: fitted(layers, reset_after=False))
use("`unroll=True`, `go_backwards=True`")(
    lambda layers: fitted(layers, unroll=True, go_backwards=True)
)


use("`run_eagerly=True`")(lambda layers: fitted(layers, compile={"run_eagerly": True}))
use("`jit_compile=True`", on=NOT_TORCH)(
    lambda layers: fitted(layers, compile={"jit_compile": True})
)
use("`jit_compile=False`")(
    lambda layers: fitted(layers, compile={"jit_compile": False})
)
use(
    "`steps_per_execution=2`",
    both_refuse={"torch": "Keras has it on TensorFlow and JAX only"},
)(lambda layers: fitted(layers, compile={"steps_per_execution": 2}))


@use("a `compute_loss` of your own")
def _(layers):
    class Model(keras.Sequential):
        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
            return ops.mean(ops.abs(y - y_pred))

    model = Model([keras.Input((TIME, FEATURES)), layers.GRU(UNITS), layers.Dense(1)])
    return trained(compiled(model))


use = group("Optimizers, penalties, frozen layers")

use("gradient accumulation, clipped gradients, moving averages of weights (EMA)")(
    lambda layers: fitted(
        layers,
        optimizer=keras.optimizers.SGD(
            0.1,
            clipnorm=0.5,
            gradient_accumulation_steps=2,
            use_ema=True,
            ema_overwrite_frequency=2,
        ),
        fit={"epochs": 2},
    )
)


@use("momentum, a weight decay that spares the biases")
def _(layers):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return fitted(layers, optimizer=optimizer)


@use("regularizers, constraints, `activity_regularizer`, `add_loss`")
def _(layers):
    class Penalised(keras.layers.Layer):
        def call(self, x):
            self.add_loss(ops.mean(x * x))
            return x

    gru = layers.GRU(
        UNITS,
        bias_initializer="ones",
        kernel_regularizer="l1",
        recurrent_regularizer="l2",
        bias_regularizer="l2",
        activity_regularizer="l2",
        kernel_constraint="max_norm",
        recurrent_constraint=keras.constraints.UnitNorm(axis=1),
        bias_constraint="non_neg",
    )
    return trained(compiled(keras.Sequential([gru, Penalised(), layers.Dense(1)])))


@use("`trainable = False`: a frozen layer")
def _(layers):
    model = small_model(layers)
    model.layers[0].trainable = False
    return len(model.trainable_variables), trained(compiled(model))


use = group("Stateful in models")

# Batches of BATCH rows: the state goes from each to the next.
LONG = {"x": np.concatenate([X, X[::-1]]), "y": np.concatenate([Y, Y])}
LOST = {"jax": "the state goes from batch to batch; Keras loses it in a compiled step"}
OVERWRITTEN = {"torch": "the state that the backward pass needs is overwritten"}


@use("`predict` twice; `reset_state`", differs=LOST)
def _(layers):
    model = small_model(layers, batch=BATCH, stateful=True)
    results = [model.predict(LONG["x"], batch_size=BATCH, verbose=0) for _ in range(2)]
    model.layers[0].reset_state()
    return [*results, model.predict(LONG["x"], batch_size=BATCH, verbose=0)]


@use(
    "`fit`, the state reset after each epoch or not",
    differs=LOST,
    only_ours=OVERWRITTEN,
)
def _(layers):
    def reset(epoch, logs):
        if epoch == 1:
            model.layers[0].reset_state()

    model = compiled(small_model(layers, batch=BATCH, stateful=True))
    resets = keras.callbacks.LambdaCallback(on_epoch_end=reset)
    return trained(model, **LONG, epochs=3, batch_size=BATCH, callbacks=[resets])


use = group("Precision")

for policy in ("mixed_float16", "mixed_bfloat16"):

    @use(f"`dtype={policy!r}`", row=policy.removeprefix("mixed_"))
    def _(layers, policy=policy):
        outputs = layers.GRU(UNITS, dtype=policy, return_sequences=True)(X)
        dtype = keras.backend.standardize_dtype(outputs.dtype)
        return dtype, ops.cast(outputs, "float32")


@use("`set_dtype_policy('mixed_float16')`, `fit`, `LossScaleOptimizer`", row="float16")
def _(layers):
    keras.config.set_dtype_policy("mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    return fitted(layers, optimizer=optimizer)


@use("`dtype='float64'`")
def _(layers):
    with float64_allowed():
        layer = layers.GRU(UNITS, dtype="float64", return_sequences=True)
        return ops.convert_to_numpy(layer(X.astype("float64"), mask=MASK))


@use(
    "`dtype='float16'`, the weights too",
    row="float16",
    differs={
        "tensorflow": "initial weights are drawn in float32 and cast, as on the other "
        "backends; TensorFlow draws them in float16"
    },
    only_ours=dict.fromkeys(
        ("jax", "torch"), "the initial weights need a QR decomposition in float16"
    ),
)
def _(layers):
    return layers.GRU(UNITS, dtype="float16")(X)


use("`dtype='float16'` with weights from elsewhere", row="float16")(
    lambda layers: layers.GRU(
        UNITS,
        dtype="float16",
        kernel_initializer=keras.initializers.Constant(0.1),
        recurrent_initializer=keras.initializers.Constant(0.2),
    )(X)
)
use(
    "mixed precision without biases",
    row="bfloat16",
    only_ours={"jax": "the loop changes the dtype of its state"},
)(
    lambda layers: ops.cast(
        layers.GRU(UNITS, dtype="mixed_bfloat16", use_bias=False)(X), "float32"
    )
)

use = group("Dropout")


@use("`dropout`, `recurrent_dropout`: the masks of the same seed, call after call")
def _(layers):
    results = []
    for rates in ((0.5, 0.0), (0.0, 0.5), (0.4, 0.3)):
        layer = built(layers, dropout=rates[0], recurrent_dropout=rates[1], seed=3)
        results += [layer(X, training=True), layer(X, mask=MASK, training=True)]
    return results


use("without a seed of its own: `keras.utils.set_random_seed`")(
    lambda layers: layers.GRU(UNITS, dropout=0.5)(X, training=True)
)
use("none without `training=True`")(
    lambda layers: layers.GRU(UNITS, dropout=0.5, recurrent_dropout=0.5)(X)
)
use("`implementation=1`", only_ours="three masks are taken for one")(
    lambda layers: layers.GRU(UNITS, dropout=0.5, implementation=1)(X, training=True)
)
use("`fit`")(lambda layers: fitted(layers, dropout=0.4, recurrent_dropout=0.3))


@use(
    "the masks after a call without training",
    differs="such a call draws none; Keras draws masks that it does not use, so that "
    "an evaluation changes the training after it",
)
def _(layers):
    layer = layers.GRU(UNITS, dropout=0.5, seed=3)
    layer(X)
    return layer(X, training=True)
