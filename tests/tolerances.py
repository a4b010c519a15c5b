"""How far two results may lie apart: one table, a reason for each row.

The error of an array is `max |actual - expected| / max |expected|`: relative to the
largest number in it, since the rounding of a sum follows its largest terms. Where all
of `expected` is 0 the absolute error is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tolerance:
    """The largest relative error allowed, and why that much."""

    error: float
    reason: str


TOLERANCES = {
    "exact": Tolerance(0.0, "The same numbers in the same order, only moved about."),
    "finite_differences": Tolerance(
        1e-6,
        "Central differences with step 1e-5 in float64: the truncation h^2 ~ 1e-10 "
        "times third derivatives, the rounding 1e-16 / h ~ 1e-11 times sums of tens.",
    ),
    "float64": Tolerance(
        1e-9,
        "float64 has 2e-16; some 10 steps of sums of some 10 terms, forward and back, "
        "stay under 1e-12. float32 anywhere on the way shows as 1e-7.",
    ),
    "float32": Tolerance(
        1e-4,
        "float32 has 1.2e-7; some 10 steps, their gradients summed over batch and "
        "time, lose two digits, gradients that nearly cancel a third.",
    ),
    "same_float32": Tolerance(
        1e-6,
        "Two float32 passes of the same formula that differ in the order of sums.",
    ),
    "converted": Tolerance(
        1e-6,
        "Seven steps of another library in float32 on converted weights, beside "
        "float64: its own rounding of short sums, and that of two biases added up.",
    ),
    "same_float32_gradients": Tolerance(
        2e-5,
        "As above, with the gradients' sums over batch and time on top.",
    ),
    "spectral_norm": Tolerance(
        1e-2,
        "Lanczos' method in float32 from the vectors of the step before: what the "
        "docstring of `gradient_flow` promises.",
    ),
    "without_epsilon": Tolerance(
        1e-3,
        "The ε of layer normalisation, 1e-5, beside variances that grow from about 1: "
        "the products differ by half of it, and seven steps hand that on.",
    ),
    "onnx": Tolerance(
        1e-5,
        "float32 here and in onnxruntime, whose tanh, sigmoid and exp are its own "
        "approximations; several layers, gates that divide small numbers.",
    ),
    "bfloat16": Tolerance(
        6e-2,
        "bfloat16 has 8 bits (eps 8e-3); a few steps' rounding of gates and state.",
    ),
    "float16": Tolerance(
        1e-2,
        "float16 has 11 bits (eps 1e-3); a few steps' rounding of gates and state.",
    ),
    "native_bfloat16": Tolerance(
        4e-2,
        "The C++ kernel on exact inputs: what it saves, returns and, on some "
        "processors, multiplies is rounded to 2^-9; 3e-3 in the states, up to 3e-2 in "
        "gradients of few terms that nearly cancel.",
    ),
    "native_float16": Tolerance(
        6e-3,
        "As above with 2^-12: 4e-4 in the states, up to 4e-3 in gradients.",
    ),
    "dropout_mean": Tolerance(
        0.1,
        "A share counted over some 10,000 draws: standard error below 0.01.",
    ),
}


def error(actual, expected) -> float:
    """Returns the largest error relative to the largest expected number."""
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    if actual.shape != expected.shape:
        raise AssertionError(f"shape {actual.shape}, expected {expected.shape}")
    if expected.size == 0:
        return 0.0
    scale = np.max(np.abs(expected))
    largest = np.max(np.abs(actual - expected))
    return float(largest / scale) if scale > 0 else float(largest)


def assert_close(actual, expected, row, what="") -> None:
    """Fails, naming `what`, unless the error is within the row's tolerance."""
    allowed = TOLERANCES[row].error
    found = error(actual, expected)
    if not found <= allowed:
        raise AssertionError(
            f"{what or 'the result'} differs: relative error {found:.3g}, allowed "
            f"{allowed:.3g} ({row}: {TOLERANCES[row].reason})"
        )
