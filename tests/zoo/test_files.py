"""A full disk and a path that cannot be written: which file, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from tensorboard.summary.writer.record_writer import RecordWriter

from keras_gru import files as layer_files
from tests.zoo.conftest import Zoo
from zoo import files, load
from zoo.training import runs, weights

replacings = pytest.mark.parametrize(
    "replacing", [files.replacing, layer_files.replacing]
)


def _full(*arguments: Any, **options: Any) -> None:
    """A write on a full disk; what Python raises has no file's name."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@replacings
def test_a_full_disk_has_the_name_of_the_file(tmp_path: Path, replacing: Any) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(OSError, match="No space left") as told, replacing(path):
        _full()
    assert told.value.filename == str(path)
    assert not list(tmp_path.iterdir())


@replacings
def test_the_name_is_not_the_one_of_the_half_written_file(
    tmp_path: Path, replacing: Any
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "below"
    with pytest.raises(NotADirectoryError) as told, replacing(path) as partial:
        partial.write_text("text")
    assert told.value.filename == str(path)
    assert files.PARTIAL not in str(told.value)
    # h5py has the name in its text only.
    with pytest.raises(PermissionError) as told, replacing(path) as partial:
        raise OSError(errno.EACCES, f"unable to open file: name = '{partial}'")
    assert told.value.filename == str(path)
    assert files.PARTIAL not in str(told.value)


@replacings
def test_other_errors_are_as_they_were(tmp_path: Path, replacing: Any) -> None:
    path = tmp_path / "file"
    for error in (ConnectionResetError(errno.ECONNRESET, "gone"), OSError("gone")):
        with pytest.raises(OSError, match="gone") as told, replacing(path):
            raise error
        assert told.value is error
        assert error.filename is None


# A training where the disk is full: what cannot be written, and its file in the run.
WRITES = [
    (np, "savez", "checkpoints/step-"),
    (RecordWriter, "write", "tensorboard"),
    (keras.Model, "save_weights", "best.weights.h5"),
]


@pytest.mark.once
@pytest.mark.usefixtures("trained")  # TensorFlow's first words are said by then
@pytest.mark.parametrize(("place", "name", "file"), WRITES)
def test_a_training_goes_on_when_there_is_room_again(
    zoo: Zoo,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    file: str,
) -> None:
    command = ("train", "language_model", "--text", text_file, "--epochs", 1)
    command = (*command, "--out", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(place, name, _full)
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))
        outcome = zoo(*command)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1, outcome.err
    assert f"No space left on device: '{tmp_path / 'run'}/{file}" in outcome.err
    assert "1,073.7 MB (1,073,741,824 bytes) are free there" in outcome.err
    assert "goes on with --resume" in outcome.err
    assert zoo(*command, "--resume").code == 0


def test_weights_are_not_begun_without_room(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 tells of a full disk once more for each of its objects, on stderr."""
    model = load(trained).model
    weights.save(model, tmp_path / "whole.weights.h5")
    size = (tmp_path / "whole.weights.h5").stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=size))
    monkeypatch.setattr(model, "save_weights", None)
    with pytest.raises(OSError, match="No space left on device") as told:
        weights.save(model, tmp_path / "best.weights.h5")
    assert told.value.filename == str(tmp_path / "best.weights.h5")


def test_folders_that_cannot_be_made(zoo: Zoo, trained: Path, text_file: Path) -> None:
    """They are made under another name first."""
    below = text_file / "folder" / "below"
    train = ("train", "language_model", "--text", text_file)
    for line in (
        zoo(*train, "--out", below).err,
        zoo("preset", trained, "below", "--into", below.parent).err,
    ):
        assert f"[Errno 20] Not a directory: '{below}'\n" in line
        assert line.count("\n") == 1


@pytest.mark.once
def test_a_checkout_knows_its_commit() -> None:
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("this is no checkout")
    assert root == runs.CHECKOUT
    assert runs.commit()
