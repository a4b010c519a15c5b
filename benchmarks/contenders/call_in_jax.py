"""A Keras layer's `stateless_call` under `jax.jit`, as Keras' trainer calls it.

Generation passes the state in and takes it out: `stateful=True` keeps it in a
variable that Keras 3.15 does not track, so that under `jax.jit` it stays as it was.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from benchmarks.contenders.contender import (
    Built,
    Results,
    explained,
    gradients_by_name,
)
from benchmarks.numbers import CHECKED_ROWS, Numbers
from benchmarks.rows import Group


def build(layer: Any, group: Group, numbers: Numbers) -> Built:
    """See `Contender.build`."""
    x = jnp.asarray(numbers.x)
    mask = None if numbers.mask is None else jnp.asarray(numbers.mask)
    weights = [variable.value for variable in layer.trainable_variables]
    others = [variable.value for variable in layer.non_trainable_variables]
    kernels = []  # appended while tracing, where the choice is made

    @jax.jit
    def forward(weights: Any, x: Any, mask: Any) -> Any:
        kernels.append(explained(layer, group))
        return layer.stateless_call(weights, others, x, mask=mask)[0]

    @jax.jit
    def advance(weights: Any, x: Any, state: Any) -> Any:
        kernels.append(explained(layer, group))
        return layer.stateless_call(weights, others, x, initial_state=state)[0]

    def loss(x: Any, weights: Any, mask: Any, cotangent: Any) -> Any:
        kernels.append(explained(layer, group))
        outputs, _ = layer.stateless_call(weights, others, x, mask=mask, training=True)
        return jnp.sum(outputs * cotangent)

    step = jax.jit(jax.grad(loss, argnums=(0, 1)))

    if group.mode == "training":
        cotangent = jnp.asarray(numbers.cotangent)
        check_cotangent = jnp.asarray(numbers.check_cotangent)

        def results() -> Results:
            d_x, d_weights = step(x, weights, mask, check_cotangent)
            named = gradients_by_name(layer, d_x, d_weights)
            named["x"] = named["x"][:CHECKED_ROWS]
            return {name: np.asarray(value) for name, value in named.items()}

        def run() -> Any:
            return jax.block_until_ready(step(x, weights, mask, cotangent))

    elif group.mode == "inference":

        def results() -> Results:
            return {"outputs": np.asarray(run()[:CHECKED_ROWS])}

        def run() -> Any:
            return jax.block_until_ready(forward(weights, x, mask))

    else:
        start = state = jnp.zeros((group.shape.batch, group.shape.units), x.dtype)

        def run() -> Any:
            nonlocal state
            outputs, state = jax.block_until_ready(advance(weights, x, state))
            return outputs

        def results() -> Results:
            nonlocal state
            state = start
            return {"outputs": np.concatenate([run(), run()], axis=1)}

    run()
    return Built(run, results, kernels[-1], "jax.jit")
