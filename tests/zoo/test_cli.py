"""The command line: what it does, and every mistake in one line."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import keras_gru
from tests.zoo.conftest import Zoo, table
from tests.zoo.tiny_zoo import TINY
from zoo.backend import BACKENDS, chosen
from zoo.files import write_hashed
from zoo.language_model import data
from zoo.language_model.config import SIZES
from zoo.programs import PROGRAMS
from zoo.training.runs import RunFolder


def test_list_shows_programs_sizes_and_datasets(zoo: Zoo) -> None:
    outcome = zoo("list")
    assert outcome.code == 0
    for word in ("language_model", "tiny", "small", "base", "stdlib", "shakespeare"):
        assert word in outcome.out


@pytest.mark.once
@pytest.mark.parametrize("arguments", [["list"], ["train", "language_model", "--help"]])
def test_help_and_list_do_not_wait_for_keras(arguments: list[str]) -> None:
    code = (
        "import sys; from zoo.__main__ import main; "
        f"code = main({arguments!r}); "
        "slow = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules); "
        "sys.exit(f'imported {slow}' if slow else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.once
@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_the_variants(zoo: Zoo, program: str) -> None:
    outcome = zoo("train", program, "--help")
    assert outcome.code == 0
    assert ", ".join(keras_gru.VARIANTS) in " ".join(outcome.out.split())


@pytest.mark.parametrize("level", [None, pytest.param("3", marks=pytest.mark.once)])
def test_a_training_says_nothing_on_stderr(
    text_file: Path, tmp_path: Path, level: str | None
) -> None:
    """TensorFlow's notes come from C++, some before its level counts."""
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    command = ("train", "language_model", "--text", text_file, "--epochs", "1")
    done = subprocess.run(
        [sys.executable, "-m", "tests.zoo.tiny_zoo", *command, "--out", tmp_path / "a"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_training_leaves_a_whole_run_folder(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names == {
        ".lock",
        "settings.json",
        "checkpoints",
        "best.weights.h5",
        "history.csv",
        "learning_curve.png",
        "tensorboard",
        "samples.txt",
        "result.json",
        "starts.jsonl",
    }
    assert (trained / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    history = table(trained / "history.csv")
    losses = [float(entry["nats"]) for entry in history]
    assert len(losses) == 4
    assert losses[-1] < losses[0] < math.log(60)
    result = json.loads((trained / "result.json").read_text())
    assert result["validation_nats"] == min(losses)
    bits = result["validation_bits_per_char"]
    assert bits == pytest.approx(min(losses) / math.log(2))
    (start,) = RunFolder(trained).read_starts()
    assert start["ended"] == "finished"
    assert "keras 3" in start["code"]


def test_evaluate_gives_the_figure_of_the_best_weights(zoo: Zoo, trained: Path) -> None:
    outcome = zoo("evaluate", "language_model", trained, "--json")
    assert outcome.code == 0
    figures = json.loads(outcome.out)
    result = json.loads((trained / "result.json").read_text())
    assert figures["nats"] == pytest.approx(result["validation_nats"], abs=1e-6)
    assert figures["bits_per_char"] == pytest.approx(
        result["validation_bits_per_char"], abs=1e-6
    )
    assert set(figures) >= {"dataset", "split", "seconds"}
    assert "nats" in zoo("evaluate", "language_model", trained).out


def test_predict_writes_the_prompt_and_as_many_characters(
    zoo: Zoo, trained: Path
) -> None:
    command = ("predict", "language_model", trained, "--prompt", "def ", "--length", 30)
    drawn = zoo(*command, "--seed", 1, "--top-k", 20, "--top-p", 0.9)
    assert drawn.code == 0
    assert drawn.out.startswith("def ")
    assert len(drawn.out) == len("def ") + 30 + len("\n")
    assert drawn.out == zoo(*command, "--seed", 1, "--top-k", 20, "--top-p", 0.9).out
    assert drawn.out != zoo(*command, "--seed", 2, "--top-k", 20, "--top-p", 0.9).out


@pytest.mark.once
def test_prompts_come_line_by_line(
    zoo: Zoo, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO("def \nß\n\nfor ".encode() + b"\n\xff\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))
    outcome = zoo("predict", "language_model", trained, "--interactive", "--length", 9)
    assert outcome.code == 0
    assert outcome.out.startswith("def ")
    assert len(outcome.out) == (4 + 9 + 1) + (1 + 9 + 1) + (4 + 9 + 1)
    # An unknown character, or bytes that are no text, cost their own prompt only.
    assert "'ß' (U+00DF)" in outcome.err
    assert "a prompt is not UTF-8 text" in outcome.err


def test_predict_as_json_is_one_object(zoo: Zoo, trained: Path) -> None:
    command = ("predict", "language_model", trained, "--prompt", "def ", "--length", 9)
    told = json.loads(zoo(*command, "--json").out)
    assert set(told) == {"prompt", "text", "seconds"}
    assert zoo(*command).out == told["prompt"] + told["text"] + "\n"


def test_curves_are_there_for_tensorboard(trained: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    history = table(trained / "history.csv")
    points = events.Scalars("validation/nats")
    assert [point.step for point in points] == [int(row["step"]) for row in history]
    assert [point.value for point in points] == pytest.approx(
        [float(row["nats"]) for row in history]
    )
    steps = [point.step for point in events.Scalars("loss/training")]
    assert steps == list(range(1, int(history[-1]["step"]) + 1))


def test_a_run_is_used_on_another_text_folder(zoo: Zoo, trained: Path) -> None:
    outcome = zoo("predict", "language_model", trained, "--length", 3)
    assert outcome.code == 0
    assert len(outcome.out) == 5


# Mistakes. Each is one line on stderr, and exit code 2.


@pytest.fixture
def mistake(zoo: Zoo, tmp_path: Path):
    """Run a command that must fail; give back its one line."""

    def run(*arguments: object, code: int = 2) -> str:
        outcome = zoo(*arguments)
        assert outcome.code == code, outcome
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1, outcome.err
        assert outcome.err.startswith("zoo: ")
        return outcome.err

    return run


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fly",), "No such command 'fly'"),
        (("train",), "train: no program; expected one of language_model"),
        (("train", "chess"), "unknown program 'chess'; expected one of language_model"),
        (
            ("train", "language_model", "--dataset", "x"),
            "'x'; expected 'stdlib' or 'shakespeare'",
        ),
        (("train", "language_model", "--size", "x"), "'x' is not one of 'tiny'"),
        (("train", "language_model", "--backend", "x"), "'x' is not one of 'tensorfl"),
        (("train", "language_model", "--seed", "-1"), "'-1'; expected at least 0"),
        (
            ("train", "language_model", "--epochs", "0"),
            "'0'; expected at least 1",
        ),
        (("train", "language_model", "--units", "x"), "'x'; expected a valid integer"),
        (
            ("train", "language_model", "--dropout", "1"),
            "'1'; expected less than 1",
        ),
        (("train", "language_model", "--dropout", "0,0"), "expected 3 rates"),
        (("train", "language_model", "--warp"), "No such option"),
        (("evaluate", "language_model"), "Missing argument 'RUN|PRESET'"),
        (("evaluate", "language_model", "nowhere"), "nowhere is not a run folder"),
        (("predict", "language_model", "nowhere"), "nowhere is not a run folder"),
    ],
)
def test_mistakes_in_the_use(mistake, arguments: tuple[str, ...], words: str) -> None:
    assert words in mistake(*arguments)


def test_unknown_backend_in_the_environment(
    mistake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    line = mistake("train", "language_model")
    assert "KERAS_BACKEND: unknown backend 'theano'" in line


def test_another_backend_than_the_one_that_runs(
    mistake, text_file: Path, tmp_path: Path
) -> None:
    other = next(name for name in BACKENDS if name != chosen())
    line = mistake(
        *("train", "language_model", "--text", text_file),
        *("--backend", other, "--out", tmp_path / "run"),
    )
    assert f"backend {other!r} was asked for after keras was imported" in line
    assert not (tmp_path / "run").exists()


def test_unknown_variant_leaves_no_folder(
    mistake, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    line = mistake(
        *("train", "language_model", "--text", text_file),
        *("--variant", "lstm", "--out", out),
    )
    assert "'lstm'; expected 'keras', 'pytorch', " in line
    assert not out.exists()


@pytest.mark.once
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read"),
        (b"", "is empty"),
        (b"abc\xff", "is not UTF-8: byte 3 is 0xff"),
        (b"too short", "shorter than one batch: its training part (90%) has 8"),
    ],
)
def test_texts_that_cannot_be_learnt(
    mistake, tmp_path: Path, content: bytes | None, words: str
) -> None:
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    out = tmp_path / "run"
    line = mistake("train", "language_model", "--text", text, "--out", out)
    assert words in line
    assert not out.exists()


def test_text_and_dataset_exclude_each_other(mistake, text_file: Path) -> None:
    line = mistake(
        "train", "language_model", "--text", text_file, "--dataset", "stdlib"
    )
    assert "--text and --dataset exclude each other" in line


@pytest.mark.once
def test_no_network(mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    nowhere = replace(data.SHAKESPEARE, url="http://127.0.0.1:9/file")
    monkeypatch.setattr(data, "SHAKESPEARE", nowhere)
    line = mistake(
        *("train", "language_model", "--dataset", "shakespeare"),
        *("--out", tmp_path / "run"),
    )
    assert "cannot download tinyshakespeare.txt" in line


def test_out_that_cannot_be_used(
    mistake, text_file: Path, trained: Path, tmp_path: Path
) -> None:
    train = ("train", "language_model", "--text", text_file, "--out")
    assert "already holds a run: add --resume" in mistake(*train, trained)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    assert "is not empty and holds no run" in mistake(*train, tmp_path / "other")
    assert "is a file" in mistake(*train, text_file)
    assert "cannot be written" in mistake(*train, text_file / "below")


def test_prompts_that_cannot_be_read(mistake, trained: Path) -> None:
    predict = ("predict", "language_model", trained, "--prompt")
    assert "'ß' (U+00DF)" in mistake(*predict, "Straße")
    assert "the prompt is empty" in mistake(*predict, "")
    assert "'0'; expected at least 1" in mistake(*predict, "d", "--top-k", 0)
    assert "'2'; expected at most 1" in mistake(*predict, "d", "--top-p", 2)
    assert "'-1'; expected at least 0" in mistake(*predict, "d", "--temperature", -1)


def _damage_weights(run: Path) -> None:
    """Change one bit in the middle of the numbers."""
    path = run / "best.weights.h5"
    import h5py

    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visititems(
            lambda name, item: names.append(name) if hasattr(item, "shape") else None
        )
        numbers = file[names[0]]
        numbers[...] = numbers[...] + 1e-3


def _tear_weights(run: Path) -> None:
    path = run / "best.weights.h5"
    path.write_bytes(path.read_bytes()[:3000])


def _remove_weights(run: Path) -> None:
    (run / "best.weights.h5").unlink()


def _break_settings(run: Path) -> None:
    (run / "settings.json").write_text('{"program": "language')


def _empty_settings(run: Path) -> None:
    write_hashed(run / "settings.json", {"program": "language_model"})


def _foreign_program(run: Path) -> None:
    write_hashed(run / "settings.json", {"program": "translation"})


@pytest.mark.once
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_damage_weights, "best.weights.h5 is damaged: the weights differ"),
        (_tear_weights, "best.weights.h5 is damaged: OSError"),
        (_remove_weights, "has no best.weights.h5"),
        (_break_settings, "settings.json is damaged: JSONDecodeError"),
        (_empty_settings, "settings.json is damaged, or of another version"),
        (_foreign_program, "is of the program 'translation', expected language_model"),
    ],
)
def test_damaged_run_folders(
    mistake, trained: Path, tmp_path: Path, damage, words: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    damage(run)
    assert words in mistake("evaluate", "language_model", run)


def test_a_loss_that_is_nan_stops_the_training_and_is_recorded(
    zoo: Zoo, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, learning_rate=1e38, warmup=0.0, clip_norm=1e30)
    monkeypatch.setitem(SIZES, "tiny", config)
    out = tmp_path / "run"
    outcome = zoo("train", "language_model", "--text", text_file, "--out", out)
    assert outcome.code == 1
    assert "training stopped: " in outcome.err
    assert outcome.err.count("\n") == 1
    (start,) = RunFolder(out).read_starts()
    assert start["ended"].startswith("TrainingFailed: training stopped")
