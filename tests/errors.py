"""How exact each kernel is: `KERAS_BACKEND=jax python -m tests.errors`.

The largest error, as `tolerances.error` has it, of outputs, final state and every
gradient against the float64 oracle, over the four conventions, with and without a
mask, at a size of practice. A statement of facts: the tests have tolerances.
"""

from __future__ import annotations

import sys

from tests.cases import KERNELS, Case, judge, numbers
from tests.passes import BACKEND, build_layer, float64_allowed, run_layer
from tests.tolerances import error

SHAPE = (8, 100, 24, 48)
"""(batch, time, features, units)."""
DTYPES = ("float32", "float64")


def largest_error(kernel: str, convention: str, mask: str, dtype: str) -> float:
    """Of one pass of one kernel; infinite where it is not a number."""
    case = Case(convention, mask, shape=SHAPE)
    given = numbers(case)
    # Weights as large as an initializer's: the state then neither dies nor rings.
    for weight in given.weights:
        weight *= 0.3
    with float64_allowed(dtype):
        layer = build_layer(case, given.weights, dtype, kernel)
        ran = run_layer(layer, given)
    outputs, state, gradients = judge(case, given)
    pairs = [(ran.outputs, outputs), (ran.final_state, state)]
    pairs += [(ran.gradients[name], gradient) for name, gradient in gradients.items()]
    return max(error(actual, expected) for actual, expected in pairs)


def main() -> int:
    print(f"| kernel ({BACKEND}, {SHAPE}) | {' | '.join(DTYPES)} |\n|---|---|---|")
    for kernel, runs in KERNELS.items():
        if BACKEND not in runs.backends or runs.gpu:
            continue
        cells = [
            max(
                largest_error(kernel, convention, mask, dtype)
                for convention in runs.conventions
                for mask in ("none", "holes")
            )
            for dtype in DTYPES
        ]
        print(f"| `{kernel}` | {' | '.join(f'{cell:.1e}' for cell in cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
