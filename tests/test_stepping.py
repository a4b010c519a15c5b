"""One function, computed in several ways: step by step, in halves, unrolled."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS, ODD, Case, numbers
from tests.passes import build_layer, run_layer, set_weights, to_numpy
from tests.tolerances import assert_close

OPTIONS = ("default", "relu", "hard_sigmoid", "no_bias", "implementation_1")


def _float32(given):
    return given.x.astype("float32"), given.h0.astype("float32")


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_sequence_equals_stepping_the_cell(convention, option):
    case = Case(convention, option=option)
    given = numbers(case)
    x, h = _float32(given)
    layer = build_layer(case, given.weights, return_sequences=True)
    outputs, state = layer(x, initial_state=h)
    stepped = []
    for t in range(ODD[1]):
        h, _ = layer.cell(x[:, t], h)
        stepped.append(to_numpy(h))
    assert_close(to_numpy(outputs), np.stack(stepped, 1), "same_float32")
    assert_close(to_numpy(state), stepped[-1], "same_float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_sequence_equals_a_cell_of_its_own_in_rnn(convention):
    """GRU and RNN(GRUCellV) share no loop."""
    case = Case(convention, "right")
    given = numbers(case)
    x, h = _float32(given)
    layer = build_layer(case, given.weights, return_sequences=True)
    cell = keras_gru.GRUCellV(6, **CONVENTIONS[convention])
    rnn = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    rnn.build(x.shape)
    set_weights(rnn, given.weights)
    # From a zero state, where Keras' three loops agree on leading masked steps.
    for mask in (None, given.mask):
        one = layer(x, initial_state=0 * h, mask=mask)
        two = rnn(x, initial_state=0 * h, mask=mask)
        for a, b in zip(one, two, strict=True):
            assert_close(to_numpy(a), to_numpy(b), "same_float32")


@pytest.mark.parametrize("mask", ["none", "right", "holes"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_two_halves_equal_the_whole(convention, mask):
    """The state handed over by hand."""
    case = Case(convention, mask)
    given = numbers(case)
    x, h = _float32(given)
    layer = build_layer(case, given.weights)
    _, whole = layer(x, initial_state=h, mask=given.mask)
    first, second = (
        (None, None) if given.mask is None else (given.mask[:, :4], given.mask[:, 4:])
    )
    _, half = layer(x[:, :4], initial_state=h, mask=first)
    _, state = layer(x[:, 4:], initial_state=half, mask=second)
    assert_close(to_numpy(state), to_numpy(whole), "same_float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_stateful_halves_equal_the_whole(convention):
    """The state handed over by the layer, outputs included."""
    case = Case(convention)
    given = numbers(case)
    x, _ = _float32(given)
    layer = build_layer(case, given.weights, stateful=True, return_sequences=True)
    halves = [to_numpy(layer(x[:, :3])[0]), to_numpy(layer(x[:, 3:])[0])]
    whole, _ = build_layer(case, given.weights, return_sequences=True)(x)
    assert_close(np.concatenate(halves, 1), to_numpy(whole), "same_float32")


@pytest.mark.parametrize("option", ["default", "backwards", "recurrent_dropout"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_unrolled_equals_the_loop(convention, option):
    """Values and gradients; the seed makes the dropout masks the same."""
    case = Case(convention, "holes", option)
    given = numbers(case)
    loop = run_layer(build_layer(case, given.weights), given, case.training)
    unrolled = build_layer(case, given.weights, unroll=True)
    unrolled = run_layer(unrolled, given, case.training)
    assert_close(unrolled.outputs, loop.outputs, "same_float32")
    assert_close(unrolled.final_state, loop.final_state, "same_float32")
    for name, gradient in loop.gradients.items():
        row = "same_float32_gradients"
        assert_close(unrolled.gradients[name], gradient, row, name)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_backwards_equals_the_flipped_sequence(convention):
    case = Case(convention, "holes")
    given = numbers(case)
    x, h = _float32(given)
    forwards = build_layer(case, given.weights, return_sequences=True)
    backwards = build_layer(
        case, given.weights, return_sequences=True, go_backwards=True
    )
    one = backwards(x, initial_state=h, mask=given.mask)
    two = forwards(
        np.ascontiguousarray(x[:, ::-1]),
        initial_state=h,
        mask=np.ascontiguousarray(given.mask[:, ::-1]),
    )
    for a, b in zip(one, two, strict=True):
        assert_close(to_numpy(a), to_numpy(b), "same_float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_rows_do_not_touch_each_other(convention):
    """A row alone gives what it gives in a batch."""
    case = Case(convention, "holes")
    given = numbers(case)
    x, h = _float32(given)
    layer = build_layer(case, given.weights, return_sequences=True)
    outputs, _ = layer(x, initial_state=h, mask=given.mask)
    alone, _ = layer(x[1:2], initial_state=h[1:2], mask=given.mask[1:2])
    assert_close(to_numpy(alone), to_numpy(outputs)[1:2], "same_float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_past_does_not_see_the_future(convention):
    case = Case(convention)
    given = numbers(case)
    x, h = _float32(given)
    layer = build_layer(case, given.weights, return_sequences=True)
    before = to_numpy(layer(x, initial_state=h)[0])
    x[:, 4:] += 1.0
    after = to_numpy(layer(x, initial_state=h)[0])
    assert_close(after[:, :4], before[:, :4], "exact")
    assert np.all(after[:, 4:] != before[:, 4:])
