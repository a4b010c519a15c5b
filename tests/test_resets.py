"""Resets: sequences that begin inside of a row, each as if it stood alone."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS, ODD, Case, make_weights, numbers
from tests.contract import HERE
from tests.passes import check, kernel_refuses, set_weights, to_numpy
from tests.tolerances import assert_close

MASKS = ("none", "right", "left", "holes", "empty_row")
OPTIONS = ("default", "backwards", "last_backwards", "both_dropouts", "zero_output")
OPTIONS += ("learned_state", "zoneout_drawn", "layer_norm", "layer_norm_dropped")
RESETS = np.random.default_rng(5).random(ODD[:2]) < 0.4


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kernel", HERE)
def test_against_the_oracle(kernel, convention, option, mask):
    case = Case(convention, mask, option)
    given = dataclasses.replace(numbers(case), resets=RESETS)
    if kernel_refuses(kernel, case, "float64", resets=True):
        with pytest.raises(ValueError, match=f"kernel={kernel!r} cannot run"):
            check(case, "float64", given=given, kernel=kernel)
    else:
        check(case, "float64", given=given, kernel=kernel)


def test_which_kernels_refuse():
    """No kernel leaves resets aside without a word."""
    case = Case("keep_after")
    refusing = {name for name in HERE if kernel_refuses(name, case, "float32")}
    also = {name for name in HERE if kernel_refuses(name, case, "float32", resets=True)}
    assert also - refusing <= {"torch_native", "torch_triton", "tensorflow_cudnn"}


def _two_sequences(layer):
    """The outputs of two sequences, packed into one row and alone."""
    x = np.random.default_rng(2).normal(size=(1, 7, 5)).astype("float32")
    resets = np.zeros((1, 7), bool)
    resets[0, [0, 3]] = True
    packed = to_numpy(layer(x, resets=resets))
    return packed, [to_numpy(layer(x[:, :3])), to_numpy(layer(x[:, 3:]))]


@pytest.mark.parametrize("wrapper", [keras_gru.GRU, keras_gru.Bidirectional])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_packed_row_is_its_sequences(convention, wrapper):
    options = CONVENTIONS[convention]
    layer = keras_gru.GRU(6, return_sequences=True, seed=1, **options)
    if wrapper is keras_gru.Bidirectional:
        layer = wrapper(layer)
    packed, alone = _two_sequences(layer)
    assert_close(packed, np.concatenate(alone, 1), "same_float32")


@pytest.mark.parametrize("merge_mode", ["sum", "mul", "ave", "concat", None])
def test_bidirectional_merges_as_keras(merge_mode):
    """With resets that begin nothing new it is Keras' own call."""
    gru = keras_gru.GRU(6, return_sequences=True, return_state=True, seed=1)
    layer = keras_gru.Bidirectional(gru, merge_mode=merge_mode)
    x = np.random.default_rng(2).normal(size=(2, 7, 5)).astype("float32")
    states = [np.full((2, 6), value, "float32") for value in (0.3, -0.2)]
    ours = layer(x, initial_state=states, resets=np.zeros((2, 7), bool))
    keras_own = layer(x, initial_state=states)
    for a, b in zip(ours, keras_own, strict=True):
        assert_close(to_numpy(a), to_numpy(b), "same_float32")


def test_the_cell():
    cell = keras_gru.GRUCellV(6)
    cell.build((2, 5))
    set_weights(cell, make_weights(5, 6, np.random.default_rng(0), reset_after=True))
    x, h = np.ones((2, 5), "float32"), np.ones((2, 6), "float32")
    output, _ = cell(x, [h], resets=np.array([True, False]))
    assert_close(to_numpy(output)[0], to_numpy(cell(x, [0 * h])[0])[0], "exact")
    assert_close(to_numpy(output)[1], to_numpy(cell(x, [h])[0])[1], "exact")


def test_in_a_functional_model_that_is_saved(tmp_path):
    inputs = keras.Input((7, 5)), keras.Input((7,), dtype="bool")
    outputs = keras_gru.GRU(6, return_sequences=True)(inputs[0], resets=inputs[1])
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    x = np.random.default_rng(2).normal(size=(*ODD[:2], 5)).astype("float32")
    model.fit((x, RESETS), np.zeros((*ODD[:2], 6)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    expected = model.predict((x, RESETS), verbose=0)
    assert_close(again.predict((x, RESETS), verbose=0), expected, "same_float32")
    other = model.predict((x, ~RESETS), verbose=0)
    assert np.abs(other - expected).max() > 1e-3


def test_stateful_goes_on_until_a_reset():
    layer = keras_gru.GRU(6, stateful=True, return_sequences=True, seed=1)
    x = np.random.default_rng(2).normal(size=(1, 4, 5)).astype("float32")
    first = to_numpy(layer(x))
    resets = np.array([[True, False, False, False]])
    assert np.abs(to_numpy(layer(x)) - first).max() > 1e-3  # it went on
    assert_close(to_numpy(layer(x, resets=resets)), first, "same_float32")


@pytest.mark.parametrize("shape", [(2, 3), (3, 7, 1), (7,)])
def test_another_shape_is_told(shape):
    layer = keras_gru.GRU(6)
    with pytest.raises(ValueError, match=r"Argument `resets` .*\(batch, time\)"):
        layer(np.ones((3, 7, 5), "float32"), resets=np.zeros(shape, bool))


def test_packed_sequences_come_back():
    rng = np.random.default_rng(3)
    words = [rng.normal(size=(n, 5)).astype("float32") for n in (4, 9, 1, 3, 6, 2)]
    packed = keras_gru.pack_sequences(words)
    assert packed.sequences.shape == (3, 9, 5)  # 25 steps in rows of 9
    layer = keras_gru.Bidirectional(keras_gru.GRU(6, return_sequences=True, seed=1))
    arguments = {"mask": packed.mask, "resets": packed.resets}
    outputs = packed.unpack(to_numpy(layer(packed.sequences, **arguments)))
    for word, output in zip(words, outputs, strict=True):
        assert_close(output, to_numpy(layer(word[None]))[0], "same_float32")


@pytest.mark.parametrize(
    ("sequences", "timesteps", "words"),
    [
        ([], None, "has no sequence"),
        ([np.ones((0, 2))], None, r"shape \(0, 2\) at 0"),
        ([np.ones((3, 2)), np.ones((3, 4))], None, r"shape \(3, 4\) at 1"),
        ([np.ones((3, 2))], 2, "1 to 2 steps"),
    ],
)
def test_what_cannot_be_packed(sequences, timesteps, words):
    with pytest.raises(ValueError, match=words):
        keras_gru.pack_sequences(sequences, timesteps)


def test_outputs_without_time_are_not_unpacked():
    packed = keras_gru.pack_sequences([np.ones((3, 2))])
    with pytest.raises(ValueError, match="return_sequences=True"):
        packed.unpack(np.ones((1, 4)))
