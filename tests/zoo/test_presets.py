"""Presets: made from a run, checked when opened, used by name and from Python."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import huggingface_hub
import keras
import numpy as np
import pytest

import zoo
from keras_gru.resume.checkpoint import values_of
from tests.zoo.conftest import Zoo
from zoo import presets
from zoo.backend import chosen
from zoo.errors import ZooError
from zoo.language_model.use import LanguageModel
from zoo.presets.make import _without_out, make


@pytest.fixture(scope="module")
def made(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one preset."""
    into = tmp_path_factory.mktemp("presets")
    make(trained, "made", chosen(), into=into, note="Made in a test.")
    return into


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The presets where the checkout keeps its own, free to be damaged."""
    copied = Path(shutil.copytree(made, tmp_path / "presets"))
    monkeypatch.setattr(presets, "FOLDER", copied)
    return copied


@pytest.fixture
def here(folder: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the text lies: a preset keeps its name only."""
    monkeypatch.chdir(text_file.parent)
    return folder


def test_a_preset_gives_the_figures_that_it_tells(here: Path, zoo: Zoo) -> None:
    files = {path.name for path in (here / "made").iterdir()}
    assert files == {
        "config.json",
        "extras.json",
        "model.weights.h5",
        "card.md",
        "hashes.json",
    }
    outcome = zoo("evaluate", "language_model", "made", "--json")
    assert outcome.out.count("\n") == 1
    figures = json.loads(outcome.out)
    stored = json.loads((here / "made" / "config.json").read_text())
    for name in ("nats", "bits_per_char"):
        assert stored["figures"][name] == pytest.approx(figures[name], abs=1e-6)


def test_its_weights_are_those_of_the_run_in_half_precision(
    here: Path, trained: Path
) -> None:
    stored: set[np.dtype] = set()

    def look(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            stored.add(item.dtype)

    with h5py.File(here / "made" / "model.weights.h5") as file:
        file.visititems(look)
    assert np.dtype("float16") in stored
    assert np.dtype("float32") not in stored
    for used, whole in zip(
        values_of(zoo_load("made").model.weights),
        values_of(zoo.load(trained).model.weights),
        strict=True,
    ):
        assert used.dtype == whole.dtype
        rounded = whole.astype("float16").astype(whole.dtype)
        np.testing.assert_array_equal(used, rounded)


def zoo_load(name: str) -> Any:
    return zoo.load(name)


def test_the_card_says_where_it_comes_from(folder: Path, trained: Path) -> None:
    card = (folder / "made" / "card.md").read_text()
    for words in ("| seed | 0 |", "float16", "`python -m zoo ", "| nats | "):
        assert words in card
    assert "Made in a test." in card
    assert str(trained) not in card  # --out says nothing to others
    hashes = json.loads((folder / "made" / "hashes.json").read_text())
    assert all(f"| `{file}` | `{sha256}` |" in card for file, sha256 in hashes.items())


@pytest.mark.parametrize(
    "command",
    ["zoo train x --out '/a b/c' --seed 1", "zoo train x --seed 1 --out=/a/b"],
)
def test_the_command_on_a_card_has_no_folder(command: str) -> None:
    assert _without_out(command) == "zoo train x --seed 1"


def test_from_python_it_predicts_and_shows_its_model_and_card(folder: Path) -> None:
    loaded = zoo.load("made")
    assert isinstance(loaded.model, keras.Model)
    assert loaded.card is not None
    assert loaded.card.startswith("# made")
    text = loaded.predict("def ", length=12, seed=1)
    assert len(text) == 12
    assert text == loaded.predict("def ", length=12, seed=1)
    assert text == zoo.load(folder / "made").predict("def ", length=12, seed=1)


def test_from_python_a_run_is_as_good(trained: Path, here: Path) -> None:
    loaded = zoo.load(trained)
    assert loaded.card is None
    result = json.loads((trained / "result.json").read_text())
    assert loaded.evaluate()["nats"] == pytest.approx(
        result["validation_nats"], abs=1e-6
    )


def test_the_list_shows_presets_with_figure_and_licence(folder: Path, zoo: Zoo) -> None:
    outcome = zoo("list")
    about = json.loads((folder / "made" / presets.CONFIG).read_text())
    for words in ("made", f"nats {about['figures']['nats']:.4f}", "not stated"):
        assert words in outcome.out
    assert f"{about['parameters']:,}" in outcome.out


def test_the_presets_of_the_checkout_are_whole() -> None:
    """Those that are committed: hashes, cards, and at most 30 MB together."""
    for name in presets.names():
        stored = presets.read(presets.FOLDER / name)
        assert stored["figures"], name
        assert stored["storage"] == "float16", name
        assert (presets.FOLDER / name / presets.CARD).is_file(), name
    files = presets.FOLDER.glob("*/*")
    assert sum(path.stat().st_size for path in files if path.is_file()) < 30e6


def test_a_model_written_from_python_is_a_preset(
    trained: Path, folder: Path, zoo: Zoo
) -> None:
    model = LanguageModel.from_preset(trained)
    model.save_to_preset(folder / "mine")
    assert LanguageModel.from_preset("mine").predict("def ", length=9) == (
        model.predict("def ", length=9)
    )
    assert zoo("predict", "language_model", "mine", "--length", 9).code == 0
    with pytest.raises(ZooError, match="not empty"):
        model.save_to_preset(folder / "mine")


def test_fine_tuning_begins_with_the_weights_and_the_vocabulary(
    folder: Path, text_file: Path, tmp_path: Path, zoo: Zoo
) -> None:
    own = tmp_path / "own.txt"
    own.write_text(text_file.read_text()[:-1] + "!")
    command = ("train", "language_model", "--from-preset", "made", "--text", own)
    assert "'!' (U+0021)" in zoo(*command, "--out", tmp_path / "a").err
    own.write_text("plus(a, b)\n" * 50)
    line = zoo(*command, "--units", 11, "--out", tmp_path / "b").err
    assert "the weights of made do not fit the configuration" in line
    assert line.count("\n") == 1
    assert not (tmp_path / "b").exists()
    rate = ("--learning-rate", 1e-12, "--epochs", 1)
    outcome = zoo(*command, *rate, "--out", tmp_path / "c")
    assert outcome.code == 0, outcome.err
    stored = json.loads((tmp_path / "c" / "settings.json").read_text())
    assert stored["config"]["dropout"] == 0.3  # the preset's
    assert stored["extras"] == json.loads((folder / "made/extras.json").read_text())
    for found, begun in zip(
        values_of(LanguageModel.from_preset(tmp_path / "c").model.weights),
        values_of(LanguageModel.from_preset("made").model.weights),
        strict=True,
    ):
        np.testing.assert_allclose(found, begun, atol=1e-6)


# Damage and mistakes: one line each.


def _flip(file: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = bytearray((folder / file).read_bytes())
        content[len(content) // 2] ^= 0x10
        (folder / file).write_bytes(content)

    return damage


def _cut(file: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / file).write_bytes((folder / file).read_bytes()[:100])

    return damage


def _remove(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_flip("model.weights.h5"), "model.weights.h5 differs from its hash"),
        (_flip("config.json"), "config.json differs from its hash"),
        (_flip("extras.json"), "extras.json differs from its hash"),
        (_cut("model.weights.h5"), "model.weights.h5 differs from its hash"),
        (_cut("hashes.json"), "hashes.json: JSONDecodeError"),
        (_remove("model.weights.h5"), "it has no model.weights.h5"),
        (_remove("extras.json"), "it has no extras.json"),
        (_remove("hashes.json"), "hashes.json: FileNotFoundError"),
    ],
)
def test_a_damaged_preset_is_refused_in_one_line(
    folder: Path, zoo: Zoo, damage: Callable[[Path], None], words: str
) -> None:
    damage(folder / "made")
    outcome = zoo("evaluate", "language_model", "made")
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert "preset made is damaged: " in outcome.err
    assert words in outcome.err
    with pytest.raises(ZooError, match="damaged"):
        zoo_load("made")


def test_names_that_are_no_preset_are_told_with_those_that_are(
    folder: Path, zoo: Zoo
) -> None:
    words = "is not a run folder, nor a preset; presets: made"
    assert words in zoo("evaluate", "language_model", "nothing").err
    with pytest.raises(ZooError, match=r"not a run folder, nor a preset.*made"):
        zoo_load("nothing")


def test_a_preset_is_not_made_twice_nor_from_a_run_that_goes_on(
    folder: Path, zoo: Zoo, trained: Path, tmp_path: Path
) -> None:
    assert "exists; choose another name" in zoo("preset", trained, "made").err
    assert "expected the plain name" in zoo("preset", trained, "a/b").err
    assert "is not a run folder" in zoo("preset", tmp_path, "new").err
    unfinished = Path(shutil.copytree(trained, tmp_path / "unfinished"))
    (unfinished / "result.json").unlink()
    assert "is not finished" in zoo("preset", unfinished, "new").err
    assert sorted(path.name for path in folder.iterdir()) == ["made"]


def test_the_hub_gives_a_folder_that_is_checked(
    folder: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def snapshot(
        repository: str, *, revision: str | None, allow_patterns: list[str]
    ) -> str:
        asked.append((repository, revision))
        assert "model.weights.h5" in allow_patterns
        return str(folder / "made")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    command = ("predict", "language_model", "hf://owner/name@v1", "--length", 5)
    assert zoo(*command).code == 0
    assert asked == [("owner/name", "v1")]
    _flip("model.weights.h5")(folder / "made")
    assert "is damaged" in zoo(*command).err


def test_the_hub_that_cannot_be_reached_is_one_line(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def snapshot(*_: object, **__: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    outcome = zoo("evaluate", "language_model", "hf://owner/name")
    assert outcome.code == 2
    assert "cannot get hf://owner/name: OSError: no route to host" in outcome.err
    with pytest.raises(ZooError, match="expected hf://owner/name"):
        presets.find("hf://name")


def test_an_address_that_the_hub_does_not_take() -> None:
    with pytest.raises(ZooError, match="HFValidationError"):
        presets.find("hf://owner/--name")


def test_without_the_hubs_package_its_name_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ZooError, match="pip install huggingface_hub"):
        presets.find("hf://owner/name")
