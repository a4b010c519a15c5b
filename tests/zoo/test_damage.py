"""Run folders and presets that were damaged, edited or made up: one line each."""

from __future__ import annotations

import hashlib
import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from tests.zoo.conftest import Zoo
from zoo import presets
from zoo.config import from_json
from zoo.errors import ZooError
from zoo.files import read_hashed, write_hashed
from zoo.language_model.config import Config
from zoo.language_model.tokens import tokens_of
from zoo.presets.saved import open_saved
from zoo.speech import audio
from zoo.speech.config import Config as SpeechConfig
from zoo.speech.features import Features

pytestmark = pytest.mark.once


def refused(outcome: Any) -> str:
    """What one line said; nothing of a traceback."""
    assert outcome.code == 2, outcome
    lines = outcome.err.strip().splitlines()
    assert lines[-1].startswith("zoo: ")
    assert "Traceback" not in outcome.err
    return str(lines[-1])


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("settings", "seed"), 1, "settings.seed"),
        (("config", "epochs"), 7, "config.epochs"),
        (("config", "units"), "x", "config.units"),
        (("data", "sha256"), "0" * 64, "data.sha256"),
        (("program",), "translation", "program"),
    ],
)
def test_an_edited_setting_is_named(
    zoo: Zoo, run: Path, place: tuple[str, ...], value: Any, named: str
) -> None:
    path = run / "settings.json"
    content = json.loads(path.read_text())
    at = content
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    path.write_text(json.dumps(content))
    for command in (
        ("train", "language_model", "--resume", "--out", run),
        ("evaluate", "language_model", run),
        ("predict", "language_model", run),
    ):
        assert named in refused(zoo(*command))


@pytest.mark.parametrize("name", ["settings.json", "result.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{", b"7"]
)
def test_a_file_that_is_none(zoo: Zoo, run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    told = refused(zoo("train", "language_model", "--resume", "--out", run))
    assert f"{name} is damaged" in told


def test_every_flipped_bit_of_a_result_is_told(zoo: Zoo, run: Path) -> None:
    """A figure that still parses is an altered figure."""
    path = run / "result.json"
    whole = path.read_bytes()
    chance = np.random.default_rng(0)
    for place in chance.choice(len(whole) * 8, 200, replace=False):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            same = read_hashed(path) == {
                name: value
                for name, value in json.loads(whole).items()
                if name != "hashes"
            }
        except ZooError:
            continue
        assert same  # white space, or a digit beyond the last of a float


def test_what_is_written_is_read(tmp_path: Path) -> None:
    content = {"a": {"b": 0.1, "c": (1, 2), "d": {}}, "e": None, "f": "ß"}
    write_hashed(tmp_path / "x.json", content)
    assert read_hashed(tmp_path / "x.json") == json.loads(json.dumps(content))


def test_two_trainings_in_one_folder(zoo: Zoo, run: Path) -> None:
    (run / "result.json").unlink()
    with FileLock(run / ".lock"):
        partial = run / ".partial-1-history.csv"
        partial.write_text("of the one that trains")
        told = refused(zoo("train", "language_model", "--resume", "--out", run))
        assert "is in use: a training runs in it" in told
        assert open_saved(run).program == "language_model"  # reading takes no lock
        assert partial.exists()


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(presets.FOLDER / "stdlib-char-small", tmp_path / "preset")
    )


def _change(preset: Path, file: str, **values: Any) -> None:
    """Change a preset, with the right hash."""
    path = preset / file
    content = json.loads(path.read_text())
    (content["config"] if file == presets.CONFIG else content).update(values)
    path.write_text(json.dumps(content))
    hashes = json.loads((preset / presets.HASHES).read_text())
    hashes[file] = hashlib.sha256(path.read_bytes()).hexdigest()
    (preset / presets.HASHES).write_text(json.dumps(hashes))


@pytest.mark.parametrize(
    "values",
    [
        {"units": 1_000_000_000},
        {"units": -1},
        {"units": "x"},
        {"layers": 100_000},
        {"variant": "lstm"},
        {"learning_rate": float("nan")},
        {"dropout": 7.0},
        {"epochs": 0},
    ],
)
def test_a_preset_of_senseless_values(
    zoo: Zoo, preset: Path, values: dict[str, Any]
) -> None:
    _change(preset, presets.CONFIG, **values)
    told = refused(zoo("predict", "language_model", preset))
    assert next(iter(values)) in told
    assert "expected" in told


@pytest.mark.parametrize(
    "extras",
    [{}, {"vocabulary": ""}, {"vocabulary": 7}, {"vocabulary": "ba"}, {"tokenizer": 1}],
)
def test_extras_of_another_kind(extras: dict[str, Any]) -> None:
    if extras == {"vocabulary": ""}:
        assert len(tokens_of(extras)) == 0  # fits no weights
        return
    with pytest.raises(ZooError):
        tokens_of(extras)


@pytest.mark.parametrize(
    "extras",
    [
        {},
        {"mean": 0.0, "std": 1.0},
        {"mean": [0.0] * 39, "std": [1.0] * 39},
        {"mean": [float("nan")] * 40, "std": [1.0] * 40},
        {"mean": [0.0] * 40, "std": [0.0] * 40},
        {"mean": "x", "std": [1.0] * 40},
    ],
)
def test_statistics_that_fit_no_features(extras: dict[str, Any]) -> None:
    with pytest.raises(ZooError, match="mean and std of the features"):
        Features.of_run(SpeechConfig(), extras)


def test_a_card_that_is_no_text(zoo: Zoo, preset: Path) -> None:
    (preset / presets.CARD).write_bytes(b"\xff\xfe\x00")
    assert "card.md" in refused(zoo("predict", "language_model", preset))


@pytest.mark.parametrize("rate", [1, 999_983, 2**31 - 1])
def test_a_recording_with_an_absurd_rate(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * 800)
    with pytest.raises(ZooError, match=r"claims .* Hz|not audio"):
        audio.read(path)


def test_the_name_of_a_preset(zoo: Zoo, run: Path) -> None:
    for name in ("", ".", "a/b", ".hidden"):
        told = refused(zoo("preset", run, name))
        assert "expected the plain name of a folder" in told


def test_the_ranges_are_those_of_the_configuration() -> None:
    assert from_json(Config, {"units": 16_384}).units == 16_384
    with pytest.raises(ZooError, match="units=16385; expected at most 16384"):
        Config(units=16_385)


@pytest.mark.parametrize("name", ["x" * 300, "a/" + "x" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_no_preset(name: str) -> None:
    with pytest.raises(ZooError, match="is not a run folder, nor a preset"):
        open_saved(name)
