"""`python -m zoo … translation`: a tiny run from its first step to its use."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import keras_tuner
import numpy as np
import pytest

from keras_gru.tuning.records import EPOCHS, SEED
from keras_gru.tuning.trials import Trial
from tests.zoo.conftest import Outcome, Zoo, killed, table
from tests.zoo.translation_helpers import TINY_TRANSLATION
from zoo.__main__ import main
from zoo.backend import chosen
from zoo.sweeps.model import ProgramModel, settings_of
from zoo.training import ExactResume
from zoo.translation import numbers
from zoo.translation.config import SIZES
from zoo.translation.use import Translator

Say = Callable[..., Outcome]


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY_TRANSLATION)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Forty pairs of lines, one of them empty, one too long."""
    folder = tmp_path_factory.mktemp("pairs")
    pairs = [("α " * 60, "x"), ("", "leer"), *numbers.pairs(160)[:38]]
    arguments: list[str] = []
    for side, name in enumerate(("source", "target")):
        path = folder / name
        path.write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
        arguments += [f"--{name}", str(path)]
    return arguments


@pytest.fixture(scope="module")
def run(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained to its end without a break. Not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["train", "translation", *files, "--out", str(out)]) == 0
    return out


@pytest.fixture
def say(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Say:
    """``python -m zoo predict translation …`` with a standard input."""

    def predict(content: str | bytes, *arguments: object) -> Outcome:
        raw = content.encode() if isinstance(content, str) else content
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        return zoo("predict", "translation", *arguments)

    return predict


@pytest.mark.once
def test_a_trial_of_a_sweep(files: list[str], tmp_path: Path) -> None:
    config = replace(
        TINY_TRANSLATION, variant="chung2014", recurrent_dropout=0.2, vocabulary=310
    )
    source, target = files[1::2]
    options = [f"source={source}", f"target={target}"]
    settings = settings_of("translation", None, chosen(), options)
    model = ProgramModel("translation", settings)
    model.trial = Trial("0003", 7, tmp_path)
    hp = keras_tuner.HyperParameters()
    hp.values = {SEED: 7, EPOCHS: 1}
    figures = model.fit(hp, config, epochs=1)
    assert set(figures) == {"bleu", "nats", "epochs", "parameters"}
    stored = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert stored["settings"]["dataset"] is None
    assert stored["config"]["variant"] == "chung2014"
    assert 250 < stored["config"]["vocabulary_size"] <= 310
    # Killed between the end of the run and its report, it is not trained again.
    weights = (tmp_path / "run" / "best.weights.h5").stat().st_mtime_ns
    assert model.fit(hp, config, epochs=1) == figures
    assert (tmp_path / "run" / "best.weights.h5").stat().st_mtime_ns == weights


def test_a_training_leaves_its_figures_and_samples(run: Path) -> None:
    history = table(run / "history.csv")
    assert len(history) == TINY_TRANSLATION.validations
    nats = [float(entry["nats"]) for entry in history]
    assert nats[-1] < nats[0]
    assert {"bleu", "nats", "train_loss"} < set(history[0])
    result = json.loads((run / "result.json").read_text())
    assert result["validation_bleu"] == max(float(x["bleu"]) for x in history)
    samples = (run / "samples.txt").read_text(encoding="utf-8")
    assert samples.count("reference    ") == samples.count("translation  ") == 2


@pytest.mark.once
def test_what_is_left_out_is_told(zoo: Zoo, files: list[str], tmp_path: Path) -> None:
    outcome = zoo(
        *("train", "translation", *files, "--out", tmp_path / "run", "--epochs", 1)
    )
    assert outcome.code == 0, outcome.err
    assert "1 pairs skipped: a line is empty" in outcome.out
    assert "1 pairs skipped: over 40 subwords" in outcome.out.replace("\n", " ")


def test_evaluate_gives_bleu_with_its_signature(zoo: Zoo, run: Path) -> None:
    outcome = zoo("evaluate", "translation", run, "--json", "--beam", 2)
    assert outcome.code == 0, outcome.err
    figures = json.loads(outcome.out)
    assert figures["split"] == "test"
    assert figures["sentences"] == 2
    assert 0 <= figures["bleu"] <= 100
    assert 0 <= figures["chrf"] <= 100
    assert 0 <= figures["accuracy"] <= 1
    assert "version:" in figures["signature"]
    assert figures["seconds"] > 0
    assert "BLEU" in zoo("evaluate", "translation", run, "--beam", 1).out


def test_evaluate_on_the_validation_split_agrees_with_the_training(
    zoo: Zoo, run: Path
) -> None:
    outcome = zoo(
        *("evaluate", "translation", run, "--json", "--beam", 1),
        *("--split", "validation"),
    )
    result = json.loads((run / "result.json").read_text())
    figures = json.loads(outcome.out)
    assert figures["bleu"] == pytest.approx(result["validation_bleu"])


@pytest.mark.once
def test_predict_translates_line_by_line(say: Say, run: Path, tmp_path: Path) -> None:
    picture = tmp_path / "attention.png"
    outcome = say("漢 $ twenty-one\n\none $ two\n", run, "--attention", picture)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.split("\n")
    assert len(lines) == 4
    assert lines[1] == lines[3] == ""
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = say("漢 $ twenty-one\n\none $ two", run, "--json")
    found = json.loads(again.out)["translations"]
    assert [each["translation"] for each in found] == lines[:3]
    assert found[0]["source"] == "漢 $ twenty-one"
    assert found[0]["score"] < 0


def test_what_a_sentence_becomes_does_not_depend_on_its_neighbours(
    say: Say, run: Path
) -> None:
    lines = [source for source, _ in numbers.pairs(160)[:40]]
    together = say("\n".join(lines), run).out.splitlines()
    alone = [say(line, run).out.rstrip("\n") for line in lines[:3]]
    assert together[:3] == alone


@pytest.mark.once
def test_standard_input_that_is_no_text(say: Say, run: Path, tmp_path: Path) -> None:
    latin = say(b"one\ncaf\xe9\n", run)
    assert latin.code == 2
    assert "standard input is not UTF-8: line 2, byte 3 is 0xe9" in latin.err
    nothing = say("\n", run, "--attention", tmp_path / "attention.png")
    assert nothing.code == 2
    assert "standard input has no sentence" in nothing.err
    assert say("", run).out == ""


@pytest.mark.once
def test_a_very_long_line_is_cut_and_told(
    say: Say, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.translation.use.LONGEST_LINE", 10)
    outcome = say("x" * 50, run, "--beam", 1)
    assert outcome.code == 0
    assert "note: line 1 has 50 characters; only the first 10" in outcome.err


def test_from_python(run: Path, say: Say, tmp_path: Path) -> None:
    from zoo.presets.loaded import load

    translation = load(str(run))
    found = translation.predict(["twenty-one", "two"])
    assert found == say("twenty-one\ntwo\n", run).out.splitlines()
    assert translation.predict("two") == found[1:]
    # As a preset: its weights are rounded, and it is the same again.
    translation.save_to_preset(tmp_path / "preset")
    again = Translator.from_preset(tmp_path / "preset")
    assert again.predict("two", beam=1) == translation.predict("two", beam=1)


def test_a_training_from_a_preset(
    zoo: Zoo, files: list[str], run: Path, tmp_path: Path
) -> None:
    """It begins with the weights of the run, and keeps its subwords."""
    outcome = zoo(
        *("train", "translation", *files, "--from-preset", run, "--epochs", 1),
        *("--learning-rate", 1e-9, "--averaging", 0, "--out", tmp_path / "tuned"),
    )
    assert outcome.code == 0, outcome.err
    settings, before = (
        json.loads((each / "settings.json").read_text())
        for each in (tmp_path / "tuned", run)
    )
    assert settings["extras"] == before["extras"]
    assert settings["config"]["decoder_units"] == 7
    tuned, trained = (
        Translator.from_preset(each).model.get_weights()
        for each in (tmp_path / "tuned", run)
    )
    for one, other in zip(tuned, trained, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


FIELDS = ("final_weights_sha256", "best_weights_sha256", "validation_bleu", "steps")


def _result(run: Path) -> dict[str, object]:
    result = json.loads((run / "result.json").read_text())
    return {name: result[name] for name in FIELDS}


def test_a_killed_training_ends_with_the_same_weights(
    zoo: Zoo, files: list[str], run: Path, tmp_path: Path
) -> None:
    """A real SIGKILL, somewhere behind the third batch, in another process."""
    out = tmp_path / "killed"
    killed("tests.zoo.tiny_zoo", out, "train", "translation", *files, seconds=120.0)
    outcome = zoo("train", "translation", "--out", out, "--resume")
    assert outcome.code == 0, outcome.err
    assert _result(out) == _result(run)


class _Stop(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("stop", [1, 7])
def test_a_stopped_training_ends_with_the_same_weights(
    zoo: Zoo, files: list[str], run: Path, tmp_path: Path, stop: int
) -> None:
    out = tmp_path / "stopped"
    save = ExactResume._save

    def saved(self: ExactResume, epoch: int, batch: int) -> None:
        save(self, epoch, batch)
        if epoch * self.data.batches + batch == stop:
            raise _Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExactResume, "_save", saved)
        with pytest.raises(_Stop):
            zoo(
                *("train", "translation", *files, "--out", out),
                *("--checkpoint-seconds", 0),
            )
    assert zoo("train", "translation", "--out", out, "--resume").code == 0
    assert _result(out) == _result(run)
    assert int(str(_result(out)["steps"])) > stop


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--source", "a"), "--source and --target go together"),
        (("--source", "a", "--target", "b", "--dataset", "numbers"), "leave --dataset"),
        (("--pair", "en-de", "--dataset", "numbers"), "goes with --dataset multi30k"),
        (("--source", "absent", "--target", "absent"), "cannot read"),
    ],
)
def test_options_that_do_not_fit(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    outcome = zoo("train", "translation", *arguments, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_sentences_that_are_all_too_long(zoo: Zoo, tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).write_text("".join(f"{'αβγ ' * 40}{i}\n" for i in range(9)))
    outcome = zoo(
        *("train", "translation", "--out", tmp_path / "run"),
        *("--source", tmp_path / "source", "--target", tmp_path / "target"),
    )
    assert outcome.code == 2
    assert "no training pair has at most 40 subwords" in outcome.err
    assert not (tmp_path / "run").exists()


def test_the_program_is_listed(zoo: Zoo) -> None:
    listed = zoo("list").out
    for word in ("translation", "numbers", "multi30k", "base"):
        assert word in listed


def test_the_search_space_is_a_config() -> None:
    from zoo.translation.search import NUISANCE, SCIENTIFIC, search_space

    hp = keras_tuner.HyperParameters()
    assert search_space(hp, "base") == SIZES["base"]
    assert set(hp.values) == {*SCIENTIFIC, *NUISANCE}
    hp.values["dropout"] = 0.5
    assert search_space(hp, "base").dropout == 0.5
