"""One time step of the gated recurrent unit, in every convention.

This file is the formula. The cell and every loop over time call `step`; only a
closed kernel (C++, cuDNN) states it again, and the tests tie such a kernel to
the same oracle. Nothing here knows a framework: the tensors bring `@`, `*`, `+`
and slicing with them, and the activations are passed in.

Symbols, one time step (rows = batch):

| symbol | shape | meaning |
|---|---|---|
| x | (batch, features) | input |
| h | (batch, units) | state before the step |
| W = W_z, W_r, W_n | (features, units) each | kernel |
| U = U_z, U_r, U_n | (units, units) each | recurrent kernel |
| b = b_z, b_r, b_n | (units,) each | input bias |
| c = c_z, c_r, c_n | (units,) each | recurrent bias, `reset_after` only |
| z, r, n | (batch, units) | update gate, reset gate, candidate |

A weight of all gates holds the blocks in the order z, r, n along its last axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of whichever framework calls."""

Gates: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""The z, r and n block of something, in this order."""

Activation: TypeAlias = Callable[[Tensor], Tensor]


def split_gates(blocks: Tensor) -> Gates:
    """Cuts `(..., 3 * units)` into its z, r and n blocks, `(..., units)` each."""
    units = blocks.shape[-1] // 3
    return (
        blocks[..., :units],
        blocks[..., units : 2 * units],
        blocks[..., 2 * units :],
    )


def project(
    x: Tensor, kernel: Tensor, bias: Tensor | None, dropout: tuple[Tensor, ...] = ()
) -> Gates:
    """The input's share of each gate, `x W + b`; needs no state.

    Args:
        x: `(rows, features)`.
        kernel: W, `(features, 3 * units)`.
        bias: b, `(3 * units,)`, or None.
        dropout: no mask, one mask for all gates, or one a gate in the order z,
            r, n; each multiplies x and has its shape.

    Returns:
        `x W_z + b_z`, `x W_r + b_r`, `x W_n + b_n`, `(rows, units)` each.
    """
    if len(dropout) <= 1:
        for mask in dropout:
            x = x * mask
        products = split_gates(x @ kernel)
    else:
        z, r, n = (
            (x * mask) @ block
            for mask, block in zip(dropout, split_gates(kernel), strict=True)
        )
        products = (z, r, n)
    if bias is None:
        return products
    b_z, b_r, b_n = split_gates(bias)
    return products[0] + b_z, products[1] + b_r, products[2] + b_n


def update(z: Tensor, h: Tensor, n: Tensor, update_gate: str) -> Tensor:
    """The new state: the mix of the old state and the candidate.

    `"keep"`: z ⊙ h + (1 − z) ⊙ n. `"replace"`: (1 − z) ⊙ h + z ⊙ n.
    """
    if update_gate == "keep":
        return z * h + (1 - z) * n
    return (1 - z) * h + z * n


def step(
    x: Gates,
    h: Tensor,
    recurrent_kernel: Gates,
    recurrent_bias: Gates | None,
    *,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    update_gate: str,
    recurrent_dropout: tuple[Tensor, ...] = (),
) -> Tensor:
    """One step: the state after it, `(batch, units)`.

    With σ the recurrent activation and g the activation:

        z = σ(W_z x + b_z + U_z h + c_z)
        r = σ(W_r x + b_r + U_r h + c_r)
        n = g(W_n x + b_n + r ⊙ (U_n h + c_n))      reset_after=True
        n = g(W_n x + b_n + U_n (r ⊙ h))            reset_after=False
        h' = z ⊙ h + (1 − z) ⊙ n                    update_gate="keep"
        h' = (1 − z) ⊙ h + z ⊙ n                    update_gate="replace"

    Args:
        x: what `project` returned, `(batch, units)` a gate.
        h: `(batch, units)`.
        recurrent_kernel: U_z, U_r, U_n, `(units, units)` each.
        recurrent_bias: c_z, c_r, c_n, `(units,)` each, or None.
        activation: g.
        recurrent_activation: σ.
        reset_after: where the reset gate acts.
        update_gate: `"keep"` or `"replace"`.
        recurrent_dropout: none, or one mask `(batch, units)` a gate, which
            multiplies h where it enters that gate's recurrent product; the mix
            of old state and candidate always uses the whole h.

    Source: Cho et al. 2014, arXiv 1406.1078: v1 and v2 print the reset after the
    recurrent product, v3 before it; Chung et al. 2014, arXiv 1412.3555, prints
    `"replace"`, before.
    """
    h_z, h_r, h_n = [h * mask for mask in recurrent_dropout] or [h, h, h]
    x_z, x_r, x_n = x
    u_z, u_r, u_n = recurrent_kernel
    c_z, c_r, c_n = recurrent_bias or (0, 0, 0)

    z = recurrent_activation(x_z + h_z @ u_z + c_z)
    r = recurrent_activation(x_r + h_r @ u_r + c_r)
    if reset_after:
        n = activation(x_n + r * (h_n @ u_n + c_n))
    else:
        n = activation(x_n + (r * h_n) @ u_n)
    return update(z, h, n, update_gate)
