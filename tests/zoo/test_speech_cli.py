"""The program from the command line: train, resume, evaluate, predict, mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
import soundfile
from scipy import signal

import zoo as zoo_package
from keras_gru.resume.checkpoint import values_of
from keras_gru.tuning.records import EPOCHS, SEED
from keras_gru.tuning.trials import Trial
from tests.zoo import tiny_speech
from tests.zoo.conftest import Zoo, killed, table
from tests.zoo.tiny_speech import TASKS, TINY
from zoo.__main__ import main
from zoo.backend import chosen
from zoo.errors import ZooError
from zoo.files import read_hashed
from zoo.presets.make import make
from zoo.speech import batches
from zoo.speech.config import SAMPLE_RATE, SIZES
from zoo.speech.data import Source
from zoo.speech.features import log_mel
from zoo.speech.use import Recogniser
from zoo.sweeps.model import ProgramModel, settings_of

STEPS = 2 * (60 // 4)


@pytest.fixture(scope="module", autouse=True)
def _smaller_still() -> Iterator[None]:
    """A smaller "tiny", and fewer recordings and strings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        tiny_speech.shrink(patch.setattr)
        yield


def _train(task: str, out: Path, *more: str) -> int:
    return main(["train", "speech", "--task", task, "--out", str(out), *more])


@pytest.fixture(scope="module")
def runs(
    _smaller_still: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A finished run of each task. Not to be changed."""
    folder = tmp_path_factory.mktemp("speech")
    for task in TASKS:
        assert _train(task, folder / task) == 0
    return {task: folder / task for task in TASKS}


@pytest.fixture(scope="module")
def spoken(
    _smaller_still: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Files of one string: as it is, at another rate, in stereo, as frames."""
    folder = tmp_path_factory.mktemp("audio")
    split = Source("synthetic").load().split
    samples = batches.strings(split.test, 5, 1)[0].samples
    high = signal.resample_poly(samples, 6, 1)
    soundfile.write(folder / "as_it_is.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(folder / "high.wav", high, 6 * SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(
        folder / "stereo.flac", np.stack([high, high], axis=1), 6 * SAMPLE_RATE
    )
    np.save(
        folder / "frames.npy", log_mel(np.pad(samples, (0, batches.TAIL)), TINY.mels)
    )
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize("task", TASKS)
def test_training_leaves_figures_and_what_was_wrong(
    runs: dict[str, Path], task: str
) -> None:
    figure = "accuracy" if task == "digits" else "wer"
    result = json.loads((runs[task] / "result.json").read_text())
    assert result["steps"] == STEPS
    assert result[f"test_{figure}"] >= 0
    assert result[f"validation_{figure}"] >= 0
    history = table(runs[task] / "history.csv")
    # Of the same recordings; those of training grow harder with the curriculum.
    assert float(history[-1]["nats"]) < float(history[0]["nats"])
    head = (runs[task] / "samples.txt").read_text().splitlines()[0]
    assert head.endswith("test examples are wrong")


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_is_what_the_training_measured(
    zoo: Zoo, runs: dict[str, Path], task: str
) -> None:
    figure = "accuracy" if task == "digits" else "wer"
    result = json.loads((runs[task] / "result.json").read_text())
    for split in ("test", "validation"):
        outcome = zoo("evaluate", "speech", runs[task], "--split", split, "--json")
        figures = json.loads(outcome.out)
        assert figures[figure] == pytest.approx(result[f"{split}_{figure}"])
        assert figures["nats"] == pytest.approx(result[f"{split}_nats"], rel=1e-4)
        assert figures["split"] == split
        assert {"dataset", "seconds", "wer"} <= set(figures)
        if task == "digits":
            assert figures["wer"] == pytest.approx(1 - figures["accuracy"])
    assert figure in zoo("evaluate", "speech", runs[task]).out


@pytest.mark.parametrize("task", TASKS)
def test_a_killed_training_ends_with_the_same_weights(
    zoo: Zoo, runs: dict[str, Path], tmp_path: Path, task: str
) -> None:
    """A real SIGKILL in the middle of an epoch, in another process."""
    out = tmp_path / "killed"
    killed("tests.zoo.tiny_speech", out, "train", "speech", "--task", task)
    outcome = zoo("train", "speech", "--out", out, "--resume")
    assert outcome.code == 0, outcome.err
    results = [read_hashed(run / "result.json") for run in (out, runs[task])]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]


@pytest.mark.once
def test_resume_with_another_task_names_it(zoo: Zoo, runs: dict[str, Path]) -> None:
    out = runs["digits"]
    outcome = zoo("train", "speech", "--out", out, "--resume", "--task", "strings")
    assert outcome.code == 2
    assert "task was 'digits', now 'strings'" in outcome.err


@pytest.mark.once
@pytest.mark.parametrize("task", TASKS)
def test_a_trial_of_a_sweep(tmp_path: Path, task: str) -> None:
    settings = settings_of("speech", None, chosen(), [f"task={task}"])
    assert settings["hold_out"] is None
    model = ProgramModel("speech", settings, "tiny")
    model.trial = Trial("0003", 7, tmp_path)
    hp = keras_tuner.HyperParameters()
    hp.values = {SEED: 7, EPOCHS: 1, "variant": "chung2014", "units": 5}
    figures = model.fit(hp, model.build(hp), epochs=1)
    rate = "wer" if task == "strings" else "accuracy"
    assert set(figures) == {"nats", "epochs", "parameters", rate}
    stored = json.loads((tmp_path / "run" / "settings.json").read_text())["config"]
    assert {name: stored[name] for name in ("variant", "units", "task")} == {
        "variant": "chung2014",
        "units": 5,
        "task": task,
    }


def test_what_a_sweep_searches_is_not_to_be_fixed() -> None:
    with pytest.raises(ZooError, match=r"units=5: expected hold_out=VALUE, or a field"):
        settings_of("speech", None, chosen(), ["units=5"])


@pytest.mark.once
def test_a_held_out_speaker(zoo: Zoo, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ("train", "speech", "--hold-out", "alto", "--epochs", 1, "--out", out)
    assert zoo(*command).code == 0
    figures = json.loads(zoo("evaluate", "speech", out, "--json").out)
    assert figures["split"] == "test, speaker alto"
    assert figures["examples"] == 80
    outcome = zoo("train", "speech", "--hold-out", "eve", "--out", tmp_path / "other")
    assert outcome.code == 2
    assert "--hold-out eve: unknown speaker" in outcome.err
    assert not (tmp_path / "other").exists()


@pytest.mark.once
@pytest.mark.parametrize("task", TASKS)
def test_predict_prints_each_file(
    zoo: Zoo, runs: dict[str, Path], spoken: dict[str, Path], task: str
) -> None:
    files = [spoken[name] for name in ("as_it_is", "high", "stereo")]
    outcome = zoo("predict", "speech", runs[task], *files, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["task"] == task
    assert [one["file"] for one in found["files"]] == [str(file) for file in files]
    for one in found["files"]:
        assert len(one["probabilities"]) == len(one["digits"])
        assert len(one["digits"]) == 1 or task == "strings"
    plain = zoo("predict", "speech", runs[task], *files).out.splitlines()
    assert plain == [
        f"{one['file']}: {' '.join(map(str, one['digits'])) or '(nothing)'}"
        for one in found["files"]
    ]


@pytest.mark.parametrize("task", TASKS)
def test_every_form_of_a_recording_gives_the_same(
    runs: dict[str, Path], spoken: dict[str, Path], task: str
) -> None:
    predict = zoo_package.load(runs[task]).predict
    samples, _ = soundfile.read(spoken["as_it_is"], dtype="float32")
    names = ["as_it_is", "high", "stereo"]
    first, high, stereo = predict([spoken[name] for name in names])
    (array,) = predict([samples])
    np.testing.assert_allclose(array.posteriors, first.posteriors, atol=1e-6)
    # There and back through 48 kHz: all but the edge of the band is as it was.
    for other in (high, stereo):
        assert other.features.shape == first.features.shape
        np.testing.assert_allclose(other.posteriors, first.posteriors, atol=0.05)
    if task == "strings":
        (frames,) = predict([spoken["frames"]])
        np.testing.assert_allclose(frames.posteriors, first.posteriors, atol=1e-6)


def test_streaming_gives_the_offline_transcript(
    zoo: Zoo, runs: dict[str, Path], spoken: dict[str, Path]
) -> None:
    command = ("predict", "speech", runs["strings"], spoken["as_it_is"])
    whole = json.loads(zoo(*command, "--json").out)["files"][0]
    streamed = json.loads(zoo(*command, "--stream", "--json").out)
    assert streamed["digits"] == whole["digits"]
    times = [one["heard_at"] for one in streamed["stream"]]
    assert times == sorted(times)
    lines = zoo(*command, "--stream").out.splitlines()
    assert lines[-1].split()[2:] == [str(one) for one in whole["digits"]] or (
        lines == ["(nothing)"]
    )


@pytest.mark.once
@pytest.mark.parametrize("task", TASKS)
def test_plot(
    zoo: Zoo, runs: dict[str, Path], spoken: dict[str, Path], tmp_path: Path, task: str
) -> None:
    picture = tmp_path / "picture.png"
    outcome = zoo(
        *("predict", "speech", runs[task], spoken["as_it_is"], "--plot", picture)
    )
    assert outcome.code == 0, outcome.err
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.once
def test_from_python(runs: dict[str, Path], spoken: dict[str, Path]) -> None:
    loaded = zoo_package.load(runs["strings"])
    samples, _ = soundfile.read(spoken["as_it_is"], dtype="float32")
    from_file, from_array = loaded.predict([spoken["as_it_is"], samples])
    assert from_file.text == from_array.text
    np.testing.assert_allclose(from_file.posteriors, from_array.posteriors, atol=1e-6)
    assert from_file.posteriors.shape[1] == 11
    assert "wer" in loaded.evaluate()


@pytest.mark.parametrize("task", TASKS)
def test_a_preset_is_used_and_trained_on(
    zoo: Zoo, runs: dict[str, Path], spoken: dict[str, Path], tmp_path: Path, task: str
) -> None:
    folder = make(runs[task], "made", chosen(), into=tmp_path)
    figures = json.loads((folder / "config.json").read_text())["figures"]
    recogniser = Recogniser.from_preset(folder)
    measured = recogniser.evaluate()
    assert measured["nats"] == pytest.approx(figures["nats"], abs=1e-6)
    saved = recogniser.save_to_preset(tmp_path / "saved")
    for found, expected in zip(
        values_of(zoo_package.load(saved).model.weights),
        values_of(recogniser.model.weights),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)
    outcome = zoo(
        *("train", "speech", "--from-preset", saved, "--epochs", 1),
        *("--learning-rate", 1e-6, "--out", tmp_path / "run"),
    )
    assert outcome.code == 0, outcome.err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["test_nats"] == pytest.approx(measured["nats"], rel=0.02)
    stored = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert stored["config"]["task"] == task
    assert stored["extras"] == recogniser.saved.extras


def test_a_preset_of_the_other_task_does_not_fit(
    zoo: Zoo, runs: dict[str, Path], tmp_path: Path
) -> None:
    command = ("--from-preset", runs["digits"], "--task", "strings")
    outcome = zoo("train", "speech", *command, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "do not fit the configuration" in outcome.err


# Mistakes. Each is one line on stderr, and exit code 2.


@pytest.fixture
def mistake(zoo: Zoo, runs: dict[str, Path]):
    """Run `predict` so that it must fail; give back its one line."""

    def run(task: str, *arguments: object) -> str:
        outcome = zoo("predict", "speech", runs[task], *arguments)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1, outcome.err
        return outcome.err

    return run


@pytest.mark.once
def test_files_that_cannot_be_heard(mistake, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros((0, 1)), SAMPLE_RATE)
    text = tmp_path / "text.wav"
    text.write_text("no audio")
    hollow = tmp_path / "hollow.wav"
    hollow.write_bytes(b"")
    nan = tmp_path / "nan.wav"
    soundfile.write(nan, np.full(500, np.nan), SAMPLE_RATE, subtype="FLOAT")
    assert "empty.wav has no samples; expected a recording" in mistake("digits", empty)
    assert "text.wav is not audio that can be read" in mistake("digits", text)
    assert "hollow.wav is not audio that can be read" in mistake("digits", hollow)
    assert "nan.wav holds NaN or infinity" in mistake("digits", nan)
    assert "absent.wav does not exist" in mistake("digits", tmp_path / "absent.wav")
    assert "is a folder; expected an audio file" in mistake("digits", tmp_path)
    assert "empty.wav has no samples" in mistake("strings", "--stream", empty)


@pytest.mark.once
@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((9, 13)), r"float64 (9, 13); expected log-mel frames"),
        (np.zeros((2, 12)), r"float64 (2, 12); expected log-mel frames"),
        (np.zeros((9, 12), int), r"int64 (9, 12); expected log-mel frames"),
        (np.zeros((9, 12, 1)), r"float64 (9, 12, 1); expected a waveform"),
        (np.full((9, 12), np.inf), "holds NaN or infinity"),
        (np.array([{}]), "is not an array that can be read"),
    ],
)
def test_arrays_that_are_no_frames(
    mistake, tmp_path: Path, array: np.ndarray, words: str
) -> None:
    np.save(tmp_path / "frames.npy", array)
    assert words in mistake("strings", tmp_path / "frames.npy")


@pytest.mark.once
def test_options_that_do_not_fit(mistake, spoken: dict[str, Path], tmp_path) -> None:
    file, picture = spoken["as_it_is"], tmp_path / "x.png"
    assert "Missing argument 'FILES...'" in mistake("digits")
    assert "--plot takes one file, 2" in mistake(
        "digits", file, file, "--plot", picture
    )
    assert "--stream takes one file, 2" in mistake("strings", file, file, "--stream")
    line = mistake("strings", file, "--stream", "--plot", picture)
    assert "--stream and --plot exclude each other" in line
    assert "expected a run of --task strings" in mistake("digits", file, "--stream")
    assert "holds no audio" in mistake("strings", spoken["frames"], "--stream")
    line = mistake("digits", file, "--plot", tmp_path / "x.doc")
    assert "unknown format '.doc'; expected a name that ends in" in line


def test_fsdd_that_is_nowhere(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    outcome = zoo("train", "speech", "--dataset", "fsdd", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "free-spoken-digit-dataset-1.0.10.zip" in outcome.err
    assert not (tmp_path / "run").exists()
