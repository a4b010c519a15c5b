"""The translation model: its size, masks, loss, and its step by step form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.zoo.translation_helpers import TINY_TRANSLATION
from zoo.training.optimizers import adamw
from zoo.training.weights import weights_to_use
from zoo.translation.config import PARAMETERS, SIZES, Config
from zoo.translation.data import Buckets, padded
from zoo.translation.decoding import Decoder, beam_search
from zoo.translation.evaluation import mean_nats, smoothed_cross_entropy
from zoo.translation.model import build
from zoo.translation.subwords import BOS, EOS, PAD

CONFIG = replace(TINY_TRANSLATION, vocabulary_size=13, decoder_layers=2)
SENTENCES = [[4, 5, 6, 7, 8], [9, 10], [12, 4, 11, 5]]


def _randomised(config: Config) -> keras.Model:
    """A model with random weights, biases too."""
    model = build(config)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, 0.5, size=w.shape) for w in model.weights])
    return model


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return _randomised(CONFIG)


def _logits(model: keras.Model, sources: np.ndarray, before: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict_on_batch((sources, before)))


@pytest.mark.once
@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_the_listed_parameters_are_those_of_the_model(size: str) -> None:
    config = replace(SIZES[size], vocabulary_size=SIZES[size].vocabulary)
    assert PARAMETERS[size] == build(config).count_params()


def test_base_fits_into_the_presets() -> None:
    assert 2 * PARAMETERS["base"] < 10e6  # bytes


def test_a_model_without_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary_size=0"):
        build(TINY_TRANSLATION)


def test_padding_changes_no_logit(model: keras.Model) -> None:
    source = padded([[*ids, EOS] for ids in SENTENCES])
    before = padded([[BOS, *ids[::-1]] for ids in SENTENCES])
    wide = _logits(model, padded(source, 11), padded(before, 9))
    for row, ids in enumerate(SENTENCES):
        alone = _logits(model, np.array([[*ids, EOS]]), np.array([[BOS, *ids[::-1]]]))
        np.testing.assert_allclose(wide[row, : len(ids) + 1], alone[0], atol=1e-5)


def test_no_position_sees_what_it_is_to_predict(model: keras.Model) -> None:
    source = padded([[*SENTENCES[0], EOS]])
    one = _logits(model, source, np.array([[BOS, 4, 5, 6]]))
    other = _logits(model, source, np.array([[BOS, 4, 9, 6]]))
    np.testing.assert_allclose(one[:, :2], other[:, :2], atol=1e-6)
    assert np.abs(one[:, 2:] - other[:, 2:]).max() > 1e-3


def test_every_position_reads_the_whole_source(model: keras.Model) -> None:
    before = np.array([[BOS, 4]])
    one = _logits(model, np.array([[4, 5, 6, EOS]]), before)
    other = _logits(model, np.array([[4, 5, 7, EOS]]), before)
    assert np.abs(one - other).max(axis=-1).min() > 1e-4


def test_a_row_of_padding_is_finite(model: keras.Model) -> None:
    source = padded([[4, EOS]], rows=2)
    assert np.isfinite(_logits(model, source, padded([[BOS, 4]], rows=2))).all()


@pytest.mark.parametrize("variant", ["keras", "cho2014", "chung2014", "replace_after"])
@pytest.mark.parametrize("layers", [1, 2])
def test_steps_equal_the_teacher_forced_pass(variant: str, layers: int) -> None:
    config = replace(CONFIG, variant=variant, decoder_layers=layers)
    model = _randomised(config)
    decoder = Decoder(model, config, hypotheses=2)
    source = padded([[*ids, EOS] for ids in SENTENCES])
    # Two hypotheses of each sentence, forced: the sentence itself, and another.
    forced = np.stack([padded(SENTENCES, 5), padded(SENTENCES[::-1], 5)], axis=1)
    forced[forced == PAD] = 4
    memory, states = decoder.start(source)
    tokens = np.full((3, 2), BOS, dtype="int32")
    for step in range(5):
        best, ids, attention, states = decoder.step(tokens, memory, states)
        np.testing.assert_allclose(attention.sum(-1), 1.0, atol=1e-5)
        assert (attention[np.repeat(source[:, None] == PAD, 2, axis=1)] == 0).all()
        for place in range(2):
            before = np.concatenate(
                [np.full((3, 1), BOS), forced[:, place, :step]], axis=1
            )
            logits = _logits(model, source, before.astype("int32"))[:, -1]
            logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            logs[:, [PAD, BOS, 3]] = -np.inf
            expected = -np.sort(-logs, axis=-1)[:, :4]
            np.testing.assert_allclose(best[:, place], expected, atol=1e-4)
            found = np.take_along_axis(logs, np.asarray(ids[:, place]), axis=-1)
            np.testing.assert_allclose(found, expected, atol=1e-4)
        tokens = forced[:, :, step]


def test_one_hypothesis_is_greedy_search(model: keras.Model) -> None:
    source = padded([[*ids, EOS] for ids in SENTENCES])
    found = beam_search(Decoder(model, CONFIG, 1), source, [8, 8, 8])
    for row in range(len(SENTENCES)):
        before, total = [BOS], 0.0
        while len(before) <= 8:
            logits = _logits(model, source[row : row + 1], np.array([before]))[0, -1]
            logs = logits - np.log(np.exp(logits).sum())
            logs[[PAD, BOS, 3]] = -np.inf
            token = int(logs.argmax())
            total += float(logs[token])
            if token == EOS:
                break
            before.append(token)
        assert found[row].ids == before[1:]
        if len(before) <= 8:
            assert found[row].score == pytest.approx(total / len(before), abs=1e-4)


def _distribution_loss(
    logits: np.ndarray, targets: np.ndarray, smoothing: float
) -> float:
    """The loss as it is defined: cross-entropy with the smoothed distribution."""
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    truth = np.full(logits.shape, smoothing / logits.shape[-1])
    np.put_along_axis(
        truth,
        targets[..., None],
        1 - smoothing + smoothing / logits.shape[-1],
        axis=-1,
    )
    nats = -(truth * logs).sum(-1)
    return float(nats[targets != PAD].mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_loss_is_the_smoothed_cross_entropy_without_padding(smoothing: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 3, 7))
    targets = np.array([[4, 6, EOS], [5, EOS, PAD]])
    loss: Callable[..., object] = smoothed_cross_entropy(smoothing)
    found = float(
        keras.ops.convert_to_numpy(loss(targets.astype("float32"), logits.astype("f")))
    )
    expected = _distribution_loss(logits, targets, smoothing)
    assert found == pytest.approx(expected, abs=1e-5)


def test_mean_nats_counts_each_subword_once(model: keras.Model) -> None:
    batches = Buckets(SENTENCES, SENTENCES[::-1], tokens=16, pad_to=4)
    total, count = 0.0, 0
    for source, target in zip(SENTENCES, SENTENCES[::-1], strict=True):
        logits = _logits(model, np.array([[*source, EOS]]), np.array([[BOS, *target]]))
        targets = np.array([[*target, EOS]])
        total += _distribution_loss(logits, targets, 0.0) * targets.size
        count += targets.size
    assert mean_nats(model, batches) == pytest.approx(total / count, abs=1e-5)


def test_the_weights_that_are_kept_are_averages() -> None:
    config = replace(CONFIG, averaging=0.5, dropout=0.0)
    model = build(config)
    model.compile(adamw(config, 10, config.averaging), smoothed_cross_entropy(0.1))
    model.optimizer.build(model.trainable_variables)
    batches = Buckets(SENTENCES, SENTENCES, tokens=64, pad_to=4)
    average = None
    for step in range(3):
        model.train_on_batch(*batches.batch(step))
        kernel = keras.ops.convert_to_numpy(model.get_layer("keys").kernel)
        average = kernel if average is None else 0.5 * average + 0.5 * kernel
    kept = dict(
        zip([w.path for w in model.weights], weights_to_use(model), strict=True)
    )
    path = model.get_layer("keys").kernel.path
    np.testing.assert_allclose(kept[path], average, atol=1e-6)
    assert np.abs(kept[path] - kernel).max() > 1e-5
