"""The weights of one GRU as arrays, and the rules by which their form may change.

1. Gates may stand in any order, and matrices may be transposed.
2. The two update gates are the same function where the z blocks of W, U and the
   biases are negated, if σ(−a) = 1 − σ(a).
3. Reset after and before are the same function only where U_n is diagonal.
4. The two biases of z and of r add up to one; those of n do in the before form only.
5. A term that the other form lacks must be zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
import numpy as np

from keras_gru.convert.errors import ConversionError
from keras_gru.equations import Activation, split_gates

SYMMETRIC = ("sigmoid", "hard_sigmoid", "sparse_sigmoid")
"""The activations with σ(−a) = 1 − σ(a)."""


@dataclass(frozen=True)
class Terms:
    """One GRU in one direction; all arrays float64, their gates in the order z, r, n.

    With the reset before the product there is one bias, and `c` is zero.
    """

    w: np.ndarray  # (features, 3 * units)
    u: np.ndarray  # (units, 3 * units)
    b: np.ndarray  # (3 * units,)
    c: np.ndarray  # (3 * units,)
    reset_after: bool
    update_gate: str
    biased: bool = True  # False where no bias was written: b and c are zero


@dataclass(frozen=True)
class Form:
    """What a system, or a layer, can hold.

    Attributes:
        resets: the values of `reset_after` that it has.
        biases: `"two"`: b and c; `"candidate"`: b and c_n; `"one"`: b; `"none"`.
        update_gate: `"keep"` or `"replace"`.
    """

    resets: tuple[bool, ...]
    biases: str
    update_gate: str = "keep"


def fit(terms: Terms, form: Form, activation: Activation, target: str) -> Terms:
    """The same function in another form.

    Args:
        terms: the weights.
        form: what they are to become.
        activation: σ, the recurrent activation.
        target: whom the form belongs to, for the message.

    Raises:
        ConversionError: it would not be the same function.
    """
    if terms.update_gate != form.update_gate:
        if reason := why_not_negated(activation):
            raise ConversionError(target, reason, f"recurrent_activation={activation}")
        terms = negated(terms)
    if terms.reset_after not in form.resets:
        terms = _other_reset(terms, target)
    return _fit_biases(terms, form.biases, target)


def why_not_negated(activation: Activation) -> str | None:
    """None where negating z turns one update gate into the other; else the reason."""
    if any(activation is getattr(keras.activations, name) for name in SYMMETRIC):
        return None
    return (
        "update_gate keep and replace are the same function, with the weights of z "
        "negated, only where σ(−a) = 1 − σ(a): that is so of " + ", ".join(SYMMETRIC)
    )


def negated(terms: Terms) -> Terms:
    """The same function with the other update gate."""

    def flip(a: np.ndarray) -> np.ndarray:
        units = a.shape[-1] // 3
        return np.concatenate([-a[..., :units], a[..., units:]], axis=-1)

    return replace(
        terms,
        w=flip(terms.w),
        u=flip(terms.u),
        b=flip(terms.b),
        c=flip(terms.c),
        update_gate="replace" if terms.update_gate == "keep" else "keep",
    )


def _other_reset(terms: Terms, target: str) -> Terms:
    _, _, u_n = split_gates(terms.u)
    largest = np.abs(u_n - np.diag(np.diag(u_n))).max()
    if largest > 0:
        raise ConversionError(
            target,
            "with the reset gate after the recurrent product it computes r ⊙ (U_n h), "
            "before it U_n (r ⊙ h): the same only where U_n is diagonal",
            "the candidate's recurrent kernel U_n off its diagonal",
            largest,
            f"The weights are of reset_after={terms.reset_after}.",
        )
    return replace(terms, reset_after=not terms.reset_after)


def _fit_biases(terms: Terms, biases: str, target: str) -> Terms:
    if biases == "two" and (terms.reset_after or not terms.c.any()):
        return terms
    b_z, b_r, b_n = split_gates(terms.b)
    c_z, c_r, c_n = split_gates(terms.c)
    b = np.concatenate([b_z + c_z, b_r + c_r, b_n])
    if biases != "candidate" or not terms.reset_after:
        _must_be_zero(c_n, "the candidate's recurrent bias c_n", target)
    if biases == "none":
        _must_be_zero(b, "the bias", target)
    c = np.concatenate([np.zeros_like(c_z), np.zeros_like(c_r), c_n])
    return replace(terms, b=b, c=c)


def _must_be_zero(block: np.ndarray, term: str, target: str) -> None:
    largest = np.abs(block).max()
    if largest > 0:
        raise ConversionError(
            target, "a term that has no place there must be zero", term, largest
        )
