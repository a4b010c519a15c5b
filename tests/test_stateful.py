"""stateful=True: the state is kept from batch to batch, and let go on demand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests import oracle
from tests.cases import CONVENTIONS, Case, numbers
from tests.passes import (
    BACKEND,
    WEIGHTS,
    build_layer,
    float64_allowed,
    run_layer,
    to_numpy,
)
from tests.tolerances import TOLERANCES, assert_close, error

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")


def _state(layer):
    (state,) = layer.states
    return to_numpy(state.value)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_each_batch_starts_where_the_last_one_ended(convention):
    options = CONVENTIONS[convention]
    layer = keras_gru.GRU(6, stateful=True, return_state=True, **options)
    plain = keras_gru.GRU(6, return_state=True, **options)
    plain.build(X.shape)
    state = np.zeros((3, 6), "float32")
    for _ in range(3):
        _, kept = layer(X)
        if state.any():
            assert np.abs(to_numpy(kept) - state).max() > 1e-4
        plain.set_weights(layer.get_weights()[:3])
        _, state = plain(X, initial_state=state)
        state = to_numpy(state)
        assert_close(to_numpy(kept), state, "same_float32")
        assert_close(_state(layer), state, "same_float32")


def test_the_state_is_a_variable_that_is_not_trained():
    layer = keras_gru.GRU(6, stateful=True)
    layer.build((3, None, 5))
    (state,) = layer.states
    assert not state.trainable
    assert tuple(state.shape) == (3, 6)
    assert any(v is state for v in layer.non_trainable_variables)
    assert not any(v is state for v in layer.trainable_variables)
    assert_close(_state(layer), np.zeros((3, 6)), "exact")


@pytest.mark.parametrize("name", ["reset_state", "reset_states"])
def test_reset(name):
    layer = keras_gru.GRU(6, stateful=True)
    first = to_numpy(layer(X))
    assert np.abs(_state(layer)).max() > 0
    assert np.abs(to_numpy(layer(X)) - first).max() > 1e-4
    getattr(layer, name)()
    assert_close(_state(layer), np.zeros((3, 6)), "exact")
    assert_close(to_numpy(layer(X)), first, "exact")


def test_reset_before_the_first_batch_is_no_error():
    keras_gru.GRU(6, stateful=True).reset_state()


def test_a_given_initial_state_is_taken_and_its_successor_kept():
    layer = keras_gru.GRU(6, stateful=True, return_state=True)
    layer(X)
    plain = keras_gru.GRU(6, return_state=True)
    plain.build(X.shape)
    plain.set_weights(layer.get_weights()[:3])
    h = np.ones((3, 6), "float32")
    _, kept = layer(X, initial_state=h)
    _, expected = plain(X, initial_state=h)
    assert_close(to_numpy(kept), to_numpy(expected), "same_float32")
    assert_close(_state(layer), to_numpy(expected), "same_float32")


def test_another_batch_size_is_an_error():
    layer = keras_gru.GRU(6, stateful=True)
    layer(X)
    with pytest.raises(ValueError, match=r"batch size 2[\s\S]*Expected: 3"):
        layer(X[:2])


def test_an_unknown_batch_size_is_an_error():
    with pytest.raises(ValueError, match=r"stateful=True[\s\S]*\(None, 7, 5\)"):
        keras_gru.GRU(6, stateful=True)(keras.Input((7, 5)))


def test_other_lengths_are_no_error():
    layer = keras_gru.GRU(6, stateful=True, return_sequences=True)
    for timesteps in (7, 3, 1):
        assert tuple(layer(X[:, :timesteps]).shape) == (3, timesteps, 6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradients_in_batch_after_batch(convention):
    """The state is cut off from the graph of the batch before; torch would complain."""
    case = Case(convention, option="stateful")
    given = numbers(case)
    layer = build_layer(case, given.weights)
    passes = [run_layer(layer, given) for _ in range(3)]
    for ran in passes[1:]:
        for name, gradient in passes[0].gradients.items():
            assert_close(ran.gradients[name], gradient, "same_float32", name)


def test_training_in_batch_after_batch():
    """Two steps of fit, each with its backward pass, carry the state on."""
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(3, 7, 5)),
            keras_gru.GRU(6, stateful=True, name="gru"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse", jit_compile=False)
    x = np.concatenate([X, X])
    model.fit(x, np.zeros((6, 1)), batch_size=3, epochs=2, shuffle=False, verbose=0)
    layer = model.get_layer("gru")
    assert np.abs(_state(layer)).max() > 0
    model.get_layer("gru").reset_state()
    assert_close(_state(layer), np.zeros((3, 6)), "exact")


# Two batches of three rows; the second epoch goes on where the first one ended.
ROWS, EPOCHS = 3, 3
LONG_X = np.random.default_rng(1).normal(size=(2 * ROWS, 2, 5)).astype("float32")
LONG_Y = np.random.default_rng(2).normal(size=(2 * ROWS, 6)).astype("float32")


def _fit(cls, rate, **options):
    """The first weights, and the loss of each epoch of a compiled fit."""
    layer = cls(6, stateful=True, **options)
    model = keras.Sequential([keras.Input(batch_shape=(ROWS, 2, 5)), layer])
    weights = layer.get_weights()[:3]
    model.compile(keras.optimizers.SGD(rate), "mse")
    fit = {"batch_size": ROWS, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    return weights, model.fit(LONG_X, LONG_Y, **fit).history["loss"]


def _loop(weights, rate, carried=True, **options):
    """The same in a plain loop over the oracle, which carries the state, or not."""
    h, losses = np.zeros((ROWS, 6)), []
    for _ in range(EPOCHS):
        of_epoch = []
        for x, y in zip(np.split(LONG_X, 2), np.split(LONG_Y, 2), strict=True):
            ran = oracle.forward(x, h, *weights, return_sequences=False, **options)
            off = ran.outputs - y
            of_epoch.append(np.mean(off**2))
            gradients = oracle.backward(ran, 2 * off / off.size, np.zeros_like(h))
            weights = [
                weight - rate * gradients[name]
                for name, weight in zip(WEIGHTS, weights, strict=True)
            ]
            h = ran.final_state if carried else h
        losses.append(np.mean(of_epoch))
    return losses


@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_fit_carries_the_state(convention, rate):
    """A compiled fit has the losses of a loop that hands the state to each batch."""
    options = CONVENTIONS[convention]
    weights, losses = _fit(keras_gru.GRU, rate, **options)
    expected = _loop(weights, rate, **options)
    assert_close(losses, expected, "float32")
    lost = _loop(weights, rate, carried=False, **options)
    assert error(lost, expected) > 10 * TOLERANCES["float32"].error


def test_fit_of_keras_loses_the_state():
    """On JAX each batch of keras.layers.GRU starts at zero; on torch fit crashes."""
    mended = (
        f"keras.layers.GRU carries its state through fit on {BACKEND} now: take that "
        "out of what README.md says keras_gru mends, and out of tests/drop_in"
    )
    crash = ""
    try:
        weights, losses = _fit(keras.layers.GRU, rate=0.0)
    except RuntimeError as raised:
        crash = str(raised)
    if BACKEND == "torch":
        assert "modified by an inplace operation" in crash, mended
        return
    carried = _loop(weights, rate=0.0)
    if BACKEND == "tensorflow":
        assert_close(losses, carried, "float32")
        return
    assert error(losses, carried) > TOLERANCES["float32"].error, mended
    assert_close(losses, _loop(weights, rate=0.0, carried=False), "float32")


@pytest.mark.skipif(BACKEND != "torch", reason="torch assigns to variables in place")
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_backward_after_the_state_moved_on(convention):
    """Two forward passes, then both backward: no tensor may have been overwritten."""
    import torch

    layer = keras_gru.GRU(6, stateful=True, **CONVENTIONS[convention])
    x = torch.tensor(X)
    losses = [layer(x).square().sum() for _ in range(2)]
    for loss in losses:
        loss.backward()
    assert layer.cell.kernel.value.grad.abs().max() > 0


def test_masked_rows_keep_their_state():
    layer = keras_gru.GRU(6, stateful=True)
    layer(X)
    before = _state(layer).copy()
    mask = np.ones((3, 7), bool)
    mask[1] = False
    layer(X, mask=mask)
    assert_close(_state(layer)[1], before[1], "exact")
    assert np.abs(_state(layer)[0] - before[0]).max() > 1e-4


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_the_state_is_kept_in_the_dtype_of_the_variables(dtype):
    with float64_allowed(dtype):
        layer = keras_gru.GRU(6, stateful=True, dtype=dtype)
        layer(X.astype(layer.compute_dtype))
        layer(X.astype(layer.compute_dtype))
        assert layer.states[0].dtype == layer.variable_dtype
        assert np.isfinite(_state(layer).astype("float32")).all()


def test_predict_carries_the_state():
    model = keras.Sequential(
        [keras.Input(batch_shape=(3, 7, 5)), keras_gru.GRU(6, stateful=True)]
    )
    first = model.predict(X, batch_size=3, verbose=0)
    second = model.predict(X, batch_size=3, verbose=0)
    assert np.abs(first - second).max() > 1e-4
    model.layers[0].reset_state()
    again = model.predict(X, batch_size=3, verbose=0)
    assert_close(again, first, "same_float32")
