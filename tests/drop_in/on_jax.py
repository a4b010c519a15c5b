"""JAX's own ways to call, to compile and to differentiate the layer."""

from __future__ import annotations

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
    small_model,
    trained,
)
from tests.drop_in.judge import group

use = group("With JAX's own tools", on=("jax",))


def loss_of(layers, **options):
    """The weights of a layer, and a loss as a function of them and x."""
    import jax.numpy as jnp

    layer = built(layers, **options)
    frozen = [variable.value for variable in layer.non_trainable_variables]

    def loss(weights, x, **call):
        outputs, _ = layer.stateless_call(weights, frozen, x, **call)
        return jnp.sum(outputs**2)

    return [variable.value for variable in layer.trainable_variables], loss


@use("`stateless_call`, also with dropout: outputs and new state")
def _(layers):
    layer = built(layers, dropout=0.5, seed=1)
    trainable = [v.value for v in layer.trainable_variables]
    frozen = [v.value for v in layer.non_trainable_variables]
    return layer.stateless_call(trainable, frozen, X, training=True)


@use("`jax.grad` over `stateless_call`: inputs, state, weights")
def _(layers):
    import jax

    weights, loss = loss_of(layers, return_sequences=True)

    def masked_loss(weights, x, h):
        return loss(weights, x, initial_state=h, mask=MASK)

    return jax.grad(masked_loss, (0, 1, 2))(weights, X, H)


@use("a training loop of your own with optax")
def _(layers):
    import jax
    import optax

    weights, loss = loss_of(layers)
    optimizer = optax.adam(0.01)

    @jax.jit
    def step(weights, state):
        value, gradients = jax.value_and_grad(loss)(weights, X)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(weights, updates), state, value

    state, values = optimizer.init(weights), []
    for _ in range(3):
        weights, state, value = step(weights, state)
        values.append(value)
    return values, weights


@use("a training loop of your own with `optimizer.stateless_apply`")
def _(layers):
    import jax

    model = small_model(layers)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)

    frozen = [v.value for v in model.non_trainable_variables]

    def loss(weights):
        outputs, _ = model.stateless_call(weights, frozen, X)
        return ((outputs - Y) ** 2).mean()

    @jax.jit
    def step(weights, state):
        return optimizer.stateless_apply(state, jax.grad(loss)(weights), weights)

    weights = [v.value for v in model.trainable_variables]
    state = [v.value for v in optimizer.variables]
    for _ in range(2):
        weights, state = step(weights, state)
    return weights


@use("a `train_step` with `jax.value_and_grad` in `fit`")
def _(layers):
    import jax

    class Model(keras.Sequential):
        def train_step(self, state, data):
            trainable, frozen, optimizer, metrics = state
            x, y = data

            def loss(trainable):
                outputs, updated = self.stateless_call(
                    trainable, frozen, x, training=True
                )
                return self.compute_loss(y=y, y_pred=outputs), updated

            gradient = jax.value_and_grad(loss, has_aux=True)
            (value, updated), gradients = gradient(trainable)
            trainable, optimizer = self.optimizer.stateless_apply(
                optimizer, gradients, trainable
            )
            return {"loss": value}, (trainable, updated, optimizer, metrics)

    model = Model([keras.Input((TIME, FEATURES)), layers.GRU(UNITS), layers.Dense(1)])
    return trained(compiled(model))


@use("`jax.jit` around the layer")
def _(layers):
    import jax

    layer = built(layers, return_sequences=True)
    return jax.jit(layer)(X), jax.eval_shape(layer, X).shape


@use("`jax.vmap` over inputs, over weights")
def _(layers):
    import jax
    import jax.numpy as jnp

    weights, loss = loss_of(layers)
    two = [jnp.stack([w, 2 * w]) for w in weights]
    return (
        jax.vmap(built(layers))(jnp.stack([X, -X])),
        jax.vmap(loss, in_axes=(0, None))(two, X),
    )


@use("`jax.vmap(jax.grad)`: the gradients of each example")
def _(layers):
    import jax

    weights, loss = loss_of(layers)
    return jax.vmap(jax.grad(loss), in_axes=(None, 0))(weights, X[:, None])


@use("`jax.grad` of `jax.grad`: a penalty on the gradient; under a mask")
def _(layers):
    import jax

    results = []
    for options, call in (({}, {}), ({"reset_after": False}, {"mask": MASK})):
        weights, loss = loss_of(layers, **options)

        def penalty(weights, loss=loss, call=call):
            return (jax.grad(loss, 1)(weights, X, **call) ** 2).sum()

        results.append(jax.grad(penalty)(weights))
    return results


@use("`jax.hessian`")
def _(layers):
    import jax

    weights, loss = loss_of(layers)
    return jax.hessian(lambda bias: loss([*weights[:2], bias], X))(weights[2])


@use("`jax.jvp`, `jax.jacfwd`")
def _(layers):
    import jax

    weights, loss = loss_of(layers)
    tangent = jax.jvp(lambda x: loss(weights, x), (X,), (X,))
    return tangent, jax.jacfwd(lambda b: loss([*weights[:2], b], X))(weights[2])


@use("`jax.jacrev`")
def _(layers):
    import jax

    layer = built(layers)
    return jax.jacrev(layer)(X[:1])


@use("`jax.checkpoint`")
def _(layers):
    import jax

    weights, loss = loss_of(layers)
    return jax.grad(jax.checkpoint(loss))(weights, X)


@use("`jax.lax.scan` around it: chunks of a long sequence, differentiated")
def _(layers):
    import jax
    import jax.numpy as jnp

    layer = built(layers, return_state=True)

    def loss(x, h):
        def chunk(state, x):
            output, state = layer(x, initial_state=state)
            return state, output

        return (jax.lax.scan(chunk, h, x)[1] ** 2).sum()

    return jax.value_and_grad(loss, (0, 1))(jnp.stack([X, -X]), H)


@use("`jax.lax.cond` around it")
def _(layers):
    import jax

    layer = built(layers)
    call = jax.jit(lambda flag: jax.lax.cond(flag, layer, lambda x: layer(-x), X))
    return call(True), call(False)


@use("`jax.export`, then run what was written")
def _(layers):
    import jax

    layer = built(layers)
    written = jax.export.export(jax.jit(layer))(jax.ShapeDtypeStruct(X.shape, X.dtype))
    return jax.export.deserialize(written.serialize()).call(X)


@use("`keras.distribution.DataParallel` of one device")
def _(layers):
    import jax

    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=[f"cpu:{d.id}" for d in jax.devices()])
    )
    try:
        return trained(compiled(small_model(layers)))
    finally:
        keras.distribution.set_distribution(None)


@use(
    "`jax.shard_map` over a mesh of one device",
    only_ours="the loop's first state does not vary over the mesh, the later ones do",
)
def _(layers):
    import jax
    from jax.sharding import AxisType, PartitionSpec

    rows = PartitionSpec("rows")
    mesh = jax.make_mesh((1,), ("rows",), (AxisType.Auto,))
    call = jax.shard_map(built(layers), mesh=mesh, in_specs=rows, out_specs=rows)
    return jax.jit(call)(X)
