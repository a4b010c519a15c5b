"""Masks: which steps count, what stands at the others, where masks come from."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru import keras_private
from tests.cases import CONVENTIONS, Case, numbers
from tests.contract import HERE_WITH_CONVENTIONS
from tests.passes import build_layer, run_layer, to_numpy
from tests.tolerances import assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
MASK = np.array([[0, 1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0], [1] * 7], bool)


def _run(convention, x_h=None, **options):
    """Outputs, state and initial state under MASK."""
    case = Case(convention)
    given = numbers(case)
    layer = build_layer(case, given.weights, **options)
    x, h = given.x.astype("float32"), given.h0.astype("float32")
    outputs, state = layer(x, initial_state=h, mask=MASK)
    return to_numpy(outputs), to_numpy(state), h


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_output_repeats_and_the_state_is_frozen(convention, unroll):
    outputs, state, h = _run(convention, unroll=unroll)
    assert_close(outputs[0, 3], outputs[0, 2], "exact")
    assert_close(outputs[0, 4], outputs[0, 2], "exact")
    assert_close(outputs[0, 6], outputs[0, 5], "exact")
    assert np.abs(outputs[0, 5] - outputs[0, 2]).max() > 0.01
    assert_close(state[0], outputs[0, 5], "exact")
    assert_close(state[1], h[1], "exact")
    assert_close(state[2], outputs[2, 6], "exact")


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_before_the_first_used_step_the_output_is_zero(convention, unroll):
    """Also where the initial state is not."""
    outputs, _, h = _run(convention, unroll=unroll)
    assert np.abs(h).min() > 0
    assert_close(outputs[0, 0], np.zeros(6), "exact")
    assert_close(outputs[1], np.zeros((7, 6)), "exact")


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_zero_output_for_mask(convention, unroll):
    repeated, state, _ = _run(convention, unroll=unroll)
    zeros, same, _ = _run(convention, unroll=unroll, zero_output_for_mask=True)
    assert_close(zeros, np.where(MASK[..., None], repeated, 0), "exact")
    assert_close(same, state, "exact")


@pytest.mark.parametrize("zero_output_for_mask", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_last_output_is_that_of_the_last_used_step(
    convention, zero_output_for_mask
):
    outputs, state, _ = _run(convention)
    last, same, _ = _run(
        convention, return_sequences=False, zero_output_for_mask=zero_output_for_mask
    )
    assert_close(last[0], outputs[0, 5], "exact")
    assert_close(last[1], np.zeros(6), "exact")
    assert_close(last[2], outputs[2, 6], "exact")
    assert_close(same, state, "exact")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_backwards_the_mask_goes_with_its_steps(convention):
    """Row 0 is used at 5, 2 and 1, which are the processing steps 1, 4 and 5."""
    outputs, state, _ = _run(convention, go_backwards=True)
    assert_close(outputs[0, 0], np.zeros(6), "exact")
    assert_close(outputs[0, 2], outputs[0, 1], "exact")
    assert_close(outputs[0, 3], outputs[0, 1], "exact")
    assert_close(outputs[0, 6], outputs[0, 5], "exact")
    assert_close(state[0], outputs[0, 6], "exact")
    assert np.abs(outputs[0, 4] - outputs[0, 3]).max() > 0.01
    assert np.abs(outputs[0, 5] - outputs[0, 4]).max() > 0.01


@pytest.mark.parametrize("convert", [np.asarray, keras.ops.convert_to_tensor])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: [m]])
def test_a_mask_in_every_form(wrap, dtype, convert):
    x = np.ones((3, 7, 5), "float32")
    layer = keras_gru.GRU(6, return_sequences=True)
    expected = to_numpy(layer(x, mask=MASK))
    outputs = to_numpy(layer(x, mask=wrap(convert(MASK.astype(dtype)))))
    assert_close(outputs, expected, "exact")
    assert np.abs(expected - to_numpy(layer(x))).max() > 0.01


def test_an_all_true_mask_is_no_mask():
    x = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    layer = keras_gru.GRU(6, return_sequences=True)
    masked = layer(x, mask=np.ones((3, 7), bool))
    assert_close(to_numpy(masked), to_numpy(layer(x)), "same_float32")


@pytest.mark.parametrize("with_state", [False, True])
def test_masking_layer(with_state):
    """Steps that are all zero are not used; also beside an initial state."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 7, 5)).astype("float32") * MASK[..., None]
    h = np.ones((3, 6), "float32")
    gru = keras_gru.GRU(6, return_sequences=True)
    sequences, state = keras.Input((7, 5)), keras.Input((6,))
    masked = keras.layers.Masking()(sequences)
    if with_state:
        model = keras.Model([sequences, state], gru(masked, initial_state=state))
        outputs, expected = model([x, h]), gru(x, initial_state=h, mask=MASK)
    else:
        model = keras.Model(sequences, gru(masked))
        outputs, expected = model(x), gru(x, mask=MASK)
    assert_close(to_numpy(outputs), to_numpy(expected), "same_float32")
    assert np.abs(to_numpy(expected) - to_numpy(gru(x))).max() > 0.01


def test_embedding_with_mask_zero():
    tokens = np.array([[0, 1, 2, 0, 0, 3, 0], [0] * 7, [4] * 7])
    gru = keras_gru.GRU(6, return_sequences=True)
    embedding = keras.layers.Embedding(5, 4, mask_zero=True)
    model = keras.Sequential([keras.Input((7,), dtype="int32"), embedding, gru])
    expected = gru(embedding(tokens), mask=tokens != 0)
    assert_close(to_numpy(model(tokens)), to_numpy(expected), "same_float32")


@pytest.mark.parametrize("return_sequences", [False, True])
def test_the_mask_goes_on_to_the_next_layer(return_sequences):
    """With sequences a later GRU skips the same steps; without, there are none left."""
    x = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    x *= MASK[..., None]
    layer = keras_gru.GRU(6, return_sequences=return_sequences)
    outputs = layer(keras.layers.Masking()(x))
    carried = keras_private.get(keras_private.GET_MASK)(outputs)
    if return_sequences:
        assert np.array_equal(to_numpy(carried), MASK)
        second = keras_gru.GRU(4)
        expected = second(outputs, mask=MASK)
        assert_close(to_numpy(second(outputs)), to_numpy(expected), "exact")
    else:
        assert carried is None


@pytest.mark.parametrize(("kernel", "convention"), HERE_WITH_CONVENTIONS)
def test_padding_may_hold_nan(kernel, convention):
    """In every kernel: it reaches no output, no state and no gradient."""
    case = Case(convention, "holes")
    given = numbers(case)
    layer = build_layer(case, given.weights, kernel=kernel)
    clean = run_layer(layer, given)
    given.x[~given.mask] = np.nan
    ran = run_layer(layer, given)
    assert_close(ran.outputs, clean.outputs, "exact")
    assert_close(ran.final_state, clean.final_state, "exact")
    for name, gradient in clean.gradients.items():
        assert_close(ran.gradients[name], gradient, "exact", name)


@pytest.mark.parametrize("implementation", [1, 2])
def test_padding_may_hold_nan_beside_dropout(implementation):
    case = Case("keep_after", "holes", "dropout")
    given = numbers(case)
    given.x[~given.mask] = np.nan
    layer = build_layer(case, given.weights, implementation=implementation)
    ran = run_layer(layer, given, training=True)
    assert np.isfinite(ran.outputs).all()
    for name, gradient in ran.gradients.items():
        assert np.isfinite(gradient).all(), name


def test_nan_at_a_used_step_is_not_hidden():
    x = np.ones((3, 7, 5), "float32")
    x[2, 4] = np.nan
    outputs = to_numpy(keras_gru.GRU(6, return_sequences=True)(x, mask=MASK))
    assert np.isnan(outputs[2, 4:]).all()
    assert not np.isnan(outputs[2, :4]).any()
    assert not np.isnan(outputs[:2]).any()


@pytest.mark.parametrize("kernel", ["auto", "portable"])
@pytest.mark.parametrize("form", ["(3, 7, 1)", "(1, 7)", "(1, 7, 1)"])
def test_forms_that_keras_broadcasts(form, kernel):
    """One mask for all rows, and a last axis of size 1."""
    layer = keras_gru.GRU(4, return_sequences=True, kernel=kernel)
    whole = np.ones((3, 7), bool)
    whole[:, 2:4] = False
    if form == "(3, 7, 1)":
        whole[1, 5:] = False
    given = whole[..., None] if form.endswith("1)") else whole
    given = given[:1] if form.startswith("(1") else given
    assert str(given.shape) == form
    expected = to_numpy(layer(X, mask=whole))
    assert_close(to_numpy(layer(X, mask=given)), expected, "exact")
    x, mask = keras.Input((7, 5)), keras.Input(batch_shape=given.shape, dtype="bool")
    model = keras.Model([x, mask], layer(x, mask=mask))
    assert_close(to_numpy(model([X, given])), expected, "same_float32")


@pytest.mark.parametrize("shape", [(3, 1), (7,), (1, 1), (3, 7, 2), (2, 7), (3, 1, 7)])
def test_forms_that_could_mean_two_things_are_refused(shape):
    with pytest.raises(ValueError, match=r"`mask` has shape"):
        keras_gru.GRU(4)(X, mask=np.ones(shape, bool))
