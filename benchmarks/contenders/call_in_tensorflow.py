"""A Keras layer in a `tf.function`, compiled by XLA where Keras' "auto" would.

Keras 3.15 does not on a machine that has processors only.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from benchmarks.contenders.contender import (
    Built,
    Results,
    explained,
    gradients_by_name,
)
from benchmarks.numbers import CHECKED_ROWS, Numbers
from benchmarks.rows import Group


def build(layer: Any, group: Group, numbers: Numbers, jit: bool | None = None) -> Built:
    """See `Contender.build`; `jit` None leaves it to Keras."""
    if jit is None:
        jit = bool(keras.Sequential([layer]).jit_compile)
    x = tf.constant(numbers.x)
    mask = None if numbers.mask is None else tf.constant(numbers.mask)
    weights = [variable.value for variable in layer.trainable_variables]
    kernels = []  # appended while tracing, where the choice is made

    @tf.function(jit_compile=jit, autograph=False)
    def forward(x: Any, mask: Any) -> Any:
        kernels.append(explained(layer, group))
        return layer(x, mask=mask, training=False)

    @tf.function(jit_compile=jit, autograph=False)
    def step(x: Any, mask: Any, cotangent: Any) -> Any:
        kernels.append(explained(layer, group))
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, mask=mask, training=True)
            loss = tf.reduce_sum(outputs * cotangent)
        return tape.gradient(loss, [x, *weights])

    def waiting(function: Any, *arguments: Any) -> Any:
        values = function(*arguments)
        tf.test.experimental.sync_devices()
        return values

    if group.mode == "training":
        cotangent = tf.constant(numbers.cotangent)
        check_cotangent = tf.constant(numbers.check_cotangent)

        def results() -> Results:
            d_x, *d_weights = step(x, mask, check_cotangent)
            named = gradients_by_name(layer, d_x, d_weights)
            named["x"] = named["x"][:CHECKED_ROWS]
            return {name: value.numpy() for name, value in named.items()}

        def run() -> Any:
            return waiting(step, x, mask, cotangent)
    else:

        def results() -> Results:
            if group.mode == "inference":
                return {"outputs": forward(x, mask)[:CHECKED_ROWS].numpy()}
            layer.reset_state()
            steps = [forward(x, mask) for _ in range(2)]
            return {"outputs": tf.concat(steps, axis=1).numpy()}

        def run() -> Any:
            return waiting(forward, x, mask)

    run()
    return Built(run, results, kernels[-1], f"jit_compile={jit}")
