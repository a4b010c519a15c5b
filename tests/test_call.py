"""What a call takes and gives: forms, shapes, dtypes, weights, losses."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS, Case, numbers
from tests.passes import build_layer, to_numpy
from tests.tolerances import assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
FLAGS = list(itertools.product([False, True], repeat=2))


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("reset_after", [True, False])
def test_weights_have_the_paths_shapes_and_order_of_keras(reset_after, use_bias):
    options = {"reset_after": reset_after, "use_bias": use_bias, "name": "recurrent"}
    ours, keras_own = keras_gru.GRU(6, **options), keras.layers.GRU(6, **options)
    ours.build(X.shape)
    keras_own.build(X.shape)
    described = [
        [(v.path, tuple(v.shape), v.dtype, v.trainable) for v in layer.weights]
        for layer in (ours, keras_own)
    ]
    assert described[0] == described[1]
    assert described[0][0][0] == "recurrent/gru_cell/kernel"
    assert ours.count_params() == keras_own.count_params()


def test_initial_weights_are_those_of_keras():
    """The same seed, the same initial values."""
    values = []
    for cls in (keras_gru.GRU, keras.layers.GRU):
        keras.utils.set_random_seed(5)
        layer = cls(6)
        layer.build(X.shape)
        values.append(layer.get_weights())
    for ours, keras_own in zip(*values, strict=True):
        assert_close(ours, keras_own, "exact")


@pytest.mark.parametrize(("return_sequences", "return_state"), FLAGS)
def test_outputs_have_the_announced_shapes_and_dtypes(return_sequences, return_state):
    layer = keras_gru.GRU(
        6, return_sequences=return_sequences, return_state=return_state
    )
    outputs = layer(X)
    announced = layer.compute_output_shape(X.shape)
    symbolic = layer(keras.Input((7, 5), batch_size=3))
    if not return_state:
        outputs, announced, symbolic = [outputs], [announced], [symbolic]
    expected = [(3, 7, 6) if return_sequences else (3, 6)]
    expected += [(3, 6)] * return_state
    assert [tuple(o.shape) for o in outputs] == expected
    assert [tuple(shape) for shape in announced] == expected
    assert [tuple(o.shape) for o in symbolic] == expected
    for tensor in (*outputs, *symbolic):
        assert keras.backend.standardize_dtype(tensor.dtype) == "float32"


def test_without_sequences_the_output_is_the_last_one():
    given = numbers(Case("keep_after"))
    layer = build_layer(Case("keep_after"), given.weights, return_sequences=True)
    last = build_layer(Case("keep_after"), given.weights, return_sequences=False)
    outputs, state = layer(X)
    assert_close(to_numpy(last(X)[0]), to_numpy(outputs)[:, -1], "same_float32")
    assert_close(to_numpy(state), to_numpy(outputs)[:, -1], "exact")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("wrap", [lambda h: h, lambda h: [h], lambda h: (h,)])
@pytest.mark.parametrize("convert", [np.asarray, keras.ops.convert_to_tensor])
def test_initial_state_in_every_form(convert, wrap, dtype):
    """A tensor or a list of it, of any dtype: it is cast to the compute dtype."""
    layer = keras_gru.GRU(6)
    h = np.arange(18).reshape(3, 6).astype(dtype)
    expected = layer(X, initial_state=h.astype("float32"))
    outputs = layer(X, initial_state=wrap(convert(h)))
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert_close(to_numpy(outputs), to_numpy(expected), "exact")
    assert np.abs(to_numpy(layer(X)) - to_numpy(expected)).max() > 0.01


def test_initial_state_by_position():
    layer = keras_gru.GRU(6)
    h = np.ones((3, 6), "float32")
    assert_close(to_numpy(layer(X, h)), to_numpy(layer(X, initial_state=h)), "exact")


def test_no_initial_state_is_zeros():
    layer = keras_gru.GRU(6)
    zeros = np.zeros((3, 6), "float32")
    assert_close(to_numpy(layer(X)), to_numpy(layer(X, zeros)), "exact")
    (state,) = layer.get_initial_state(3)
    assert_close(to_numpy(state), zeros, "exact")


@pytest.mark.parametrize("as_list", [False, True])
def test_symbolic_initial_state(as_list):
    """A functional model with the state as a second input."""
    layer = keras_gru.GRU(6, return_sequences=True, return_state=True)
    x, h = keras.Input((7, 5)), keras.Input((6,))
    model = keras.Model([x, h], layer(x, initial_state=[h] if as_list else h))
    state = np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
    actual = model([X, state])
    for a, b in zip(actual, layer(X, initial_state=state), strict=True):
        assert_close(to_numpy(a), to_numpy(b), "same_float32")


@pytest.mark.parametrize(("return_sequences", "return_state"), FLAGS)
@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_compute_mask(return_sequences, return_state, as_list, masked):
    """The mask where there are steps left, None for a state, a list with states."""
    layer = keras_gru.GRU(
        6, return_sequences=return_sequences, return_state=return_state
    )
    mask = np.ones((3, 7), bool) if masked else None
    computed = layer.compute_mask(X, [mask] if as_list else mask)
    first = mask if return_sequences else None
    if return_state:
        assert isinstance(computed, list)
        assert len(computed) == 2
        assert computed[0] is first
        assert computed[1] is None
    else:
        assert computed is first


@pytest.mark.parametrize("with_state", [False, True])
def test_build_by_shape(with_state):
    layer = keras_gru.GRU(6)
    layer.build((None, None, 5), *([(None, 6)] if with_state else []))
    assert layer.built
    assert layer.cell.built
    assert tuple(layer.cell.kernel.shape) == (5, 18)
    assert tuple(layer(X).shape) == (3, 6)


def test_input_spec():
    layer = keras_gru.GRU(6)
    assert layer.input_spec.ndim == 3
    layer(X)
    assert layer.input_spec.ndim == 3


def test_supports_masking():
    assert keras_gru.GRU(6).supports_masking


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_weight_regularizers_add_their_losses(convention):
    layer = keras_gru.GRU(
        6,
        kernel_regularizer=keras.regularizers.L1(0.1),
        recurrent_regularizer=keras.regularizers.L2(0.2),
        bias_regularizer=keras.regularizers.L2(0.3),
        bias_initializer="ones",
        **CONVENTIONS[convention],
    )
    layer(X)
    kernel, recurrent_kernel, bias = layer.get_weights()
    expected = [
        0.1 * np.abs(kernel).sum(),
        0.2 * np.square(recurrent_kernel).sum(),
        0.3 * np.square(bias).sum(),
    ]
    losses = [float(to_numpy(loss)) for loss in layer.losses]
    assert_close(sorted(losses), sorted(expected), "same_float32")


@pytest.mark.parametrize("return_state", [False, True])
def test_activity_regularizer_adds_its_loss(return_state):
    """As in Keras: each of the layer's results counts."""
    options = {"activity_regularizer": "l2", "return_state": return_state}
    losses = []
    for cls in (keras_gru.GRU, keras.layers.GRU):
        keras.utils.set_random_seed(0)
        layer = cls(6, return_sequences=True, **options)
        layer(X)
        losses.append(float(sum(to_numpy(loss) for loss in layer.losses)))
    assert losses[0] > 0
    assert_close(losses[:1], losses[1:], "same_float32")


def test_one_layer_serves_many_shapes():
    layer = keras_gru.GRU(6, return_sequences=True)
    for batch, timesteps in ((3, 7), (1, 7), (3, 1), (2, 4)):
        assert tuple(layer(X[:batch, :timesteps]).shape) == (batch, timesteps, 6)


def test_inputs_are_cast():
    layer = keras_gru.GRU(6)
    expected = to_numpy(layer(np.round(X)))
    assert_close(to_numpy(layer(np.round(X).astype("int32"))), expected, "exact")
    assert_close(to_numpy(layer(np.round(X).astype("float64"))), expected, "exact")


@pytest.mark.parametrize("kernel", ["auto", "portable"])
def test_one_initial_state_for_all_rows(kernel):
    layer = keras_gru.GRU(6, return_sequences=True, kernel=kernel)
    h = np.random.default_rng(1).normal(size=(1, 6)).astype("float32")
    expected = to_numpy(layer(X, initial_state=np.repeat(h, 3, axis=0)))
    for given in (h, [h]):
        assert_close(to_numpy(layer(X, initial_state=given)), expected, "exact")
    x, state = keras.Input((7, 5)), keras.Input(batch_shape=(1, 6))
    model = keras.Model([x, state], layer(x, initial_state=state))
    assert_close(to_numpy(model([X, h])), expected, "same_float32")
