"""The model: its size, its carried state, its evaluation, its streaming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

import keras_gru
from keras_gru.resume.checkpoint import values_of
from tests.zoo.tiny_zoo import TINY
from zoo.backend import chosen
from zoo.config import words
from zoo.errors import ZooError
from zoo.language_model import data, train
from zoo.language_model.config import PARAMETERS, SIZES
from zoo.language_model.evaluation import mean_nats
from zoo.language_model.model import build, reset_carried_state
from zoo.language_model.sampling import Sampling
from zoo.language_model.search import NUISANCE, SCIENTIFIC, search_space
from zoo.language_model.tokens import Vocabulary
from zoo.language_model.use import generate
from zoo.sweeps.spaces import VARIANTS
from zoo.training.runs import Run, RunFolder
from zoo.training.weights import copy_weights

CONFIG = replace(TINY, vocabulary_size=9)
IDS = np.random.default_rng(0).integers(0, 9, size=80).astype("int32")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Without carried state, random weights, biases too."""
    keras.utils.set_random_seed(3)
    built = build(CONFIG)
    random = np.random.default_rng(1)
    built.set_weights([random.normal(0, 0.4, size=w.shape) for w in built.weights])
    return built


@pytest.mark.once
@pytest.mark.parametrize("size", ["small", "base"])  # the tests have a smaller "tiny"
def test_the_listed_parameters_are_those_of_the_model(size: str) -> None:
    config = replace(SIZES[size], vocabulary_size=65)
    assert PARAMETERS[size] == build(config).count_params()


def test_a_tied_model_has_one_matrix_for_both_ends() -> None:
    config = replace(CONFIG, tied=True, dropout=0.0)
    tied = build(config)
    matrix = 0.1 * np.arange(9 * 6, dtype="float32").reshape(9, 6)
    (embedding,) = [w for w in tied.weights if w.path.endswith("embeddings")]
    embedding.assign(matrix)
    # h -> P h + p -> E: the logits of a known state.
    inside = keras.Model(tied.input, tied.get_layer("projection").output)
    projected = keras.ops.convert_to_numpy(inside(IDS[None, :5]))
    logits = keras.ops.convert_to_numpy(tied(IDS[None, :5]))
    np.testing.assert_allclose(logits, projected @ matrix.T, rtol=1e-4, atol=1e-4)
    scaled = keras.Model(tied.input, tied.get_layer("scaled").output)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(scaled(IDS[None, :5]))[0],
        matrix[IDS[:5]] * np.sqrt(6.0),
        rtol=1e-6,
    )


def test_each_layer_has_its_own_dropout() -> None:
    config = replace(CONFIG, dropout=(0.0, 0.25, 0.5))
    rates = [
        layer.rate
        for layer in build(config).layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert rates == [0.0, 0.25, 0.5]
    with pytest.raises(ZooError, match=r"expected 3 rates"):
        replace(CONFIG, dropout=(0.1, 0.2))


def test_recurrent_dropout_is_of_every_layer_and_of_training_only() -> None:
    config = replace(CONFIG, dropout=0.0, recurrent_dropout=0.5)
    first, second = build(config, seed=1), build(config, seed=1)
    other = build(config, seed=2)
    for model in (second, other):
        copy_weights(first, model)
    ids = IDS.reshape(4, 20)

    def logits(model: keras.Model, training: bool) -> np.ndarray:
        return np.asarray(keras.ops.convert_to_numpy(model(ids, training=training)))

    dropped = logits(first, True)
    np.testing.assert_array_equal(dropped, logits(second, True))
    assert np.abs(dropped - logits(other, True)).max() > 1e-3
    np.testing.assert_array_equal(logits(first, False), logits(other, False))
    layers = [one for one in first.layers if isinstance(one, keras_gru.GRU)]
    assert [one.recurrent_dropout for one in layers] == [0.5] * config.layers
    assert len({one.get_config()["seed"] for one in layers}) == config.layers


def test_the_search_space_is_a_size_until_something_is_drawn() -> None:
    hp = keras_tuner.HyperParameters()
    assert search_space(hp, "small") == replace(SIZES["small"], dropout=0.1)
    assert set(hp.values) == {*SCIENTIFIC, *NUISANCE}
    drawn = {"variant": "chung2014", "units": 116, "layers": 2, "learning_rate": 2e-3}
    hp.values.update(drawn)
    config = replace(search_space(hp, "small"), vocabulary_size=9)
    assert drawn.items() <= vars(config).items()
    gru = build(config).get_layer("gru_2")
    assert (gru.units, gru.cell.reset_after) == (116, False)


def test_the_variants_to_search_are_the_four_conventions() -> None:
    conventions = [tuple(keras_gru.VARIANTS[name].items()) for name in VARIANTS]
    assert len(set(conventions)) == 4
    assert set(conventions) == {tuple(v.items()) for v in keras_gru.VARIANTS.values()}


def test_sizes_keep_to_their_limits() -> None:
    limits = {"tiny": 200_000, "small": 800_000, "base": 10_650_000}
    for name, limit in limits.items():
        assert PARAMETERS[name] <= limit


def test_a_model_without_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary_size=0"):
        build(TINY)


def test_windows_with_carried_state_equal_one_pass(model: keras.Model) -> None:
    carried = build(CONFIG, batch_size=2)
    copy_weights(model, carried)
    ids = IDS[:60].reshape(2, 30)
    whole = keras.ops.convert_to_numpy(model(ids))
    windows = [carried.predict_on_batch(ids[:, k : k + 10]) for k in (0, 10, 20)]
    np.testing.assert_allclose(np.concatenate(windows, axis=1), whole, atol=1e-5)
    # And the state is what does it: without it the second window differs.
    reset_carried_state(carried)
    alone = carried.predict_on_batch(ids[:, 10:20])
    assert np.abs(alone - whole[:, 10:20]).max() > 1e-2


def _one_pass(model: keras.Model, ids: np.ndarray) -> float:
    """Summed loss of a text, read at once from the zero state."""
    logits = keras.ops.convert_to_numpy(model(ids[None, :-1]))[0].astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return float(-logs[np.arange(len(ids) - 1), ids[1:]].sum())


@pytest.mark.parametrize(("streams", "timesteps"), [(1, 7), (1, 100), (4, 9)])
def test_evaluation_equals_one_long_pass(
    model: keras.Model, streams: int, timesteps: int
) -> None:
    carried = build(CONFIG, batch_size=streams)
    copy_weights(model, carried)
    expected = _one_pass(model, IDS) / 79
    # Where the warm-up reaches back to the text's beginning, nothing is approximate.
    assert mean_nats(carried, IDS, timesteps, warmup=79) == pytest.approx(
        expected, abs=1e-5
    )


def test_evaluation_without_warmup_begins_each_stream_anew(
    model: keras.Model,
) -> None:
    carried = build(CONFIG, batch_size=4)
    copy_weights(model, carried)
    parts = [IDS[start : start + 21] for start in (0, 20, 40, 60)]
    expected = sum(_one_pass(model, part) for part in parts) / 79
    found = mean_nats(carried, IDS, 9, warmup=0)
    assert found == pytest.approx(expected, abs=1e-5)
    assert abs(found - mean_nats(carried, IDS, 9, warmup=79)) > 1e-4


def test_text_drawn_step_by_step_is_what_one_pass_predicts(model: keras.Model) -> None:
    streaming = build(CONFIG, batch_size=1)
    copy_weights(model, streaming)
    vocabulary = Vocabulary("abcdefghi")
    prompt = "headache"
    text = prompt + "".join(
        generate(streaming, vocabulary, prompt, Sampling(length=20, temperature=0.0))
    )
    logits = keras.ops.convert_to_numpy(model(vocabulary.encode(text)[None]))[0]
    greedy = vocabulary.decode(logits.argmax(-1))
    assert text[len(prompt) :] == greedy[len(prompt) - 1 : -1]


def test_the_training_carries_its_state_and_drops_it_at_a_new_epoch(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[np.ndarray]] = []

    class Watch(train.NewText):
        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
            super().on_train_batch_begin(batch, logs)
            layers = [x for x in self.model.layers if isinstance(x, keras_gru.GRU)]
            seen.append(values_of([layer.states[0] for layer in layers]))

    monkeypatch.setattr(train, "NewText", Watch)
    source, folder = data.Source(text=str(text_file)), RunFolder(tmp_path / "run")
    train.train(Run("language_model", TINY, source, "tiny", 0, chosen(), folder))
    steps = 540 // TINY.batch_size // TINY.timesteps
    assert len(seen) == TINY.epochs * steps
    for step, states in enumerate(seen):
        begins = step % steps == 0
        assert all((state == 0).all() for state in states) == begins


@pytest.mark.parametrize("layer", words(type(CONFIG), "layer"))
def test_every_layer_carries_its_state(layer: str) -> None:
    config = replace(CONFIG, layer=layer, layers=1, dropout=0.0)
    model, whole = build(config, 1), build(config)
    copy_weights(whole, model)
    ids = np.arange(8, dtype="int32")[None]
    parts = [model.predict_on_batch(ids[:, part]) for part in (slice(3), slice(3, 8))]
    expected = keras.ops.convert_to_numpy(whole(ids))
    np.testing.assert_allclose(np.concatenate(parts, 1), expected, atol=1e-5)
