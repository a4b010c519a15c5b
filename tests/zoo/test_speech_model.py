"""The recogniser: CTC, masks, decoding, word error rate, streaming."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import keras
import numpy as np
import pytest

from tests.zoo.tiny_speech import TASKS
from zoo.errors import ZooError
from zoo.speech import batches as data
from zoo.speech.augment import Spoken
from zoo.speech.config import PARAMETERS, SIZES, Config
from zoo.speech.decoding import GreedyDecoder, decode
from zoo.speech.decoding import posteriors as softmax
from zoo.speech.evaluation import logits_of, mean_nats, rates
from zoo.speech.features import Features
from zoo.speech.model import build, loss
from zoo.speech.streaming import PIECE, Listening

SMALL = {task: Config(units=7, layers=2, mels=8, pad_to=5, task=task) for task in TASKS}


def _features(config: Config) -> Features:
    return Features(
        config.mels,
        config.stack,
        np.full(config.mels, -5.0, np.float32),
        np.full(config.mels, 3.0, np.float32),
    )


def _randomised(config: Config, scale: float = 1.0) -> keras.Model:
    """A model whose weights, biases too, are random and unequal."""
    model = build(config)
    rng = np.random.default_rng(11)
    model.set_weights(
        [rng.normal(0, scale / 2, weight.shape) for weight in model.weights]
    )
    return model


def _sequences(config: Config, *lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [
        rng.normal(size=(length, config.width)).astype(np.float32) for length in lengths
    ]


@pytest.mark.once
@pytest.mark.parametrize("size", list(PARAMETERS))
def test_the_listed_parameters_are_those_of_the_model(size: str) -> None:
    name, task = size.split(", ")
    config = replace(SIZES[name], task=task)
    assert PARAMETERS[size] == build(config).count_params()
    assert len(PARAMETERS) == len(SIZES) * len(TASKS)


def test_a_mask_is_no_wider_than_the_features() -> None:
    with pytest.raises(ZooError, match="frequency_width=9; expected at most the 8"):
        replace(SMALL["digits"], frequency_width=9)


@pytest.mark.parametrize("task", TASKS)
def test_padding_does_not_change_the_result(task: str) -> None:
    config = SMALL[task]
    model = _randomised(config)
    sequences = _sequences(config, 9, 4, 13)
    together = logits_of(model, sequences, config)
    for one, logits in zip(sequences, together, strict=True):
        inputs = (one[None], np.ones((1, len(one)), bool))
        alone = np.asarray(model.predict_on_batch(inputs))[0]
        assert logits.shape == alone.shape
        np.testing.assert_allclose(logits, alone, atol=2e-5)
    features, mask = data.padded(sequences, 5)
    features[~mask] = 1e3
    changed = np.asarray(model.predict_on_batch((features, mask)))
    for row, logits in zip(changed, together, strict=True):
        np.testing.assert_allclose(
            row if task == "digits" else row[: len(logits)], logits, atol=2e-5
        )


# CTC.


def _ctc(logits: np.ndarray, classes: list[int]) -> float:
    """-log of the sum over alignments, one by one, in float64."""
    probabilities = softmax(logits)
    total = 0.0
    for path in product(range(logits.shape[1]), repeat=len(logits)):
        said = [
            one
            for index, one in enumerate(path)
            if one != data.BLANK and (index == 0 or one != path[index - 1])
        ]
        if said == classes:
            total += float(np.prod(probabilities[np.arange(len(path)), list(path)]))
    return -float(np.log(total))


@pytest.mark.parametrize("classes", [[2], [1, 2], [1, 1], []])
def test_ctc_is_the_sum_over_all_alignments(classes: list[int]) -> None:
    logits = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32) * 2
    targets = np.array([classes + [data.BLANK] * (3 - len(classes))], np.int32)
    found = float(loss(SMALL["strings"])(targets, logits[None]))
    assert found == pytest.approx(_ctc(logits, classes), rel=1e-5)


def test_ctc_of_a_batch_is_the_mean_of_each_string_alone() -> None:
    """The lengths are in the logits: padded steps are blank for certain."""
    config = SMALL["strings"]
    model = _randomised(config)
    sequences = _sequences(config, 20, 11, 16)
    examples = [
        Spoken(np.zeros(1), digits, ("x",) * len(digits))
        for digits in [(3, 3, 1), (7,), (0, 9, 9, 2)]
    ]
    targets = data.targets_of(examples, config)
    together = np.asarray(model.predict_on_batch(data.padded(sequences, 32)))
    each = [
        float(loss(config)(target[None], logits[None]))
        for target, logits in zip(
            targets, logits_of(model, sequences, config), strict=True
        )
    ]
    assert float(loss(config)(targets, together)) == pytest.approx(
        np.mean(each), rel=1e-5
    )
    nats = mean_nats(logits_of(model, sequences, config), examples, config)
    assert nats == pytest.approx(np.mean(each), rel=1e-5)


# Decoding and word error rate.


def test_greedy_decoding_joins_repeats_and_drops_blanks() -> None:
    path = [0, 3, 3, 0, 3, 10, 10, 1, 0, 0]
    heard = GreedyDecoder().push(np.eye(11)[path] * 9)
    assert [one.digit for one in heard] == [2, 2, 9, 0]
    assert [one.step for one in heard] == [1, 4, 5, 7]
    assert heard[0].probability == pytest.approx(softmax(np.eye(11)[0] * 9)[0])


@pytest.mark.parametrize("cut", range(11))
def test_decoding_in_pieces(cut: int) -> None:
    logits = np.eye(11)[[0, 3, 3, 0, 3, 10, 10, 1, 0, 0]]
    decoder = GreedyDecoder()
    pieces = decoder.push(logits[:cut]) + decoder.push(logits[cut:])
    assert pieces == GreedyDecoder().push(logits)


def test_word_error_rate_counts_over_all_strings() -> None:
    examples = [
        Spoken(np.zeros(1), digits, ("x",) * len(digits))
        for digits in [(1, 2, 3), (4, 5, 6, 7), (8, 9, 0)]
    ]
    said = [[1, 2, 3], [4, 6, 7], [8, 8, 0, 0]]  # right; one missing; a wrong one, more
    assert rates(said, examples, SMALL["strings"]) == {"wer": pytest.approx(3 / 10)}
    digits = [Spoken(np.zeros(1), (one,), ("x",)) for one in (1, 2, 3)]
    assert rates([[1], [2], [4]], digits, SMALL["digits"]) == {
        "accuracy": pytest.approx(2 / 3)
    }


# Streaming.


@pytest.mark.parametrize(("stack", "piece"), [(1, 97), (2, PIECE), (3, 4000)])
def test_streaming_is_the_offline_result(stack: int, piece: int) -> None:
    config = replace(SMALL["strings"], stack=stack)
    model = _randomised(config, scale=3.0)
    features = _features(config)
    rng = np.random.default_rng(6)
    loudness = np.repeat([0.3, 0.0, 0.1, 0.0, 0.5], 500)
    samples = (rng.normal(size=2500) * loudness).astype(np.float32)
    whole = features.of(data.with_tail(samples, config))
    (offline,) = logits_of(model, [whole], config)
    listening = Listening(model, features, config)
    grown = []
    for start in range(0, len(samples), piece):
        listening.push(samples[start : start + piece])
        grown.append(len(listening.heard))
    listening.finish()
    assert grown == sorted(grown)
    np.testing.assert_allclose(np.stack(listening.logits), offline, atol=1e-4)
    expected = decode(offline, config)
    assert [(one.digit, one.step) for one in listening.heard] == [
        (one.digit, one.step) for one in expected
    ]
    assert len(expected) > 2


def test_what_reads_from_the_end_cannot_stream() -> None:
    config = SMALL["digits"]
    with pytest.raises(ValueError, match="batch_size=1 with task='digits'"):
        Listening(build(config), _features(config), config)


def test_a_step_of_training_changes_every_weight() -> None:
    for config in SMALL.values():
        model = build(config, seed=3)
        model.compile("sgd", loss(config))
        before = model.get_weights()
        inputs = data.padded(_sequences(config, 30, 22), config.pad_to)
        examples = [Spoken(np.zeros(1), (digit,), ("x",)) for digit in (4, 7)]
        value = model.train_on_batch(inputs, data.targets_of(examples, config))
        assert np.isfinite(float(value))
        for name, old, new in zip(
            [weight.path for weight in model.weights],
            before,
            model.get_weights(),
            strict=True,
        ):
            assert (old != new).any(), name


def test_the_search_begins_at_the_size() -> None:
    keras_tuner = pytest.importorskip("keras_tuner")
    from zoo.speech.search import NUISANCE, SCIENTIFIC, search_space

    for size, config in SIZES.items():
        hp = keras_tuner.HyperParameters()
        assert search_space(hp, size) == config
        assert set(hp.values) == {*SCIENTIFIC, *NUISANCE}
    hp.values.update(layers=1, stack=4, variant="cho2014")
    model = build(search_space(hp, "tiny"))
    assert model.input_shape[0] == (None, None, 160)
