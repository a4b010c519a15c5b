"""The program from the command line: train, resume, evaluate, compose, mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
from scipy import io

import zoo as zoo_package
from keras_gru.tuning.records import EPOCHS, SEED
from keras_gru.tuning.trials import Trial
from tests.zoo import tiny_music
from tests.zoo.conftest import Zoo, killed
from tests.zoo.midi_reader import read_midi
from tests.zoo.tiny_music import PIECES, TINY
from zoo.__main__ import main
from zoo.backend import chosen
from zoo.errors import ZooError
from zoo.files import read_hashed
from zoo.polyphonic_music import synthetic
from zoo.polyphonic_music.config import SIZES
from zoo.presets.make import make
from zoo.sweeps.model import ProgramModel, settings_of

FIGURES = ("nats", "nats_after_first")


@pytest.fixture(scope="module", autouse=True)
def _smaller_still() -> Iterator[None]:
    """A smaller "tiny", and fewer pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        tiny_music.shrink(patch.setattr)
        yield


@pytest.fixture(scope="module")
def run(_smaller_still: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Not to be changed."""
    out = tmp_path_factory.mktemp("music") / "run"
    assert main(["train", "polyphonic_music", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def file(_smaller_still: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic pieces as a MATLAB file."""
    cells = {}
    names = {"train": "traindata", "validation": "validdata", "test": "testdata"}
    for part, pieces in synthetic.parts().items():
        cells[names[part]] = np.empty((1, len(pieces)), object)
        cells[names[part]][0] = pieces
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    io.savemat(path, cells)
    return path


def test_evaluate_is_what_the_training_measured(zoo: Zoo, run: Path) -> None:
    result = read_hashed(run / "result.json")
    figures = json.loads(zoo("evaluate", "polyphonic_music", run, "--json").out)
    for name in FIGURES:
        assert figures[name] == pytest.approx(result[f"test_{name}"], rel=1e-5)
    assert figures["pieces"] == PIECES["test"]
    told = zoo("evaluate", "polyphonic_music", run, "--split", "validation").out
    assert told.startswith("synthetic validation: ")
    assert f"{result['validation_nats']:.4f} nats a step" in told
    roll, _ = read_midi(run / "sample.mid")
    lines = (run / "samples.txt").read_text().splitlines()
    assert len(lines) == 96
    for step, line in zip(roll, lines, strict=False):
        assert line == " ".join(map(str, np.flatnonzero(step) + 21)) or line == "-"


def test_a_killed_training_ends_with_the_same_weights(
    zoo: Zoo, run: Path, tmp_path: Path
) -> None:
    """A real SIGKILL in the middle of an epoch, in another process."""
    out = tmp_path / "killed"
    killed("tests.zoo.tiny_music", out, "train", "polyphonic_music")
    outcome = zoo("train", "polyphonic_music", "--out", out, "--resume")
    assert outcome.code == 0, outcome.err
    results = [read_hashed(one / "result.json") for one in (out, run)]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]
    assert (out / "sample.mid").read_bytes() == (run / "sample.mid").read_bytes()


def test_predict_composes_a_midi_file_and_a_picture(
    zoo: Zoo, run: Path, tmp_path: Path
) -> None:
    out, plot = tmp_path / "a.mid", tmp_path / "a.png"
    command = ("predict", "polyphonic_music", run, "--steps", 12, "--seed", 3)
    outcome = zoo(*command, "--out", out, "--plot", plot, "--seconds", 0.125)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"-> {out}\n"
    assert plot.read_bytes().startswith(b"\x89PNG")
    roll, seconds = read_midi(out)
    assert seconds == 0.125
    found = json.loads(zoo(*command, "--json").out)
    assert (len(found["notes"]), found["given"]) == (12, 0)
    for step, numbers in zip(roll, found["notes"], strict=False):
        assert [int(key) + 21 for key in np.flatnonzero(step)] == numbers
    lines = zoo(*command).out.splitlines()
    assert lines == [" ".join(map(str, one)) or "-" for one in found["notes"]]


@pytest.mark.once
def test_predict_goes_on_from_a_piece(zoo: Zoo, run: Path) -> None:
    command = ("predict", "polyphonic_music", run, "--steps", 3, "--json")
    found = json.loads(zoo(*command, "--piece", 2, "--prime", 5).out)
    piece = synthetic.parts()["test"][2]
    assert (len(found["notes"]), found["given"]) == (8, 5)
    for step, numbers in zip(piece[:5], found["notes"], strict=False):
        assert [int(key) + 21 for key in np.flatnonzero(step)] == numbers
    line = zoo(*command, "--piece", PIECES["test"]).err
    assert "--piece 4: the test part has 4 pieces; expected 0 to 3" in line
    assert len(json.loads(zoo(*command, "--piece", 2).out)["notes"]) == 16 + 3
    assert "--prime is of a --piece" in zoo(*command, "--prime", 5).err
    assert "unknown format '.doc'" in zoo(*command, "--plot", "a.doc").err


@pytest.mark.once
def test_a_preset_is_measured_and_fine_tuned(
    zoo: Zoo, run: Path, file: Path, tmp_path: Path
) -> None:
    folder = make(run, "mine", chosen(), into=tmp_path)
    assert "| nats_after_first | " in (folder / "card.md").read_text()
    composer = zoo_package.load(folder)
    before = composer.evaluate()["nats"]
    assert composer.predict(steps=4, seed=1).roll.shape == (4, 88)
    for wrong in ({"prime": np.zeros((3, 87))}, {"prime": np.full((3, 88), 2)}):
        with pytest.raises(ZooError, match=r"prime has shape \(3, 8[78]\); expected"):
            composer.predict(**wrong)
    with pytest.raises(ZooError, match=r"temperature=0\.0; expected greater than 0"):
        composer.predict(temperature=0)
    with pytest.raises(ZooError, match=r"seconds=20\.0; expected at most 10"):
        composer.predict(steps=2).write(tmp_path / "a.mid", seconds=20)
    outcome = zoo(
        *("train", "polyphonic_music", "--from-preset", folder, "--mat", file),
        *("--epochs", 1, "--learning-rate", 1e-7, "--out", tmp_path / "run"),
    )
    assert outcome.code == 0, outcome.err
    result = read_hashed(tmp_path / "run" / "result.json")
    assert result["test_nats"] == pytest.approx(before, rel=1e-3)
    on = json.loads(
        zoo("evaluate", "polyphonic_music", folder, "--mat", file, "--json").out
    )
    assert (on["nats"], on["dataset"]) == (pytest.approx(before), str(file))


@pytest.mark.once
def test_a_trial_of_a_sweep(tmp_path: Path) -> None:
    settings = settings_of("polyphonic_music", None, chosen(), ["kind=tanh"])
    model = ProgramModel("polyphonic_music", settings, "tiny")
    model.trial = Trial("0003", 7, tmp_path)
    hp = keras_tuner.HyperParameters()
    hp.values = {SEED: 7, EPOCHS: 1, "units": 12}
    figures = model.fit(hp, model.build(hp), epochs=1)
    assert {"nats", "parameters", "epochs"} <= set(figures)
    stored = json.loads((tmp_path / "run" / "settings.json").read_text())["config"]
    assert (stored["kind"], stored["units"]) == ("tanh", 12)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--batch-size", 999), "expected at least batch_size=999"),
        (("--mat", "nowhere.mat"), "does not exist; expected a .mat file"),
        (("--mat", __file__), "is damaged, or no MATLAB file"),
        (("--kind", "rnn"), "'rnn'; expected 'gru', 'lstm' or 'tanh'"),
        (("--transpose", 12), "expected at most 11"),
    ],
)
def test_mistakes_are_one_line(
    zoo: Zoo, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    outcome = zoo("train", "polyphonic_music", *options, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
