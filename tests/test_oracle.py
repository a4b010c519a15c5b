"""The oracle itself: by hand on one number, and its gradients by differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests import oracle
from tests.cases import CASES, CONVENTIONS, MASKS, Case, judge, numbers
from tests.tolerances import assert_close

pytestmark = pytest.mark.once


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_one_step_of_one_unit_by_hand(convention):
    """One number at a time, with the formula as the papers print it."""
    options = CONVENTIONS[convention]
    x, h = 0.7, -0.4
    w_z, w_r, w_n = 0.3, -0.5, 0.9
    u_z, u_r, u_n = -0.6, 0.8, 0.2
    b_z, b_r, b_n = 0.1, -0.2, 0.3
    c_z, c_r, c_n = (0.05, 0.15, -0.25) if options["reset_after"] else (0, 0, 0)
    z = 1 / (1 + math.exp(-(w_z * x + b_z + u_z * h + c_z)))
    r = 1 / (1 + math.exp(-(w_r * x + b_r + u_r * h + c_r)))
    if options["reset_after"]:
        n = math.tanh(w_n * x + b_n + r * (u_n * h + c_n))
    else:
        n = math.tanh(w_n * x + b_n + u_n * (r * h))
    keep = options["update_gate"] == "keep"
    expected = z * h + (1 - z) * n if keep else (1 - z) * h + z * n

    bias = [b_z, b_r, b_n]
    if options["reset_after"]:
        bias = [bias, [c_z, c_r, c_n]]
    ran = oracle.forward(
        [[[x]]], [[h]], [[w_z, w_r, w_n]], [[u_z, u_r, u_n]], bias, **options
    )
    assert_close(ran.final_state, [[expected]], "float64")
    assert_close(ran.outputs, [[[expected]]], "float64")


def test_the_conventions_differ():
    """Four conventions, four results: none is another by mistake."""
    given = numbers(Case("keep_after"))
    given.weights[2][1] = 0.0
    results = []
    for options in CONVENTIONS.values():
        bias = given.weights[2] if options["reset_after"] else given.weights[2][0]
        ran = oracle.forward(given.x, given.h0, *given.weights[:2], bias, **options)
        results.append(ran.final_state)
    for i, first in enumerate(results):
        for second in results[:i]:
            assert np.max(np.abs(first - second)) > 0.1


@pytest.mark.parametrize("update_gate", ["keep", "replace"])
def test_negated_update_gate_swaps_the_conventions(update_gate):
    """keep with the z columns negated is replace, since s(-a) = 1 - s(a)."""
    given = numbers(Case("keep_after"))
    negated = [np.array(w) for w in given.weights]
    for weight in negated:
        weight[..., :6] *= -1.0
    other = {"keep": "replace", "replace": "keep"}[update_gate]
    one = oracle.forward(given.x, given.h0, *given.weights, update_gate=update_gate)
    two = oracle.forward(given.x, given.h0, *negated, update_gate=other)
    assert_close(one.outputs, two.outputs, "float64")


def test_a_masked_row_equals_the_row_without_its_masked_steps():
    given = numbers(Case("keep_before", "holes"))
    ran = oracle.forward(
        given.x, given.h0, *given.weights, reset_after=False, mask=given.mask
    )
    for row, used in enumerate(given.mask):
        alone = oracle.forward(
            given.x[row : row + 1, used],
            given.h0[row : row + 1],
            *given.weights,
            reset_after=False,
        )
        assert_close(ran.final_state[row], alone.final_state[0], "float64")
        assert_close(ran.outputs[row, used], alone.outputs[0], "float64")


def test_outputs_at_masked_steps():
    """0 before the first used step, then the previous output; the state is kept."""
    given = numbers(Case("keep_after"))
    mask = np.array([[0, 1, 1, 0, 0, 1, 0], [0] * 7, [1] * 7], bool)
    ran = oracle.forward(given.x, given.h0, *given.weights, mask=mask)
    out = ran.outputs
    assert_close(out[0, 0], np.zeros(6), "exact")
    assert_close(out[0, 3], out[0, 2], "exact")
    assert_close(out[0, 4], out[0, 2], "exact")
    assert_close(out[0, 6], out[0, 5], "exact")
    assert_close(out[1], np.zeros((7, 6)), "exact")
    assert_close(ran.final_state[1], given.h0[1], "exact")
    zeros = oracle.forward(
        given.x, given.h0, *given.weights, mask=mask, zero_output_for_mask=True
    )
    assert_close(zeros.outputs, np.where(mask[..., None], out, 0.0), "exact")


def test_going_backwards_is_the_flipped_sequence():
    given = numbers(Case("keep_after", "holes"))
    one = oracle.forward(
        given.x, given.h0, *given.weights, mask=given.mask, go_backwards=True
    )
    two = oracle.forward(
        given.x[:, ::-1], given.h0, *given.weights, mask=given.mask[:, ::-1]
    )
    assert_close(one.outputs, two.outputs, "exact")
    assert_close(one.final_state, two.final_state, "exact")


def _dropout_masks(case, rng):
    batch, timesteps, features, units = case.shape
    maths = case.maths
    inputs = recurrent = None
    if maths["dropout"]:
        count = 3 if maths["implementation"] == 1 else 1
        inputs = [(rng.random((batch, features)) < 0.6) / 0.6 for _ in range(count)]
    if maths["recurrent_dropout"]:
        recurrent = [(rng.random((batch, units)) < 0.7) / 0.7 for _ in range(3)]
    drawn = case.training and maths["zoneout"]
    zoneout = rng.random((batch, timesteps, units)) < 0.3 if drawn else None
    return inputs, recurrent, zoneout


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_by_central_differences(case):
    """Every gradient along a random direction, for every case."""
    given = numbers(case, seed=5)
    rng = np.random.default_rng(6)
    masks = _dropout_masks(case, rng)
    _, _, gradients = judge(case, given, *masks)
    arrays = {"x": given.x, "h0": given.h0, **given.by_name(case)}
    if case.maths["learn_initial_state"]:
        del arrays["h0"]

    def loss():
        outputs, state, _ = judge(case, given, *masks)
        return np.sum(outputs * given.d_outputs) + np.sum(state * given.d_state)

    step = 2e-6
    assert set(gradients) == set(arrays)
    for name, array in arrays.items():
        # No step may cross the kink of relu or hard_sigmoid; see the seed above.
        direction = rng.normal(size=array.shape)
        array += step * direction
        above = loss()
        array -= 2 * step * direction
        below = loss()
        array += step * direction
        slope = np.sum(gradients[name] * direction)
        scale = max(abs(slope), np.abs(gradients[name]).max(), 1.0)
        found = (above - below) / (2 * step)
        assert_close(found / scale, slope / scale, "finite_differences", name)


@pytest.mark.parametrize("name", oracle.ACTIVATIONS)
def test_derivatives_of_the_activations(name):
    value, derivative = oracle.ACTIVATIONS[name]
    a = np.linspace(-4.0, 4.0, 50)  # no kink at any of them
    step = 1e-5
    found = (value(a + step) - value(a - step)) / (2 * step)
    assert_close(found, derivative(a), "finite_differences", name)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("option", ["default", "zoneout", "layer_norm", "all_three"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_single_gradient_by_central_differences(convention, option, mask):
    """Number by number at a small size, so that no direction hides an error."""
    names = ("learn_initial_state", "layer_normalization")
    extra = {**dict.fromkeys(names, True), "zoneout": 0.3}
    case = Case(convention, mask, option, shape=(2, 3, 2, 2))
    if option == "all_three":
        case = Case(convention, mask, shape=case.shape, extra=tuple(extra.items()))
    given = numbers(case, seed=1)
    if option == "all_three":
        given.resets = np.array([[0, 0, 1], [1, 1, 0]], bool)
    _, _, gradients = judge(case, given)
    arrays = {"x": given.x, "h0": given.h0, **given.by_name(case)}
    for name, array in arrays.items():
        if name not in gradients:
            assert name == "h0"  # not given where it is learnt
            continue
        found = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            sides = []
            for step in (1e-5, -2e-5, 1e-5):
                array[index] += step
                outputs, state, _ = judge(case, given)
                sides.append(
                    np.sum(outputs * given.d_outputs) + np.sum(state * given.d_state)
                )
            found[index] = (sides[0] - sides[1]) / 2e-5
        assert_close(found, gradients[name], "finite_differences", name)
