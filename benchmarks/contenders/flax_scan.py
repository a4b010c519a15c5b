"""flax's `GRUCell` under `nn.RNN`, which is `lax.scan`; keep-after.

It merges the two biases of z and of r, which is the same function. What it returns
at padded steps is not defined: it computes on.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from benchmarks.contenders.contender import Built, Results
from benchmarks.numbers import CHECKED_ROWS, Numbers
from benchmarks.rows import Group


class FlaxGRU:
    name = "flax"
    backend = "jax"
    padding = "undefined"
    is_ours = False

    def conventions(self, group: Group) -> tuple[str, ...]:
        after = any(name.endswith("after") for name in group.conventions)
        return ("keep_after",) if after else ()

    def absence(self, group: Group) -> str | None:
        return "not installed: flax" if find_spec("flax") is None else None

    def build(self, group: Group, convention: str, numbers: Numbers) -> Built:
        from flax import linen

        cell = linen.GRUCell(features=group.shape.units)
        layer = linen.RNN(cell)
        weights = _to_flax(numbers.kernel, numbers.recurrent_kernel, numbers.bias)
        x = jnp.asarray(numbers.x)
        lengths = jnp.asarray(numbers.lengths) if group.masked else None

        def forward(weights: Any, x: Any, lengths: Any) -> Any:
            variables = {"params": {"cell": weights}}
            return layer.apply(variables, x, seq_lengths=lengths)

        if group.mode == "generation":
            return _generation(cell, weights, x)
        if group.mode == "inference":
            call = jax.jit(forward)

            def run() -> Any:
                return jax.block_until_ready(call(weights, x, lengths))

            run()
            return Built(run, lambda: {"outputs": np.asarray(run()[:CHECKED_ROWS])})

        cotangent = jnp.asarray(numbers.cotangent)
        check_cotangent = jnp.asarray(numbers.check_cotangent)

        def loss(weights: Any, x: Any, lengths: Any, cotangent: Any) -> Any:
            return jnp.sum(forward(weights, x, lengths) * cotangent)

        step = jax.jit(jax.grad(loss, argnums=(0, 1)))

        def train() -> Any:
            return jax.block_until_ready(step(weights, x, lengths, cotangent))

        def results() -> Results:
            d_weights, d_x = step(weights, x, lengths, check_cotangent)
            return {"x": np.asarray(d_x[:CHECKED_ROWS]), **_from_flax(d_weights)}

        train()
        return Built(train, results)


def _generation(cell: Any, weights: Any, x: Any) -> Built:
    start = state = jnp.zeros((x.shape[0], cell.features), x.dtype)

    @jax.jit
    def forward(weights: Any, state: Any, x: Any) -> Any:
        return cell.apply({"params": weights}, state, x[:, 0])

    def run() -> Any:
        nonlocal state
        state, outputs = jax.block_until_ready(forward(weights, state, x))
        return outputs

    def results() -> Results:
        nonlocal state
        state = start
        return {"outputs": np.stack([run(), run()], axis=1)}

    run()
    return Built(run, results)


def from_keras(
    units: int, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> tuple[Any, dict[str, Any]]:
    """The function of (weights, x), and the weights, in keep-after."""
    from flax import linen

    layer = linen.RNN(linen.GRUCell(features=units))

    def forward(weights: Any, x: Any) -> Any:
        return layer.apply({"params": {"cell": weights}}, x)

    return forward, _to_flax(kernel, recurrent_kernel, bias)


def _to_flax(
    kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> dict[str, Any]:
    kernels = np.split(kernel, 3, axis=-1)
    recurrent_kernels = np.split(recurrent_kernel, 3, axis=-1)
    (b_z, b_r, b_n), (c_z, c_r, c_n) = (np.split(row, 3) for row in bias)
    biases = {"iz": b_z + c_z, "ir": b_r + c_r, "in": b_n, "hn": c_n}
    weights = dict(zip(("iz", "ir", "in"), kernels, strict=True))
    weights |= dict(zip(("hz", "hr", "hn"), recurrent_kernels, strict=True))
    return {
        name: {"kernel": jnp.asarray(kernel)}
        | ({"bias": jnp.asarray(biases[name])} if name in biases else {})
        for name, kernel in weights.items()
    }


def _from_flax(gradients: Any) -> Results:
    def joined(field: str, *names: str) -> np.ndarray:
        return np.concatenate([gradients[name][field] for name in names], axis=-1)

    return {
        "kernel": joined("kernel", "iz", "ir", "in"),
        "recurrent_kernel": joined("kernel", "hz", "hr", "hn"),
        # A merged bias has the gradient of both of its terms.
        "bias": np.stack(
            [joined("bias", "iz", "ir", "in"), joined("bias", "iz", "ir", "hn")]
        ),
    }
