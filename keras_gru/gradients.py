"""One time step backwards: the gradient of `equations.step`, in every convention.

The scans keep what a step computed forward and walk back over it with this. Only
the product with Uᵀ, which the next step back waits for, is taken here; the
gradients of W, U and the biases are sums over time and are taken after the loop,
each as one product.

With d the gradient of the state after the step, g and σ the activations, and ∂z,
∂r, ∂n the gradients before them (`∂c_n` before U_n h + c_n):

    keep:     ∂z = d ⊙ (h − n) ⊙ σ'    ∂n = d ⊙ (1 − z) ⊙ g'    ∂h = d ⊙ z
    replace:  ∂z = d ⊙ (n − h) ⊙ σ'    ∂n = d ⊙ z ⊙ g'          ∂h = d ⊙ (1 − z)
    after:    ∂r = ∂n ⊙ (U_n h + c_n) ⊙ σ'    ∂c_n = ∂n ⊙ r
    before:   s = ∂n U_nᵀ    ∂r = s ⊙ h ⊙ σ'    ∂h += s ⊙ r
    both:     ∂h += ∂z U_zᵀ + ∂r U_rᵀ (+ ∂c_n U_nᵀ, after)

With layer normalisation of the products, what meets Uᵀ goes through its gradient first.
"""

from __future__ import annotations

from typing import NamedTuple

import keras

from keras_gru import backends
from keras_gru.equations import Activation, Concatenate, GateValues, Tensor


def _where_positive(condition: Tensor, value: float) -> Tensor:
    """`value` where `condition` is positive, else 0; of its dtype."""
    zeros = keras.ops.zeros_like(condition)
    return backends.current().where(condition > 0, zeros + value, zeros)


DERIVATIVES: dict[Activation, Activation] = {
    keras.activations.tanh: lambda y: 1 - y * y,
    keras.activations.sigmoid: lambda y: y * (1 - y),
    keras.activations.relu: lambda y: _where_positive(y, 1.0),
    keras.activations.linear: lambda y: keras.ops.ones_like(y),
    # 1/6 strictly inside (0, 1), where y (1 − y) is positive.
    keras.activations.hard_sigmoid: lambda y: _where_positive(y * (1 - y), 1 / 6),
}
"""Activation -> its derivative, as a function of its value."""


class StepGradient(NamedTuple):
    """The gradients of one step, `(batch, units)` each.

    Attributes:
        h: of the state before the step.
        z, r, n: of what enters the activations.
        recurrent_n: of U_n h + c_n, with the reset after it; else None.
    """

    h: Tensor
    z: Tensor
    r: Tensor
    n: Tensor
    recurrent_n: Tensor | None


def step_gradient(
    d: Tensor,
    h: Tensor,
    values: GateValues,
    transposed_kernel: tuple[Tensor, ...],
    *,
    derivative: Activation,
    recurrent_derivative: Activation,
    update_gate: str,
    recurrent_dropout: tuple[Tensor, ...],
    concatenate: Concatenate,
    unnormalize: tuple[Activation, ...] = (),
) -> StepGradient:
    """The gradient of one step.

    Args:
        d: gradient of the state after the step, `(batch, units)`.
        h: the state before the step, `(batch, units)`.
        values: what `equations.gates` computed.
        transposed_kernel: the blocks of U (`equations.recurrent_blocks`), each
            transposed: `(k * units, units)`.
        derivative, recurrent_derivative: g' and σ' as functions of the values.
        update_gate: `"keep"` or `"replace"`.
        recurrent_dropout: none or one mask `(batch, units)` a gate.
        concatenate: the framework's own, along the last axis.
        unnormalize: for each product that the step takes at a time, the gradient of its
            normalised row -> that of the row; empty without layer normalisation.
    """
    z, r, n, recurrent_n = values
    if update_gate == "keep":
        d_z, d_n, d_h = d * (h - n), d * (1 - z), d * z
    else:
        d_z, d_n, d_h = d * (n - h), d * z, d * (1 - z)
    d_z = d_z * recurrent_derivative(z)
    d_n = d_n * derivative(n)

    d_recurrent_n = None
    if recurrent_n is not None:  # the reset acts after the product
        d_r = d_n * recurrent_n * recurrent_derivative(r)
        d_recurrent_n = d_n * r
        terms = [d_z, d_r, d_recurrent_n]
    else:
        d_product = unnormalize[1](d_n) if unnormalize else d_n
        d_reset = d_product @ transposed_kernel[-1]
        if recurrent_dropout:
            d_reset = d_reset * recurrent_dropout[-1]
        d_r = d_reset * h * recurrent_derivative(r)
        d_h = d_h + d_reset * r
        terms = [d_z, d_r]

    if unnormalize:
        row, units = unnormalize[0](concatenate(terms)), h.shape[-1]
        terms = [row[:, i : i + units] for i in range(0, row.shape[-1], units)]
    if recurrent_dropout:
        for term, block, mask in zip(
            terms, transposed_kernel, recurrent_dropout, strict=False
        ):
            d_h = d_h + (term @ block) * mask
    else:
        d_h = d_h + concatenate(terms) @ transposed_kernel[0]
    return StepGradient(d_h, d_z, d_r, d_n, d_recurrent_n)
