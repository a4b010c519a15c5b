"""Layer normalisation of the gates' products, and its gradient.

Each product of an input or a state with a weight is one row p of all the gates that it
serves, and each row is brought to mean 0 and variance 1, then scaled by its gain γ:

    LN(p) = γ ⊙ (p − mean(p)) / √(var(p) + ε)

There are W x for z, r and n; with the reset after the product U h for z, r and n; with
the reset before it U h for z and r, and U_n (r ⊙ h). The biases are added afterwards.

Sources: Ba, Kiros, Hinton 2016, arXiv 1607.06450, which normalises the products for z
and r and those for n apart; haste, `LayerNormGRU` of github.com/lmnt-com/haste, which
makes one row of the three, as here, and has the reset after the product only. ε is
haste's.
"""

from __future__ import annotations

import functools

import keras
from keras import ops

from keras_gru import backends, equations
from keras_gru.equations import Normalize, Tensor

EPSILON = 1e-5


def normalizers(gain: Tensor | None, *, reset_after: bool) -> tuple[Normalize, ...]:
    """The normalisations of the recurrent products, as `equations.step` takes them.

    Args:
        gain: γ of the recurrent products, `(3 * units,)`; None without normalisation.
        reset_after: where the reset gate acts.
    """
    blocks = equations.recurrent_blocks(gain, reset_after=reset_after, per_gate=False)
    return tuple(functools.partial(normalized, gain=block) for block in blocks)


def normalized(products: list[Tensor], gain: Tensor) -> Tensor:
    """LN of the row that the products make side by side, `(..., k)`; γ is `(k,)`."""
    row = products[0]
    if len(products) > 1:
        row = backends.current().concatenate(products)
    y, _ = _standardized(row)
    return ops.cast(y, row.dtype) * gain


def gradient(d: Tensor, product: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of p, `(..., k)`, and of γ, not yet summed over the rows.

    With y = (p − mean(p)) / s, s² = var(p) + ε, and e = γ ⊙ d:

        ∂p = (e − mean(e) − y ⊙ mean(e ⊙ y)) / s        ∂γ = d ⊙ y

    Args:
        d: the gradient of LN(p), `(..., k)`.
        product: p.
        gain: γ, `(k,)`.
    """
    y, scale = _standardized(product)
    d = ops.cast(d, y.dtype)
    e = d * ops.cast(gain, y.dtype)
    d_product = (e - _mean(e) - y * _mean(e * y)) * scale
    return ops.cast(d_product, product.dtype), ops.cast(d * y, product.dtype)


def _standardized(row: Tensor) -> tuple[Tensor, Tensor]:
    """The row with mean 0 and variance 1, and 1 / s; half precision in float32."""
    if keras.backend.standardize_dtype(row.dtype) != "float64":
        row = ops.cast(row, "float32")
    centered = row - _mean(row)
    scale = ops.rsqrt(_mean(centered * centered) + EPSILON)
    return centered * scale, scale


def _mean(row: Tensor) -> Tensor:
    """Of each row, `(..., 1)`; that of keras.ops turns float64 into float32."""
    return ops.sum(row, axis=-1, keepdims=True) / row.shape[-1]
