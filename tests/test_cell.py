"""GRUCellV by itself and in the layers of Keras that take a cell."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests import oracle
from tests.cases import CONVENTIONS, make_weights
from tests.passes import float64_allowed, set_weights, to_numpy
from tests.tolerances import assert_close

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 7, 5)).astype("float32")
H = RNG.normal(size=(3, 6)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0, 0], [1] * 7], bool)


def _cell(convention, units=6, features=5, seed=0, **options):
    """A cell and its weights."""
    options = {**CONVENTIONS[convention], **options}
    cell = keras_gru.GRUCellV(units, **options)
    cell.build((None, features))
    rng = np.random.default_rng(seed)
    weights = make_weights(features, units, rng, cell.use_bias, options["reset_after"])
    set_weights(cell, weights)
    return cell, weights


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_one_step_is_the_oracles(convention, use_bias):
    with float64_allowed():
        cell, weights = _cell(convention, use_bias=use_bias, dtype="float64")
        output, _ = cell(X[:, 0].astype("float64"), H.astype("float64"))
        expected = oracle.forward(X[:, :1], H, *weights, **CONVENTIONS[convention])
        assert_close(to_numpy(output), expected.final_state, "float64")


def test_sizes():
    cell = keras_gru.GRUCellV(6)
    assert cell.state_size == 6
    assert cell.output_size == 6


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_get_initial_state(dtype):
    cell = keras_gru.GRUCellV(6, dtype=dtype)
    states = cell.get_initial_state(batch_size=3)
    assert isinstance(states, list)
    (state,) = states
    assert tuple(state.shape) == (3, 6)
    assert keras.backend.standardize_dtype(state.dtype) == cell.compute_dtype
    assert not to_numpy(state).astype("float32").any()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_state_comes_back_as_it_went_in(convention):
    cell, _ = _cell(convention)
    output, state = cell(X[:, 0], keras.ops.convert_to_tensor(H))
    assert not isinstance(state, (list, tuple))
    same, states = cell(X[:, 0], [keras.ops.convert_to_tensor(H)])
    assert isinstance(states, list)
    assert len(states) == 1
    for tensor in (state, same, states[0]):
        assert_close(to_numpy(tensor), to_numpy(output), "exact")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_weights_are_those_of_keras(convention):
    cell, _ = _cell(convention)
    keras_own = keras.layers.GRUCell(
        6, reset_after=CONVENTIONS[convention]["reset_after"]
    )
    keras_own.build((None, 5))
    assert [(v.name, tuple(v.shape)) for v in cell.weights] == [
        (v.name, tuple(v.shape)) for v in keras_own.weights
    ]


@pytest.mark.parametrize("reset_after", [True, False])
def test_one_step_is_that_of_keras(reset_after):
    cell, weights = _cell("keep_after" if reset_after else "keep_before")
    keras_own = keras.layers.GRUCell(6, reset_after=reset_after)
    keras_own.build((None, 5))
    set_weights(keras_own, weights)
    ours, _ = cell(X[:, 0], H)
    theirs, _ = keras_own(X[:, 0], H)
    assert_close(to_numpy(ours), to_numpy(theirs), "same_float32")


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_in_rnn(convention, masked):
    cell, weights = _cell(convention)
    rnn = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    mask = MASK if masked else None
    outputs, state = rnn(X, initial_state=H, mask=mask)
    expected = oracle.forward(X, H, *weights, mask=mask, **CONVENTIONS[convention])
    assert_close(to_numpy(outputs), expected.outputs, "float32")
    assert_close(to_numpy(state), expected.final_state, "float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_in_stacked_cells(convention):
    """Two cells a step equal two layers one after the other."""
    first, first_weights = _cell(convention)
    second, second_weights = _cell(convention, units=4, features=6, seed=1)
    rnn = keras.layers.RNN(
        keras.layers.StackedRNNCells([first, second]),
        return_sequences=True,
        return_state=True,
    )
    outputs, *states = rnn(X)
    options = CONVENTIONS[convention]
    below = oracle.forward(X, np.zeros((3, 6)), *first_weights, **options)
    above = oracle.forward(below.outputs, np.zeros((3, 4)), *second_weights, **options)
    assert_close(to_numpy(outputs), above.outputs, "float32")
    below_state, above_state = keras.tree.flatten(states)
    assert_close(to_numpy(below_state), below.final_state, "float32")
    assert_close(to_numpy(above_state), above.final_state, "float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_in_bidirectional_rnn(convention):
    rnn = keras.layers.RNN(
        keras_gru.GRUCellV(6, **CONVENTIONS[convention]), return_sequences=True
    )
    both = keras.layers.Bidirectional(rnn)
    both.build(X.shape)
    rng = np.random.default_rng(0)
    options = CONVENTIONS[convention]
    weights = [
        make_weights(5, 6, rng, reset_after=options["reset_after"]) for _ in range(2)
    ]
    set_weights(both.forward_layer, weights[0])
    set_weights(both.backward_layer, weights[1])
    outputs = to_numpy(both(X))
    zeros = np.zeros((3, 6))
    forwards = oracle.forward(X, zeros, *weights[0], **options).outputs
    backwards = oracle.forward(
        X, zeros, *weights[1], go_backwards=True, **options
    ).outputs[:, ::-1]
    assert_close(outputs, np.concatenate([forwards, backwards], -1), "float32")


@pytest.mark.parametrize("implementation", [1, 2])
def test_dropout_in_rnn(implementation):
    """One draw for the whole sequence: a constant input gives the same input share."""
    cell = keras_gru.GRUCellV(
        6,
        dropout=0.5,
        recurrent_initializer="zeros",
        implementation=implementation,
        seed=1,
    )
    # z = 0.5 always, n constant: with one mask the steps between states halve.
    rnn = keras.layers.RNN(cell, return_sequences=True)
    x = np.ones((4, 5, 3), "float32")
    cell.build((None, 3))
    kernel = to_numpy(cell.kernel.value).copy()
    kernel[:, :12] = 0.0
    cell.kernel.assign(kernel)
    outputs = to_numpy(rnn(x, training=True))
    moves = np.diff(outputs, axis=1)
    assert np.abs(moves).max() > 0.01
    assert_close(moves[:, 1:], moves[:, :-1] / 2, "float32")
    rows = [tuple(row) for row in outputs[:, -1]]
    assert len(set(rows)) > 1  # the rows have masks of their own
    assert np.abs(to_numpy(rnn(x)) - outputs).max() > 0.01


def test_dropout_of_the_state_is_not_in_the_mix():
    """With U = 0 the state counts in the `z * h` term only, where nothing drops."""
    cell = keras_gru.GRUCellV(
        6, recurrent_dropout=0.5, recurrent_initializer="zeros", seed=1
    )
    dropped, _ = cell(X[:, 0], H, training=True)
    plain, _ = cell(X[:, 0], H, training=False)
    assert_close(to_numpy(dropped), to_numpy(plain), "same_float32")


def test_in_a_functional_model():
    """Cells with symbolic states."""
    cell = keras_gru.GRUCellV(6)
    x, h = keras.Input((5,)), keras.Input((6,))
    output, state = cell(x, h)
    model = keras.Model([x, h], [output, state])
    expected, _ = cell(X[:, 0], H)
    for tensor in model([X[:, 0], H]):
        assert_close(to_numpy(tensor), to_numpy(expected), "same_float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_config_round_trip(convention):
    cell = keras_gru.GRUCellV(
        6, activation="relu", dropout=0.1, seed=4, **CONVENTIONS[convention]
    )
    again = keras_gru.GRUCellV.from_config(cell.get_config())
    assert again.get_config() == cell.get_config()
    loaded = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(cell)
    )
    assert type(loaded) is keras_gru.GRUCellV
    assert loaded.get_config() == cell.get_config()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_saved_in_rnn(convention, tmp_path):
    cell, _ = _cell(convention)
    model = keras.Sequential(
        [keras.Input((7, 5)), keras.layers.RNN(cell), keras.layers.Dense(2)]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded.layers[0].cell) is keras_gru.GRUCellV
    assert loaded.layers[0].cell.update_gate == cell.update_gate
    assert_close(to_numpy(loaded(X)), to_numpy(model(X)), "same_float32")
