"""Checkpoints: whole, checked, and the previous one where the newest is damaged."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from keras_gru.files import replacing
from keras_gru.resume import checkpoint as checkpoints
from keras_gru.resume.checkpoint import Checkpoint, DamagedCheckpoint

pytestmark = pytest.mark.once


def _checkpoint(step: int) -> Checkpoint:
    random = np.random.default_rng(step)
    arrays = {
        "model/000/a": random.normal(size=(40, 30)).astype("float32"),
        "optimizer/000/iterations": np.array(step, dtype="int64"),
        "seed": np.array([1, 2**32 - 1], dtype="uint32"),
    }
    return Checkpoint(step, arrays, {"history": [{"nats": 1.0 / 3.0}]})


def test_what_was_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    saved = _checkpoint(7)
    checkpoints.save(tmp_path, saved)
    loaded = checkpoints.latest(tmp_path)
    assert loaded is not None
    assert (loaded.step, loaded.metadata) == (7, saved.metadata)
    assert list(loaded.arrays) == list(saved.arrays)
    for name, array in saved.arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 100):
        checkpoints.save(tmp_path, _checkpoint(step))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-00000003.npz", "step-00000100.npz"]


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert checkpoints.latest(tmp_path) is None


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_torn_file_gives_way_to_the_one_before(tmp_path: Path, part: float) -> None:
    checkpoints.save(tmp_path, _checkpoint(1))
    newest = checkpoints.save(tmp_path, _checkpoint(2))
    whole = newest.read_bytes()
    newest.write_bytes(whole[: int(part * len(whole))])
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert found.damaged == [newest]


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, _checkpoint(1))
    whole = path.read_bytes()
    original = checkpoints.load(path)
    for place in range(0, len(whole), 97):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        try:
            loaded = checkpoints.load(path)
        except DamagedCheckpoint:
            continue
        # A byte of the container that carries nothing: the content must be the same.
        assert loaded.metadata == original.metadata
        for name, array in original.arrays.items():
            np.testing.assert_array_equal(loaded.arrays[name], array)


@pytest.mark.parametrize("claim", [2**60, None])
def test_a_member_that_is_no_array_or_too_large(
    tmp_path: Path, claim: int | None
) -> None:
    path = checkpoints.save(tmp_path, Checkpoint(1, {"a": np.arange(3)}, {}))
    member = io.BytesIO()
    if claim:
        header = {"descr": "|i1", "fortran_order": False, "shape": (claim,)}
        np.lib.format.write_array_header_1_0(member, header)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("array/b.npy", member.getvalue())
    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(path)


def test_where_all_are_damaged_it_says_so(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, _checkpoint(1)).write_bytes(b"no zip")
    with pytest.raises(DamagedCheckpoint, match=r"every checkpoint.*step-00000001"):
        checkpoints.latest(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("ne")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".partial-1-step-00000009.npz").write_bytes(b"half")
    checkpoints.save(tmp_path, _checkpoint(1))
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]


def test_an_array_with_nan_is_named() -> None:
    arrays = {"fine": np.ones(3), "count": np.arange(3), "bad": np.array([1, np.nan])}
    assert checkpoints.require_finite(arrays) == "bad"
    assert checkpoints.require_finite({"fine": np.ones(3)}) is None
