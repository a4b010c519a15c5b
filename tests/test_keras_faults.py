"""What keras.layers.GRU 3.15 gets wrong, each fault in one test of its own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests import oracle
from tests.cases import CONVENTIONS, Case, numbers
from tests.passes import build_layer, check, to_numpy
from tests.tolerances import TOLERANCES, assert_close, error

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_implementation_1_with_dropout_and_cudnn_auto(convention):
    """Keras crashes on every backend."""
    layer = keras_gru.GRU(
        6, implementation=1, dropout=0.5, use_cudnn="auto", **CONVENTIONS[convention]
    )
    assert np.isfinite(to_numpy(layer(X, training=True))).all()


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_bias_with_mixed_precision(convention, dtype):
    """Keras crashes on JAX: the loop changes the dtype of its state."""
    layer = keras_gru.GRU(6, use_bias=False, dtype=dtype, **CONVENTIONS[convention])
    outputs = layer(X)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    assert np.isfinite(to_numpy(outputs).astype("float32")).all()


@pytest.mark.parametrize("unroll", [False, True])
def test_zero_output_for_mask_when_unrolled(unroll):
    """Keras ignores it on JAX."""
    mask = np.ones((3, 7), bool)
    mask[:, 4:] = False
    layer = keras_gru.GRU(
        6, unroll=unroll, zero_output_for_mask=True, return_sequences=True
    )
    outputs = to_numpy(layer(X, mask=mask))
    assert not outputs[:, 4:].any()
    assert outputs[:, :4].all()


@pytest.mark.parametrize("unroll", [False, True])
def test_a_leading_masked_step_with_an_initial_state(unroll):
    """Keras has two meanings, by backend and loop; here it is 0 on all of them."""
    mask = np.ones((3, 7), bool)
    mask[:, :2] = False
    layer = keras_gru.GRU(6, unroll=unroll, return_sequences=True)
    outputs = to_numpy(layer(X, initial_state=np.ones((3, 6)), mask=mask))
    assert not outputs[:, :2].any()
    assert outputs[:, 2:].all()


def test_zero_output_for_mask_without_sequences():
    """Keras returns zeros where the last step is masked, against its docstring."""
    mask = np.ones((3, 7), bool)
    mask[:, 5:] = False
    layer = keras_gru.GRU(6, zero_output_for_mask=True)
    outputs = layer(X, mask=mask)
    assert_close(to_numpy(outputs), to_numpy(layer(X[:, :5])), "same_float32")


def test_bidirectional_stateful_with_states_under_a_mask():
    """Keras raises a TypeError in compute_mask; keras_gru.Bidirectional does not."""
    layer = keras_gru.Bidirectional(
        keras_gru.GRU(6, stateful=True, return_state=True, return_sequences=True)
    )
    mask = np.ones((3, 7), bool)
    mask[:, 5:] = False
    masked = keras.layers.Masking()(X * mask[..., None])
    outputs, *states = layer(masked)
    assert tuple(outputs.shape) == (3, 7, 12)
    assert len(states) == 2


@pytest.mark.parametrize(
    ("name", "value"), [("use_cudnn", False), ("implementation", 1)]
)
def test_the_config_keeps(name, value):
    """Keras drops both."""
    layer = keras_gru.GRU(6, **{name: value})
    again = keras_gru.GRU.from_config(layer.get_config())
    assert getattr(again, name) == value


def test_two_initial_states_are_refused():
    """Keras takes the first in silence."""
    h = np.ones((3, 6), "float32")
    with pytest.raises(ValueError, match="initial_state"):
        keras_gru.GRU(6)(X, initial_state=[h, h])


@pytest.mark.parametrize("unroll", [False, True])
def test_no_time_steps_are_refused(unroll):
    """Keras crashes somewhere inside."""
    with pytest.raises(ValueError, match=r"sequences[\s\S]*\(3, 0, 5\)"):
        keras_gru.GRU(6, unroll=unroll)(X[:, :0])


@pytest.mark.parametrize(
    "options",
    [{"activation": "relu"}, {"reset_after": False}, {"unroll": True}],
    ids=str,
)
def test_use_cudnn_where_it_cannot_run(options):
    """Keras passes in silence on torch and JAX."""
    layer = keras_gru.GRU(6, use_cudnn=True, **options)
    with pytest.raises(ValueError, match="use_cudnn=True"):
        layer(X)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_float64_is_float64(convention):
    """On JAX and torch Keras falls to float32 inside: errors of 1e-7."""
    check(Case(convention, "right"), "float64")


def test_the_float64_test_would_see_float32():
    """The same layer in float32 is far outside the tolerance of float64."""
    case = Case("keep_after")
    given = numbers(case)
    outputs, _ = build_layer(case, given.weights)(given.x.astype("float32"))
    expected = oracle.forward(given.x, 0 * given.h0, *given.weights).outputs
    assert error(to_numpy(outputs), expected) > 10 * TOLERANCES["float64"].error


def test_masks_beside_an_initial_state_are_found():
    """Keras loses the mask of the input where the state is passed along."""
    case = Case("keep_after")
    layer = build_layer(case, numbers(case).weights)
    mask = np.ones((3, 7), bool)
    mask[:, 5:] = False
    h = np.ones((3, 6), "float32")
    masked = keras.layers.Masking()(X * mask[..., None])
    _, state = layer(masked, initial_state=h)
    _, expected = layer(X, initial_state=h, mask=mask)
    assert_close(to_numpy(state), to_numpy(expected), "same_float32")
