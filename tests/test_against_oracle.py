"""Outputs, final state and every gradient of every case against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases import CASES, CONVENTIONS, COVERING, Case, judge, numbers
from tests.contract import HERE
from tests.passes import (
    build_layer,
    check,
    float64_allowed,
    kernel_refuses,
    run_layer,
)
from tests.tolerances import assert_close


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float64(case):
    check(case, "float64")


@pytest.mark.parametrize("case", COVERING["float64"], ids=str)
@pytest.mark.parametrize("kernel", HERE)
def test_float64_of_each_kernel(kernel, case):
    """With each kernel by name; one that refuses a case must say why."""
    _check_or_refused(kernel, case, "float64")


@pytest.mark.parametrize("case", COVERING["float32"], ids=str)
@pytest.mark.parametrize("kernel", HERE)
def test_float32(kernel, case):
    _check_or_refused(kernel, case, "float32", seed=1)


def _check_or_refused(kernel, case, dtype, **options):
    if kernel_refuses(kernel, case, dtype):
        with pytest.raises(ValueError, match=f"kernel={kernel!r} cannot run"):
            check(case, dtype, kernel=kernel, **options)
    else:
        check(case, dtype, kernel=kernel, **options)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_numbers_at_masked_steps_do_not_matter(convention):
    """Padding may hold anything, NaN included: values and gradients stay clean."""
    case = Case(convention, "holes")
    given = numbers(case)
    clean = given.x.copy()
    given.x[~given.mask] = np.nan
    with float64_allowed():
        ran = run_layer(build_layer(case, given.weights, "float64"), given)
    given.x = np.where(given.mask[..., None], clean, 0.0)
    outputs, state, gradients = judge(case, given)
    assert_close(ran.outputs, outputs, "float64")
    assert_close(ran.final_state, state, "float64")
    for name, gradient in gradients.items():
        assert_close(ran.gradients[name], gradient, "float64", name)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_large_numbers_do_not_overflow(convention):
    """Saturated gates: finite outputs, finite gradients, in float32."""
    case = Case(convention, "right")
    given = numbers(case)
    given.x *= 1e4
    ran = run_layer(build_layer(case, given.weights), given)
    outputs, state, _ = judge(case, given)
    assert_close(ran.outputs, outputs, "float32")
    assert_close(ran.final_state, state, "float32")
    assert all(np.isfinite(g).all() for g in ran.gradients.values())
