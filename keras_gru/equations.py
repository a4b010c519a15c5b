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
from typing import Any, NamedTuple, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of whichever framework calls."""

Gates: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""The z, r and n block of something, in this order."""

Activation: TypeAlias = Callable[[Tensor], Tensor]

Concatenate: TypeAlias = Callable[[list[Tensor]], Tensor]

Normalize: TypeAlias = Callable[[list[Tensor]], Tensor]
"""Products -> them side by side, each row normalised; `normalization.normalizers`."""


def split_gates(blocks: Tensor) -> Gates:
    """Cuts `(..., 3 * units)` into its z, r and n blocks, `(..., units)` each.

    What is cut already stays as it is.
    """
    if isinstance(blocks, tuple):
        return blocks
    units = blocks.shape[-1] // 3
    return (
        blocks[..., :units],
        blocks[..., units : 2 * units],
        blocks[..., 2 * units :],
    )


def project(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    dropout: tuple[Tensor, ...],
    concatenate: Concatenate,
    normalize: Normalize | None = None,
) -> Tensor:
    """The input's share of each gate, `x W + b`; needs no state.

    Args:
        x: `(..., features)`.
        kernel: W, `(features, 3 * units)`.
        bias: b, `(3 * units,)`, or None.
        dropout: no mask, one mask for all gates, or one a gate in the order z,
            r, n; each multiplies x.
        concatenate: the framework's own, along the last axis.
        normalize: the layer normalisation of `x W`, or None.

    Returns:
        `x W_z + b_z`, `x W_r + b_r`, `x W_n + b_n` side by side,
        `(..., 3 * units)`.
    """
    if len(dropout) == 3:
        blocks = zip(dropout, split_gates(kernel), strict=True)
        gates = concatenate([(x * mask) @ block for mask, block in blocks])
    else:
        for mask in dropout:
            x = x * mask
        gates = x @ kernel
    if normalize is not None:
        gates = normalize([gates])
    return gates if bias is None else gates + bias


def recurrent_blocks(
    weight: Tensor | None, *, reset_after: bool, per_gate: bool
) -> tuple[Tensor, ...]:
    """Cuts U or c, `(..., 3 * units)`, into the blocks that a step uses at a time.

    One product serves all gates where it can: one block z|r|n with
    `reset_after`, else two, z|r and n, for the product of the candidate waits for
    the reset gate. Three blocks where each gate sees another state (`per_gate`,
    for recurrent dropout). A bias that is not there is none of them.
    """
    if weight is None:
        return ()
    if per_gate:
        return split_gates(weight)
    if reset_after:
        return (weight,)
    units = weight.shape[-1] // 3
    return weight[..., : 2 * units], weight[..., 2 * units :]


class GateValues(NamedTuple):
    """What one step computes on its way to the new state, `(batch, units)` each."""

    z: Tensor
    r: Tensor
    n: Tensor
    # U_n h + c_n, the product normalised if products are; None with the reset before it
    recurrent_n: Tensor | None


def gates(
    x: Tensor,
    h: Tensor,
    recurrent_kernel: tuple[Tensor, ...],
    recurrent_bias: tuple[Tensor, ...],
    *,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    recurrent_dropout: tuple[Tensor, ...] = (),
    normalize: tuple[Normalize, ...] = (),
) -> GateValues:
    """The gates and the candidate of one step; the arguments are those of `step`."""
    x_z, x_r, x_n = split_gates(x)
    states = [h * mask for mask in recurrent_dropout] or [h] * len(recurrent_kernel)
    # U_z h + c_z, U_r h + c_r and, with reset_after, U_n h + c_n.
    blocks = recurrent_kernel[: None if reset_after else -1]
    products = [state @ u for state, u in zip(states, blocks, strict=False)]
    if normalize:
        products = [normalize[0](products)]
    units = h.shape[-1]
    terms: list[Tensor] = []
    for index, product in enumerate(products):
        if recurrent_bias:
            product = product + recurrent_bias[index]
        terms += (product[:, i : i + units] for i in range(0, product.shape[-1], units))

    z = recurrent_activation(x_z + terms[0])
    r = recurrent_activation(x_r + terms[1])
    if reset_after:
        n = activation(x_n + r * terms[2])
        return GateValues(z, r, n, terms[2])
    product = (r * states[-1]) @ recurrent_kernel[-1]
    if normalize:
        product = normalize[1]([product])
    return GateValues(z, r, activation(x_n + product), None)


def update(z: Tensor, h: Tensor, n: Tensor, update_gate: str) -> Tensor:
    """The new state: the mix of the old state and the candidate.

    `"keep"`: z ⊙ h + (1 − z) ⊙ n. `"replace"`: (1 − z) ⊙ h + z ⊙ n.
    """
    if update_gate == "keep":
        return z * h + (1 - z) * n
    return (1 - z) * h + z * n


def zone_out(new: Tensor, h: Tensor, kept: Tensor | float) -> Tensor:
    """Zoneout: d ⊙ h + (1 − d) ⊙ h'.

    Args:
        new: h', the state after the step, `(batch, units)`.
        h: the state before it, `(batch, units)`.
        kept: d. In training `(batch, units)`, 1 where the unit keeps its old state,
            else 0; otherwise the rate, which is the expectation of that.
    """
    return kept * h + (1 - kept) * new


def step(
    x: Tensor,
    h: Tensor,
    recurrent_kernel: tuple[Tensor, ...],
    recurrent_bias: tuple[Tensor, ...],
    *,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    update_gate: str,
    recurrent_dropout: tuple[Tensor, ...] = (),
    normalize: tuple[Normalize, ...] = (),
    kept: Tensor | float | None = None,
) -> Tensor:
    """One step: the state after it, `(batch, units)`.

    With σ the recurrent activation and g the activation:

        z = σ(W_z x + b_z + U_z h + c_z)
        r = σ(W_r x + b_r + U_r h + c_r)
        n = g(W_n x + b_n + r ⊙ (U_n h + c_n))      reset_after=True
        n = g(W_n x + b_n + U_n (r ⊙ h))            reset_after=False
        h' = z ⊙ h + (1 − z) ⊙ n                    update_gate="keep"
        h' = (1 − z) ⊙ h + z ⊙ n                    update_gate="replace"

    With layer normalisation each product, W x, U h and U_n (r ⊙ h), is normalised
    before its bias is added; with zoneout the result is `zone_out` of h'.

    Args:
        x: what `project` returned, `(batch, 3 * units)`.
        h: `(batch, units)`.
        recurrent_kernel: U, cut by `recurrent_blocks`.
        recurrent_bias: c, cut likewise; empty without.
        activation: g.
        recurrent_activation: σ.
        reset_after: where the reset gate acts.
        update_gate: `"keep"` or `"replace"`.
        recurrent_dropout: none, or one mask `(batch, units)` a gate, which
            multiplies h where it enters that gate's recurrent product; the mix
            of old state and candidate always uses the whole h.
        normalize: the layer normalisations of the recurrent products, one for each that
            is taken at a time (z|r|n with `reset_after`, else z|r and n); empty
            without. c is then cut as if there were no recurrent dropout.
        kept: of `zone_out`; None without zoneout.

    Source: Cho et al. 2014, arXiv 1406.1078: v1 and v2 print the reset after the
    recurrent product, v3 before it; Chung et al. 2014, arXiv 1412.3555, prints
    `"replace"`, before. Zoneout: Krueger et al. 2016, arXiv 1606.01305. Layer
    normalisation: `keras_gru.normalization`.
    """
    z, _, n, _ = gates(
        x,
        h,
        recurrent_kernel,
        recurrent_bias,
        activation=activation,
        recurrent_activation=recurrent_activation,
        reset_after=reset_after,
        recurrent_dropout=recurrent_dropout,
        normalize=normalize,
    )
    new = update(z, h, n, update_gate)
    return new if kept is None else zone_out(new, h, kept)
