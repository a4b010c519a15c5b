"""``python -m zoo sweep``: a program's space, its trials, its best run."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pytest

from keras_gru import tuning
from keras_gru.tuning.records import EPOCHS, SEED
from keras_gru.tuning.trials import TooLarge, Trial
from tests.zoo.conftest import Zoo, table
from tests.zoo.tiny_zoo import TinyModel
from zoo.backend import chosen
from zoo.errors import ZooError
from zoo.language_model.config import SIZES
from zoo.language_model.search import search_space
from zoo.programs import PROGRAMS
from zoo.sweeps import model as sweep_model
from zoo.sweeps.model import ProgramModel, settings_of


def _model(text_file: Path, folder: Path, **changes: Any) -> TinyModel:
    settings = settings_of("language_model", None, chosen(), [f"text={text_file}"])
    model = TinyModel("language_model", settings)
    model.trial = Trial("0003", 7, folder, **changes)
    return model


def _values(**changes: Any) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.values = {"units": 12, "variant": "chung2014"}
    hp.values |= {SEED: 7, EPOCHS: 1, **changes}
    return hp


def test_a_sweep_in_processes(
    zoo: Zoo, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The true thing, once a backend: worker, two trainings, the best run."""
    monkeypatch.setattr(sweep_model, "ProgramModel", TinyModel)
    out = tmp_path / "sweep"
    command = ("sweep", "language_model", "--tuner", "random", "--epochs", 1)
    command = (*command, "--option", f"text={text_file}", "--out", out)
    outcome = zoo(*command, "--trials", 2)
    assert outcome.code == 0, outcome.err
    assert "| 2/2 [" in outcome.err
    assert "2 completed, best nats" in outcome.err
    rows = table(out / "trials.csv")
    assert [row["status"] for row in rows] == ["COMPLETED", "COMPLETED"]
    assert {row["epochs"] for row in rows} == {"1"}
    best = json.loads((out / "best.json").read_text())
    assert best["metric"] == min(float(row["metric"]) for row in rows)
    evaluated = zoo("evaluate", "language_model", out / "best", "--json")
    assert evaluated.code == 0, evaluated.err
    assert json.loads(evaluated.out)["nats"] == pytest.approx(best["metric"], abs=1e-6)
    # What was not typed is as it was: here it has all its trials already.
    again = zoo("sweep", "language_model", "--out", out, "--resume")
    assert again.code == 0, again.err
    assert table(out / "trials.csv") == rows
    # And nothing else may be otherwise.
    other = zoo("sweep", "language_model", "--out", out, "--resume", "--seed", 1)
    assert other.code == 2
    assert "seed was 0, now 1" in other.err
    line = zoo(*command).err
    assert "already holds a sweep" in line
    assert "--resume" in line
    assert line.count("\n") == 1


def test_a_trial_is_a_run_of_the_program(text_file: Path, tmp_path: Path) -> None:
    model = _model(text_file, tmp_path)
    config = model.build(hp := _values())
    figures = model.fit(hp, config, epochs=1)
    assert set(figures) == {"nats", "bits_per_char", "parameters", "epochs"}
    stored = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert (stored["settings"]["seed"], stored["config"]["epochs"]) == (7, 1)
    assert stored["config"]["units"] == 12
    assert stored["config"]["vocabulary_size"] == len(set(text_file.read_text()))
    assert not (tmp_path / "run" / "samples.txt").exists()
    assert "sweep" not in SIZES
    # Killed between the end of the run and its report, it is not trained again.
    weights = (tmp_path / "run" / "best.weights.h5").stat().st_mtime_ns
    assert model.fit(hp, config, epochs=1) == figures
    assert (tmp_path / "run" / "best.weights.h5").stat().st_mtime_ns == weights
    # Other values in its folder, after its record was damaged: it begins anew.
    other = replace(config, units=9)
    assert model.fit(hp, other, epochs=1) != figures


def test_a_sweep_limits_the_size_and_sees_every_figure(
    text_file: Path, tmp_path: Path
) -> None:
    seen: list[dict[str, float]] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            seen.append(dict(logs))
            self.model.stop_training = True  # as the median rule does

    model = _model(text_file, tmp_path)
    config = replace(model.build(hp := _values()), epochs=3, validations=3)
    figures = model.fit(hp, config, callbacks=[Watch()])
    assert [logs["nats"] for logs in seen] == [figures["nats"]]
    model.trial = replace(model.trial, folder=tmp_path / "b", max_parameters=50)
    with pytest.raises(TooLarge, match="parameters, more than 50"):
        model.fit(hp, config)


@pytest.mark.once
def test_a_trial_run_alone_is_finished_as_a_run(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_sweep = _model(text_file, tmp_path / "sweep")
    alone = _model(text_file, tmp_path / "alone", alone=True)
    config = alone.build(hp := _values())
    assert alone.fit(hp, config, epochs=1) == in_sweep.fit(hp, config, epochs=1)
    assert (tmp_path / "alone" / "run" / "samples.txt").exists()
    # In a folder of the user's nothing is thrown away.
    with pytest.raises(ZooError, match="epochs was 1, now 2"):
        alone.fit(hp, config, epochs=2)
    assert (tmp_path / "alone" / "run" / "samples.txt").exists()


@pytest.mark.once
@pytest.mark.parametrize(
    "program",
    [
        name
        for name in PROGRAMS
        if (Path(__file__).parents[2] / "zoo" / name / "search.py").is_file()
    ],
)
def test_every_space_has_the_convention_and_its_defaults(program: str) -> None:
    import importlib

    module = importlib.import_module(f"zoo.{program}.search")
    hp = keras_tuner.HyperParameters()
    config = module.search_space(hp)
    names = {parameter.name for parameter in hp.space}
    assert {"variant", "learning_rate", "dropout"} <= names
    assert config == module.search_space(hp)


@pytest.mark.once
def test_the_space_of_the_language_model() -> None:
    for size in ("small", "base"):
        config = ProgramModel("language_model", {}, size).build(_defaults())
        assert config == search_space(_defaults(), size)
        assert config.epochs == SIZES[size].epochs


def _defaults() -> keras_tuner.HyperParameters:
    return keras_tuner.HyperParameters()


def test_a_program_without_a_space_says_so(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zoo.language_model.search", None)
    line = zoo("sweep", "language_model").err
    assert line == "zoo: language_model has no search.py: it cannot be swept\n"


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("chess",), "unknown program 'chess'; expected one of language_model"),
        (("language_model", "--tuner", "magic"), "'magic'; expected 'hyperband', "),
        (("language_model", "--trials", "0"), "'0'; expected at least 1"),
        (("language_model", "--epochs", "2"), "epochs=2: expected at least 3 under"),
        (("language_model", "--option", "tempo=3"), "expected text=VALUE"),
        (("language_model", "--size", "vast"), "--size vast: expected one of tiny, "),
        (("language_model", "--resume"), "holds no sweep that can be read"),
    ],
)
def test_mistakes(
    zoo: Zoo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = zoo("sweep", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_hopeless_sweep_exits_with_its_reason(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hopeless(*arguments: Any, **options: Any) -> None:
        raise tuning.SweepFailed("3 trials in a row failed")

    monkeypatch.setattr(tuning, "run", hopeless)
    outcome = zoo("sweep", "language_model", "--out", tmp_path / "sweep")
    assert outcome.code == 1
    assert outcome.err == "zoo: 3 trials in a row failed\n"


def test_options_are_those_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="--option text: expected text=VALUE"):
        settings_of("language_model", "stdlib", "torch", ["text"])
    (tmp_path / "text.txt").write_text("abc")
    settings = settings_of(
        "language_model", None, "torch", [f"text={tmp_path}/text.txt"]
    )
    assert settings == {
        "dataset": None,
        "backend": "torch",
        "text": str(tmp_path / "text.txt"),
    }
