"""TensorFlow's own ways to call and to differentiate the layer."""

from __future__ import annotations

import tempfile

import keras

from tests.drop_in.given import (
    FEATURES,
    MASK,
    TIME,
    UNITS,
    H,
    X,
    Y,
    built,
    compiled,
    everything,
    small_model,
    trained,
)
from tests.drop_in.judge import group

use = group("With TensorFlow's own tools", on=("tensorflow",))


def loss_of(layers, **options):
    """A layer, and the sum of the squares of its outputs as a function of x."""
    import tensorflow as tf

    layer = built(layers, return_sequences=True, **options)
    return layer, lambda x, **call: tf.reduce_sum(layer(x, **call) ** 2)


@use("`tf.GradientTape`: inputs, state, weights")
def _(layers):
    import tensorflow as tf

    layer = everything(layers)
    x, h = tf.constant(X), tf.constant(H)
    with tf.GradientTape() as tape:
        tape.watch([x, h])
        outputs, state = layer(x, initial_state=h, mask=MASK)
        loss = tf.reduce_sum(outputs**2) + tf.reduce_sum(state)
    return tape.gradient(loss, [x, h, *layer.trainable_variables])


@use("a training loop of your own in `tf.function`")
def _(layers):
    import tensorflow as tf

    model = small_model(layers, time=None)
    optimizer = keras.optimizers.SGD(0.1)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step(X, Y), step(X[:, :2], Y), model.get_weights()


@use("a `train_step` with a GradientTape in `fit`")
def _(layers):
    import tensorflow as tf

    class Model(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    model = Model([keras.Input((TIME, FEATURES)), layers.GRU(UNITS), layers.Dense(1)])
    return trained(compiled(model))


@use("`tf.function(input_signature)` with unknown sizes")
def _(layers):
    import tensorflow as tf

    layer = layers.GRU(UNITS)
    signature = tf.TensorSpec((None, None, FEATURES), tf.float32)
    call = tf.function(lambda x: layer(x), input_signature=[signature])
    return call(X), call(X[:2, :3])


@use("`tf.function(jit_compile=True)`, gradients included")
def _(layers):
    import tensorflow as tf

    layer, loss = loss_of(layers)

    @tf.function(jit_compile=True)
    def gradients(x):
        with tf.GradientTape() as tape:
            value = loss(x)
        return tape.gradient(value, layer.trainable_variables)

    return gradients(tf.constant(X))


@use("a tape in a tape: a penalty on the gradient; under a mask")
def _(layers):
    import tensorflow as tf

    results = []
    for options, call in (({}, {}), ({"reset_after": False}, {"mask": MASK})):
        layer, loss = loss_of(layers, **options)
        x = tf.constant(X)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = loss(x, **call)
            penalty = tf.reduce_sum(inner.gradient(value, x) ** 2)
        results += outer.gradient(penalty, layer.trainable_variables)
    return results


@use("`tape.jacobian` and `tape.batch_jacobian`")
def _(layers):
    import tensorflow as tf

    layer, x = layers.GRU(UNITS), tf.constant(X)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        outputs = layer(x)
    return tape.jacobian(outputs, layer.cell.bias), tape.batch_jacobian(outputs, x)


@use("`tf.autodiff.ForwardAccumulator`")
def _(layers):
    import tensorflow as tf

    _, loss = loss_of(layers)
    x = tf.constant(X)
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
        value = loss(x)
    return accumulator.jvp(value)


@use("`tf.recompute_grad`")
def _(layers):
    import tensorflow as tf

    _, loss = loss_of(layers)
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.recompute_grad(loss)(x)
    return tape.gradient(value, x)


@use("`tf.map_fn`, `tf.vectorized_map`, `tf.while_loop` around it")
def _(layers):
    import tensorflow as tf

    layer = layers.GRU(UNITS)
    pairs = tf.reshape(X, (2, -1, TIME, FEATURES))
    looped = tf.while_loop(
        lambda i, h: i < 3, lambda i, h: (i + 1, layer(X, initial_state=h)), (0, H)
    )
    return tf.map_fn(layer, pairs), tf.vectorized_map(layer, pairs), looped[1]


@use("`dataset.map(layer)`")
def _(layers):
    import tensorflow as tf

    layer = layers.GRU(UNITS)
    layer.build(X.shape)
    data = tf.data.Dataset.from_tensor_slices(X).batch(2).map(layer)
    return list(data.as_numpy_iterator())


@use("ragged sequences: `to_tensor` and `sequence_mask`")
def _(layers):
    import tensorflow as tf

    ragged = tf.RaggedTensor.from_row_lengths(X[0], [1, 3, 2])
    mask = tf.sequence_mask(ragged.row_lengths())
    return layers.GRU(UNITS)(ragged.to_tensor(), mask=mask)


@use("`tf.distribute.MirroredStrategy`")
def _(layers):
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = compiled(small_model(layers))
    return trained(model)


@use("`tf.train.Checkpoint`")
def _(layers):
    import tensorflow as tf

    one, two = small_model(layers), small_model(layers)
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(model=one).save(f"{folder}/model")
        tf.train.Checkpoint(model=two).restore(path).assert_consumed()
    return one(X), two(X)
