"""One trial: its seed, its space, its model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import keras_gru
from keras_gru import tuning
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.records import EPOCHS, SEED, Record
from keras_gru.tuning.spaces import explore
from keras_gru.tuning.trials import MODEL, TooLarge, run_trial
from tests.tuning.models import settings

INPUTS = np.random.default_rng(0).normal(size=(12, 5, 2)).astype("float32")
TARGETS = INPUTS[:, 0, :1]
FIT = {"x": INPUTS, "y": TARGETS, "validation_data": (INPUTS, TARGETS), "verbose": 0}
LOSS = settings(objective="val_loss")


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((5, 2)),
            tuning.gru(hp, units=3, variant="cho2014", dropout=(0.0, 0.2)),
            keras.layers.Dense(1),
        ]
    )
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


class Model(keras_tuner.HyperModel):
    def build(self, hp: Any) -> keras.Model:
        return build(hp)


def _run(folder: Path, seed: int, model: Any = None, **fit: Any) -> Any:
    model = model or Model()
    values = {"rate": 0.02, "gru_dropout": 0.1, SEED: seed, EPOCHS: 3}
    record = Record(7, values)
    return run_trial(model, LOSS, explore(model), record, folder, {**FIT, **fit})


def test_a_trial_run_again_gives_the_same_metric(tmp_path: Path) -> None:
    first = _run(tmp_path / "first", 5)
    again = _run(tmp_path / "again", 5)
    other = _run(tmp_path / "other", 6)
    assert again.metrics == first.metrics
    assert other.metrics != first.metrics
    assert first.epochs == 3
    assert set(first.metrics) == {"loss", "val_loss", "parameters"}


def test_the_model_of_the_best_epoch_is_saved(tmp_path: Path) -> None:
    class Spoiled(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 2:
                self.model.set_weights([w + 1.0 for w in self.model.get_weights()])

    report = _run(tmp_path, 5, callbacks=[Spoiled()])
    saved = keras.saving.load_model(tmp_path / MODEL)
    assert isinstance(saved.layers[0], keras_gru.GRU)
    loss = saved.evaluate(INPUTS, TARGETS, verbose=0)
    assert loss == pytest.approx(report.metrics["val_loss"], rel=1e-5)


def test_callbacks_are_fresh_for_every_trial(tmp_path: Path) -> None:
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    for folder in ("first", "second"):
        assert _run(tmp_path / folder, 5, callbacks=[stop]).epochs == 2
    with pytest.raises(SweepError, match=r"fit\['callbacks'\] cannot be copied"):
        _run(tmp_path, 5, callbacks=[_Uncopiable()])


class _Uncopiable(keras.callbacks.Callback):
    def __deepcopy__(self, memory: object) -> None:
        raise TypeError("it holds a socket")


def test_the_hypermodel_knows_its_trial(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Curious(keras_tuner.HyperModel):
        def build(self, hp: Any) -> None:
            hp.Boolean("b")

        def fit(self, hp: Any, model: None, **arguments: Any) -> dict[str, float]:
            seen.append((self.trial, arguments["epochs"], len(arguments["callbacks"])))
            return {"val_loss": 1.0, "epochs": 2}

    model = Curious()
    record = Record(3, {"b": True, SEED: 9, EPOCHS: 4})
    report = run_trial(model, LOSS, explore(model), record, tmp_path, {})
    ((trial, epochs, callbacks),) = seen
    assert (trial.trial_id, trial.seed, trial.folder) == ("0003", 9, tmp_path)
    assert (epochs, callbacks) == (4, 0)
    assert (report.epochs, report.metrics) == (2, {"val_loss": 1.0})


def test_every_branch_is_explored() -> None:
    class Branches(keras_tuner.HyperModel):
        def build(self, hp: Any) -> None:
            kind = hp.Choice("kind", ["plain", "gated"])
            with hp.conditional_scope("kind", ["gated"]):
                if kind == "gated":
                    depth = hp.Int("depth", 1, 2)
                    with hp.conditional_scope("depth", [2]):
                        if depth == 2:
                            hp.Float("second", 0.0, 1.0)

    space = explore(Branches())
    assert [hp.name for hp in space.space] == ["kind", "depth", "second"]
    assert space.values == {}


@pytest.mark.parametrize(
    ("results", "error"),
    [
        (None, "The return value of HyperModel.fit.. is None"),
        ({"loss": 1.0}, "to have the specified objective, val_loss"),
        ("good", "one of float, dict"),
    ],
)
def test_results_that_are_none(tmp_path: Path, results: Any, error: str) -> None:
    class Odd(keras_tuner.HyperModel):
        def build(self, hp: Any) -> None:
            hp.Boolean("b")

        def fit(self, hp: Any, model: None, **arguments: Any) -> Any:
            return results

    record = Record(3, {"b": True, SEED: 9})
    with pytest.raises((TypeError, ValueError), match=error):
        run_trial(Odd(), LOSS, explore(Odd()), record, tmp_path, {})


# The layer.


def test_gru_is_what_the_values_say() -> None:
    hp = keras_tuner.HyperParameters()
    hp.values = {
        "encoder_units": 64,
        "encoder_variant": "chung2014",
        "encoder_dropout": 0.2,
        "encoder_recurrent_dropout": 0.1,
    }
    layer = tuning.gru(
        hp,
        "encoder",
        units=(16, 128),
        recurrent_dropout=(0.0, 0.3),
        return_sequences=True,
        name="encoder",
    )
    assert (layer.units, layer.dropout, layer.recurrent_dropout) == (64, 0.2, 0.1)
    assert (layer.update_gate, layer.reset_after) == ("replace", False)
    assert layer.return_sequences
    (units,) = (p for p in hp.space if p.name == "encoder_units")
    assert list(units.values) == [16, 32, 64, 128]


def test_gru_searches_what_is_a_range_only() -> None:
    hp = keras_tuner.HyperParameters()
    layer = tuning.gru(hp, units=5, variant="haiku", dropout=0.1)
    assert hp.values == {}
    assert (layer.units, layer.dropout, layer.recurrent_dropout) == (5, 0.1, 0.0)
    tuning.gru(hp)
    names = {name: len(list(hp._hps[name][0].values)) for name in hp.values}
    assert names == {"gru_units": 5, "gru_dropout": 6, "gru_variant": 4}


def test_the_conventions_searched_are_all_there_are() -> None:
    from keras_gru.tuning.layer import CONVENTIONS

    def key(name: str) -> tuple[Any, ...]:
        return tuple(keras_gru.VARIANTS[name].values())

    assert len({key(name) for name in CONVENTIONS}) == len(CONVENTIONS) == 4
    assert {key(name) for name in CONVENTIONS} == {*map(key, keras_gru.VARIANTS)}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"variant": "lstm"}, ValueError, "`variant` must be one or several of keras"),
        ({"variant": []}, ValueError, "Received: variant=\\[\\]"),
        ({"units": (64, 32)}, ValueError, "gru_units must be .low, high. with low"),
        ({"dropout": (0.0, 0.1, 0.2)}, ValueError, "range of gru_dropout must be"),
        (
            {"reset_after": True},
            TypeError,
            "multiple values for keyword argument 'reset_after'",
        ),
    ],
)
def test_gru_refuses(arguments: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        tuning.gru(keras_tuner.HyperParameters(), **arguments)


def test_names_are_lazy() -> None:
    maker: Callable[..., Any] = tuning.gru
    assert maker.__name__ == "gru"
    with pytest.raises(AttributeError, match="no attribute 'lstm'"):
        _ = tuning.lstm


def test_a_model_that_is_too_large(tmp_path: Path) -> None:
    model = Model()
    record = Record(7, {"rate": 0.02, "gru_dropout": 0.1, SEED: 1})
    small = settings(objective="val_loss", max_parameters=10)
    with pytest.raises(TooLarge, match="parameters, more than 10"):
        run_trial(model, small, explore(model), record, tmp_path, FIT)
