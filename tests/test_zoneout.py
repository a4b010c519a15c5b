"""Zoneout: drawn for each step and unit in training, its expectation otherwise."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS, Case, judge, numbers
from tests.contract import HERE
from tests.passes import (
    BACKEND,
    build_layer,
    float64_allowed,
    kernel_refuses,
    run_layer,
    spy_on_kernels,
    to_numpy,
)
from tests.tolerances import assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
RESETS = np.random.default_rng(5).random((3, 7)) < 0.4


def _drawn(layer, x=X, training=True):
    """The mask of one call, or None."""
    with spy_on_kernels() as seen:
        layer(x, training=training)
    mask = seen.tensors[0].zoneout_mask
    return None if mask is None else to_numpy(mask)


@pytest.mark.parametrize("rate", [0.2, 0.75])
def test_the_mask(rate):
    """(batch, time, units), of 0 and 1, the share of 1 being the rate."""
    mask = _drawn(keras_gru.GRU(40, zoneout=rate, seed=1), np.ones((20, 15, 5)))
    assert mask.shape == (20, 15, 40)
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert_close([mask.mean()], [rate], "dropout_mean")
    for axis in range(3):
        assert (np.diff(mask, axis=axis) != 0).any()


def test_seeds():
    one, two, other = (keras_gru.GRU(6, zoneout=0.5, seed=s) for s in (3, 3, 4))
    first = _drawn(one)
    assert_close(_drawn(two), first, "exact")
    assert (_drawn(one) != first).any()  # new ones in the next call
    assert (_drawn(other) != first).any()


def test_nothing_is_drawn_without_need():
    assert _drawn(keras_gru.GRU(6, zoneout=0.5), training=False) is None
    assert _drawn(keras_gru.GRU(6)) is None


def test_the_dropout_masks_stay_those_of_keras():
    masks = []
    for zoneout in (0.0, 0.5):
        layer = keras_gru.GRU(6, dropout=0.4, recurrent_dropout=0.4, seed=1)
        layer.cell.zoneout = zoneout
        with spy_on_kernels() as seen:
            layer(X, training=True)
        (tensors,) = seen.tensors
        drawn = (*tensors.dropout_masks, *tensors.recurrent_dropout_masks)
        masks.append([to_numpy(mask) for mask in drawn])
    for one, two in zip(*masks, strict=True):
        assert_close(one, two, "exact")


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("mask", ["none", "holes"])
@pytest.mark.parametrize("option", ["default", "backwards", "last"])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kernel", HERE)
def test_training_against_the_oracle(kernel, convention, option, mask, resets):
    """Without dropout beside it."""
    case = Case(convention, mask, option, extra=(("zoneout", 0.3),))
    given = numbers(case)
    given = dataclasses.replace(given, resets=RESETS if resets else None)
    if kernel_refuses(kernel, case, "float64", resets):
        pytest.skip("it has no zoneout; test_against_oracle.py sees it refuse")
    with float64_allowed():
        layer = build_layer(case, given.weights, "float64", kernel)
        with spy_on_kernels() as seen:
            ran = run_layer(layer, given, training=True)
    drawn = to_numpy(seen.tensors[0].zoneout_mask)
    outputs, state, gradients = judge(case, given, zoneout_mask=drawn)
    assert_close(ran.outputs, outputs, "float64")
    assert_close(ran.final_state, state, "float64")
    for name, gradient in gradients.items():
        assert_close(ran.gradients[name], gradient, "float64", name)


@pytest.mark.parametrize("training", [False, True])
def test_a_rate_of_one_keeps_the_state(training):
    state = np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
    layer = keras_gru.GRU(6, zoneout=1.0)
    outputs = layer(X, initial_state=state, training=training)
    assert_close(to_numpy(outputs), state, "exact")


def test_the_mean_of_the_draws_is_what_runs_otherwise():
    """After one step the state is linear in what is drawn."""
    layer = keras_gru.GRU(6, zoneout=0.4, seed=1)
    x = np.tile(X[:1, :1], (20_000, 1, 1))
    start = np.tile(np.float32([[0.5, -0.5, 1.0, -1.0, 0.2, 0.0]]), (20_000, 1))
    drawn = to_numpy(layer(x, initial_state=start, training=True))
    expected = to_numpy(layer(x[:1], initial_state=start[:1]))
    assert_close(drawn.mean(0), expected[0], "dropout_mean")


def test_bidirectional_draws_for_each_direction():
    layer = keras.layers.Bidirectional(keras_gru.GRU(6, zoneout=0.5))
    with spy_on_kernels() as seen:
        layer(X, training=True)
    one, two = (to_numpy(tensors.zoneout_mask) for tensors in seen.tensors)
    assert (one != two).any()


@pytest.mark.parametrize("name", [name for name in HERE if "scan" not in name])
def test_a_kernel_without_it_says_so(name):
    reasons = keras_gru.GRU(6, zoneout=0.1).explain().refusals
    if name != "portable":
        assert reasons[name] == "it has no zoneout"


# In the cell.


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_cell_in_rnn(convention):
    options = {**CONVENTIONS[convention], "zoneout": 0.3, "layer_normalization": True}
    cell, layer = keras_gru.GRUCellV(6, **options), keras_gru.GRU(6, **options)
    layer.build(X.shape)
    rnn = keras.layers.RNN(cell)
    rnn.build(X.shape)
    cell.set_weights(layer.get_weights())
    assert_close(to_numpy(rnn(X)), to_numpy(layer(X)), "same_float32")


def _kept(outputs):
    """Where a state is the one before it, (batch, time - 1, units)."""
    return np.diff(outputs, axis=1) == 0


def test_the_cell_draws_at_each_step():
    """On JAX only in a loop that is written out."""
    cell = keras_gru.GRUCellV(50, zoneout=0.5, seed=1)
    rnn = keras.layers.RNN(cell, return_sequences=True, unroll=BACKEND == "jax")
    kept = _kept(to_numpy(rnn(np.tile(X, (4, 1, 1)), training=True)))
    assert_close([kept.mean()], [0.5], "dropout_mean")
    assert (np.diff(kept, axis=1)).any()
    assert not _kept(to_numpy(rnn(X))).any()
    model = keras.Sequential([keras.Input((7, 5)), rnn])
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((3, 7, 50)), verbose=0)


@pytest.mark.skipif(BACKEND != "jax", reason="the loops of the others let a cell draw")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("stacked", [False, True])
def test_a_loop_on_jax_is_refused(compiled, stacked):
    cell = keras_gru.GRUCellV(6, zoneout=0.5)
    cells = keras.layers.StackedRNNCells([cell, keras_gru.GRUCellV(6)])
    rnn = keras.layers.RNN(cells if stacked else cell)
    model = keras.Sequential([keras.Input((7, 5)), rnn])
    model.compile("sgd", "mse", jit_compile=compiled, run_eagerly=not compiled)
    model.predict(X, verbose=0)
    with pytest.raises(ValueError, match=r"zoneout=0\.5 .*keras_gru\.GRU.*unroll=True"):
        model.fit(X, np.zeros((3, 6)), verbose=0)


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), "0.1", None, True])
def test_what_is_no_rate(cls, value):
    with pytest.raises((TypeError, ValueError), match=r"`zoneout`.*\[0, 1\]"):
        cls(6, zoneout=value)
