"""Right first: what a contender computes against the float64 oracle."""

from __future__ import annotations

import numpy as np

from benchmarks.contenders.contender import Results
from benchmarks.numbers import CHECKED_ROWS, Numbers
from tests.tolerances import error

ALLOWED = 1e-4
"""Relative to the largest number of the array, as `tests.tolerances.error` has it.

float32 has 1.2e-7. The state feeds back over up to 1,000 steps of sums of up to 1,024
terms, and gradients are sums over rows and time: 1e-6 is what is found. A convention,
a gate or a bias mixed up shows as 1e-2 and more.
"""


class WrongResult(RuntimeError):
    """A contender does not compute what the oracle does."""


def compare(numbers: Numbers, convention: str, results: Results, padding: str) -> float:
    """The largest relative error of a contender's results.

    Args:
        numbers: of the group, with what is expected.
        convention: in which the contender ran.
        results: `outputs` of the checked rows, or gradients by name.
        padding: what the contender returns at padded steps: `"repeat"` (the
            output before, as Keras), `"zero"`, or `"undefined"`.

    Raises:
        WrongResult: an error is larger than `ALLOWED`, or nothing was to compare.
    """
    largest = 0.0
    if not results:
        raise WrongResult("no results to compare")
    for name, actual in results.items():
        expected = numbers.expected[f"{convention}/{name}"]
        if name == "outputs" and numbers.mask is not None and padding != "repeat":
            used = numbers.mask[:CHECKED_ROWS, :, None]
            expected = np.where(used, expected, 0.0)
            if padding == "undefined":
                actual = np.where(used, actual, 0.0)
        found = error(actual, expected)
        if not found <= ALLOWED:  # NaN is wrong too
            what = name if name == "outputs" else f"the gradient of {name}"
            raise WrongResult(
                f"relative error {found:.2g} of {what} against the "
                f"float64 oracle, allowed {ALLOWED:.0e}"
            )
        largest = max(largest, found)
    return largest
