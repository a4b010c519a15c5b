"""Dropout: one mask a sequence, one or three; three on the state; seeds."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS
from tests.passes import spy_on_kernels, to_numpy
from tests.tolerances import TOLERANCES, assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")


def _masks(layer, x=X, training=True):
    """The masks of one call: on the input, on the state."""
    with spy_on_kernels() as seen:
        layer(x, training=training)
    (tensors,) = seen.tensors
    return (
        [to_numpy(m) for m in tensors.dropout_masks],
        [to_numpy(m) for m in tensors.recurrent_dropout_masks],
    )


@pytest.mark.parametrize(("implementation", "count"), [(2, 1), (1, 3)])
def test_number_and_shape_of_the_input_masks(implementation, count):
    """(batch, features): no time axis, so that one mask serves all steps."""
    layer = keras_gru.GRU(6, dropout=0.5, implementation=implementation)
    inputs, state = _masks(layer)
    assert [m.shape for m in inputs] == [(3, 5)] * count
    assert state == []
    if count == 3:
        assert not np.array_equal(inputs[0], inputs[1])
        assert not np.array_equal(inputs[1], inputs[2])


@pytest.mark.parametrize("implementation", [1, 2])
def test_number_and_shape_of_the_state_masks(implementation):
    layer = keras_gru.GRU(6, recurrent_dropout=0.5, implementation=implementation)
    inputs, state = _masks(layer)
    assert inputs == []
    assert [m.shape for m in state] == [(3, 6)] * 3
    assert not np.array_equal(state[0], state[1])
    assert not np.array_equal(state[1], state[2])


def test_recurrent_dropout_needs_the_gates_apart():
    """As in Keras: it turns implementation 2 into 1, with three input masks."""
    layer = keras_gru.GRU(6, dropout=0.5, recurrent_dropout=0.5)
    assert layer.implementation == 1
    inputs, state = _masks(layer)
    assert len(inputs) == len(state) == 3


@pytest.mark.parametrize("rate", [0.2, 0.75])
def test_the_share_and_the_scale(rate):
    """A share `rate` is dropped, the rest is scaled so that the mean stays."""
    layer = keras_gru.GRU(100, dropout=rate, recurrent_dropout=rate, seed=1)
    inputs, state = _masks(layer, np.ones((60, 1, 100), "float32"))
    for masks in (inputs, state):
        values = np.concatenate([m.ravel() for m in masks])
        assert_close([np.mean(values == 0)], [rate], "dropout_mean")
        assert_close([np.mean(values)], [1.0], "dropout_mean")
        kept = values[values != 0]
        assert_close(kept, np.full_like(kept, 1 / (1 - rate)), "same_float32")


@pytest.mark.parametrize("training", [False, None])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_without_training_there_is_no_dropout(convention, training):
    options = CONVENTIONS[convention]
    layer = keras_gru.GRU(6, dropout=0.5, recurrent_dropout=0.5, **options)
    plain = keras_gru.GRU(6, **options)
    plain.build(X.shape)
    layer.build(X.shape)
    plain.set_weights(layer.get_weights()[:3])
    outputs = layer(X, training=training)
    assert_close(to_numpy(outputs), to_numpy(plain(X)), "same_float32")


def test_training_by_default_is_off():
    layer = keras_gru.GRU(6, dropout=0.5)
    assert_close(to_numpy(layer(X)), to_numpy(layer(X, training=False)), "exact")


@pytest.mark.parametrize("implementation", [1, 2])
def test_masks_are_drawn_anew_for_each_call(implementation):
    layer = keras_gru.GRU(
        6, dropout=0.5, recurrent_dropout=0.5, implementation=implementation
    )
    first, second = _masks(layer), _masks(layer)
    for one, two in zip(first, second, strict=True):
        assert not all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_masks_follow_the_batch_size():
    layer = keras_gru.GRU(6, dropout=0.5, recurrent_dropout=0.5)
    for batch in (3, 1, 2):
        inputs, state = _masks(layer, X[:batch])
        assert {m.shape for m in inputs} == {(batch, 5)}
        assert {m.shape for m in state} == {(batch, 6)}


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_the_seed_decides(options):
    """Same seed, same results in order; another seed, others."""

    def results(seed):
        keras.utils.set_random_seed(0)
        layer = keras_gru.GRU(6, seed=seed, **options)
        return [to_numpy(layer(X, training=True)) for _ in range(2)]

    one, same, other = results(5), results(5), results(6)
    for a, b in zip(one, same, strict=True):
        assert_close(a, b, "exact")
    assert np.abs(one[0] - one[1]).max() > TOLERANCES["float32"].error
    assert np.abs(one[0] - other[0]).max() > TOLERANCES["float32"].error


def test_without_a_seed_the_global_one_decides():
    def result(seed):
        keras.utils.set_random_seed(seed)
        layer = keras_gru.GRU(6, dropout=0.5, kernel_initializer="ones")
        return to_numpy(layer(X, training=True))

    assert_close(result(3), result(3), "exact")
    assert np.abs(result(3) - result(4)).max() > TOLERANCES["float32"].error


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
def test_the_cell_has_the_generator(cls):
    layer = cls(6, dropout=0.5, seed=3)
    cell = getattr(layer, "cell", layer)
    assert isinstance(cell.seed_generator, keras.random.SeedGenerator)
    assert layer.get_config()["seed"] == 3


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.5},
        {"recurrent_dropout": 0.5},
        {"dropout": 0.5, "recurrent_dropout": 0.3},
    ],
    ids=str,
)
def test_the_masks_are_those_of_keras(options):
    """Same seed, same weights: a training step of Keras' layer can be repeated."""
    layers = [
        cls(6, seed=9, use_cudnn=False, return_sequences=True, **options)
        for cls in (keras_gru.GRU, keras.layers.GRU)
    ]
    for layer in layers:
        layer.build(X.shape)
    layers[1].set_weights(layers[0].get_weights())
    ours, keras_own = (to_numpy(layer(X, training=True)) for layer in layers)
    assert_close(ours, keras_own, "same_float32")


@pytest.mark.parametrize("implementation", [1, 2])
def test_everything_dropped(implementation):
    """dropout=1: the input does not count at all."""
    layer = keras_gru.GRU(6, dropout=1.0, implementation=implementation)
    dropped = to_numpy(layer(X, training=True))
    assert_close(dropped, to_numpy(layer(0 * X)), "same_float32")
    assert np.abs(dropped - to_numpy(layer(X))).max() > TOLERANCES["float32"].error


@pytest.mark.parametrize("convention", ["keep_after", "replace_before"])
def test_dropout_in_fit(convention):
    """Masks are drawn before the loop: on JAX a draw inside would leak a tracer."""
    model = keras.Sequential(
        [
            keras.Input((7, 5)),
            keras_gru.GRU(
                6, dropout=0.3, recurrent_dropout=0.3, **CONVENTIONS[convention]
            ),
        ]
    )
    model.compile("sgd", "mse")
    history = model.fit(X, np.zeros((3, 6)), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert history[0] != history[1]
