"""JAX on a GPU: our layer, Keras' and flax, under `jax.jit`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gpu.rows import (
    CHECKED,
    Built,
    Row,
    deviation,
    keras_layer,
    numbers,
    rows,
    wrong,
)


def measure_jax(done: set[Row], write: Callable[..., None]) -> None:
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    for row in rows("jax"):
        if row in done:
            continue
        built = build_in_jax(row)
        found = deviation(row, built)
        if wrong(row, found):
            write(row, built.kernel, f"{found:.1e}", "wrong", "")
            continue
        times = []
        for _ in range(12):
            begin = time.perf_counter()
            jax.block_until_ready(built.run())
            times.append(time.perf_counter() - begin)
        milliseconds = 1e3 * statistics.median(times[2:])
        write(row, built.kernel, f"{found:.1e}", f"{milliseconds:.4f}", "")


def build_in_jax(row: Row) -> Built:
    import jax
    from jax import numpy as jnp

    given = numbers(row.shape, row.convention, row.masked)
    x = jnp.asarray(given.x)
    mask = None if given.mask is None else jnp.asarray(given.mask)
    kernel = ""
    weights: Any
    if row.contender == "flax":
        from benchmarks.contenders.flax_scan import from_keras

        forward, weights = from_keras(row.shape[3], *given.weights)
    else:
        layer, kernel = keras_layer(row, given)
        weights = [v.value for v in layer.trainable_variables]
        others = [v.value for v in layer.non_trainable_variables]

        def forward(weights: Any, x: Any) -> Any:
            return layer.stateless_call(weights, others, x, mask=mask)[0]

    call = jax.jit(forward)

    def outputs() -> np.ndarray:
        return np.asarray(call(weights, x)[:CHECKED])

    if row.mode == "inference":
        return Built(lambda: call(weights, x), outputs, kernel)
    cotangent = jnp.ones((*row.shape[:2], row.shape[3]))
    step = jax.jit(
        jax.grad(lambda w, x: jnp.sum(forward(w, x) * cotangent), argnums=(0, 1))
    )
    return Built(lambda: step(weights, x), outputs, kernel)
