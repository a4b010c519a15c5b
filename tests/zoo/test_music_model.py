"""The music model: its formula, its loss, its figures, its stream."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from tests import oracle
from tests.tolerances import assert_close
from tests.zoo.tiny_music import TINY
from zoo.polyphonic_music.composing import chords, compose, notes
from zoo.polyphonic_music.config import PARAMETERS, SIZES, Config
from zoo.polyphonic_music.evaluation import measure
from zoo.polyphonic_music.model import build, loss

KINDS = (
    "gru",
    *(pytest.param(one, marks=pytest.mark.once) for one in ("lstm", "tanh")),
)


def _randomised(config: Config, **options: object) -> keras.Model:
    """A model whose weights, biases too, are random and unequal."""
    model = build(config, **options)
    rng = np.random.default_rng(11)
    model.set_weights([rng.normal(0, 0.3, weight.shape) for weight in model.weights])
    return model


def _pieces(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [(rng.random((length, 88)) < 0.05).astype(np.uint8) for length in lengths]


def _nats(logits: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """By probabilities, in float64: (time,)."""
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    return -np.log(np.where(piece == 1, p, 1 - p)).sum(axis=1)


@pytest.mark.once
@pytest.mark.parametrize("size", list(SIZES))
def test_the_listed_parameters_are_those_of_the_model(size: str) -> None:
    assert PARAMETERS[size] == build(SIZES[size]).count_params()


def test_the_model_is_its_formula() -> None:
    model = _randomised(replace(TINY, variant="chung2014"))
    x = np.stack(_pieces(7, 7)).astype("float32")
    kernel, recurrent, bias = model.get_layer("gru").get_weights()
    out, out_bias = model.get_layer("logits").get_weights()
    expected = [
        oracle.forward(
            row[None],
            np.zeros((1, 6)),
            kernel,
            recurrent,
            bias,
            update_gate="replace",
            reset_after=False,
        ).outputs[0]
        @ out
        + out_bias
        for row in x
    ]
    assert_close(np.asarray(model.predict_on_batch(x)), np.stack(expected), "float32")


def test_the_loss_is_a_sum_over_keys_and_a_mean_over_the_steps_that_are_there() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 4, (3, 6, 88)).astype("float32")
    target = np.full((3, 6, 88), np.nan, "float32")
    each = []
    for row, piece in enumerate(_pieces(6, 1, 4)):
        target[row, : len(piece)] = piece
        each += list(_nats(logits[row, : len(piece)], piece))
    assert len(each) == 11
    found = loss(*(keras.ops.convert_to_tensor(one) for one in (target, logits)))
    found = float(keras.ops.convert_to_numpy(found))
    assert found == pytest.approx(np.mean(each), rel=1e-5)


def test_large_logits_and_padding_leave_the_loss_finite() -> None:
    logits = keras.ops.convert_to_tensor(np.full((1, 2, 88), -1e4, "float32"))
    target = np.full((1, 2, 88), np.nan, "float32")
    assert float(loss(keras.ops.convert_to_tensor(target), logits)) == 0.0
    target[0, 0] = 1.0
    found = float(loss(keras.ops.convert_to_tensor(target), logits))
    assert found == pytest.approx(88e4)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_those_of_each_piece_alone(kind: str) -> None:
    """Pieces of several lengths and batches, each read whole by itself."""
    model = _randomised(replace(TINY, kind=kind))
    pieces = _pieces(*[2, 9] * 9, 65, 130)
    each = []
    for piece in pieces:
        before = np.zeros((1, *piece.shape), "float32")
        before[0, 1:] = piece[:-1]
        each.append(_nats(np.asarray(model.predict_on_batch(before))[0], piece))
    found = measure(model, pieces)
    assert found["nats"] == pytest.approx(np.mean(np.concatenate(each)), rel=1e-5)
    without = np.concatenate([nats[1:] for nats in each])
    assert found["nats_after_first"] == pytest.approx(np.mean(without), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_composing_step_by_step_is_the_whole_piece(kind: str) -> None:
    """At a temperature near 0 a key sounds where its logit is positive."""
    config = replace(TINY, kind=kind)
    model = _randomised(config)
    (prime,) = _pieces(5)
    roll = compose(model, config, prime, 6, 1e-6, 0)
    np.testing.assert_array_equal(roll[:5], prime)
    before = np.zeros((1, 11, 88), "float32")
    before[0, 1:] = roll[:-1]
    logits = np.asarray(model.predict_on_batch(before))[0]
    np.testing.assert_array_equal(roll[5:], logits[5:] > 0)
    assert roll[5:].any()


@pytest.mark.once
def test_keys_are_drawn_with_their_probability() -> None:
    model = build(TINY)
    values = model.get_weights()
    logits = np.linspace(-3, 3, 88)
    model.set_weights([*(np.zeros_like(one) for one in values[:-1]), logits])
    for temperature in (1.0, 3.0):
        roll = compose(model, TINY, np.zeros((0, 88)), 400, temperature, 4)
        expected = 1 / (1 + np.exp(-logits / temperature))
        assert np.abs(roll.mean(axis=0) - expected).max() < 0.1
    again = compose(model, TINY, np.zeros((0, 88)), 400, 3.0, 4)
    np.testing.assert_array_equal(again, roll)
    assert (compose(model, TINY, np.zeros((0, 88)), 9, 3.0, 5) != roll[:9]).any()


@pytest.mark.once
def test_notes_are_midi_numbers() -> None:
    roll = np.zeros((3, 88), np.uint8)
    roll[0, [0, 39]] = roll[2, 87] = 1  # A0, middle C, C8
    assert notes(roll) == [[21, 60], [], [108]]
    assert chords(roll) == ["21 60", "-", "108"]
