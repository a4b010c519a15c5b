"""How exact each kernel is: `KERAS_BACKEND=jax python -m tests.errors`.

The largest error, as `tolerances.error` has it, of outputs, final state and every
gradient against the float64 oracle, over the four conventions, with and without a
mask, at a size of practice. A statement of facts: the tests have tolerances.
"""

from __future__ import annotations

import sys

from tests.cases import KERNELS, Case, conventions_of, judge, numbers
from tests.passes import (
    BACKEND,
    build_layer,
    float64_allowed,
    kernel_refuses,
    run_layer,
)
from tests.tolerances import error

SHAPE = (8, 100, 24, 48)
"""(batch, time, features, units)."""
DTYPES = ("float32", "float64", "bfloat16", "float16")


def largest_error(kernel: str, dtype: str) -> float | None:
    """Over the kernel's conventions and masks; None where it does not run."""
    errors = []
    for convention in conventions_of(kernel):
        for mask in ("none", "holes"):
            case = Case(convention, mask, shape=SHAPE)
            if kernel_refuses(kernel, case, dtype):
                return None
            errors += errors_of(case, kernel, dtype)
    return max(errors)


def errors_of(case: Case, kernel: str, dtype: str) -> list[float]:
    """Of one pass: outputs, final state, every gradient."""
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
    return [error(actual, expected) for actual, expected in pairs]


def main() -> int:
    print(f"| kernel ({BACKEND}, {SHAPE}) | {' | '.join(DTYPES)} |")
    print("|---" * (1 + len(DTYPES)) + "|")
    for kernel, runs in KERNELS.items():
        if BACKEND not in runs.backends:
            continue
        found = [largest_error(kernel, dtype) for dtype in DTYPES]
        cells = ["does not run" if cell is None else f"{cell:.1e}" for cell in found]
        print(f"| `{kernel}` | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
