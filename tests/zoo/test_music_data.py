"""Pieces: files and their mistakes, excerpts, batches, MIDI files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import io

from tests.zoo.midi_reader import read_midi
from tests.zoo.tiny_music import TINY
from zoo.errors import ZooError
from zoo.polyphonic_music import mat, midi, synthetic
from zoo.polyphonic_music.batches import Batches, shifted, transposed
from zoo.polyphonic_music.data import PARTS, Source

pytestmark = pytest.mark.once
DATA = os.environ.get("KERAS_GRU_DATA")  # conftest takes it away from the tests
FACTS = {  # pieces and steps of each part, as the files have them
    "jsb_chorales": ((229, 76, 77), (13_807, 4_602, 4_725)),
    "nottingham": ((694, 173, 170), (176_561, 45_513, 44_463)),
    "musedata": ((524, 135, 124), (245_202, 82_755, 64_339)),
    "piano_midi": ((87, 12, 25), (75_911, 8_540, 19_036)),
}


def _pieces(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    found = []
    for length in lengths:
        piece = np.zeros((length, 88), np.uint8)
        piece[:, 20:60] = rng.random((length, 40)) < 0.1
        found.append(piece)
    return found


def _cell(pieces: list[object]) -> np.ndarray:
    cell = np.empty((1, len(pieces)), object)
    cell[0] = pieces
    return cell


def _file(path: Path, **cells: object) -> Path:
    whole = dict.fromkeys(mat.NAMES.values(), _cell(list(_pieces(5, 7))))
    io.savemat(path, {**whole, **cells})
    return path


def test_a_mat_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    train, test = _pieces(9, 4, 30), _pieces(2)
    path = _file(
        tmp_path / "a.mat",
        traindata=_cell(list(train)),
        testdata=_cell([one.astype(float) for one in test]),
    )
    data = Source(mat=str(path)).load()
    for found, expected in ((data.parts["train"], train), (data.parts["test"], test)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == np.uint8
            np.testing.assert_array_equal(one, other)
    # The hash is that of the music, not of the file.
    (tmp_path / "b").mkdir()
    again = _file(
        tmp_path / "b" / "b.mat",
        traindata=_cell(list(train)),
        testdata=_cell(list(test)),
    )
    assert Source(mat=str(again)).load().sha256 == data.sha256
    other = _file(tmp_path / "c.mat", traindata=_cell(list(train[::-1])))
    assert Source(mat=str(other)).load().sha256 != data.sha256


def _two(value: object) -> np.ndarray:
    return _cell([_pieces(5)[0], value])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"testdata": np.zeros((3, 88))}, "expected a cell of one piece or more"),
        ({"testdata": np.empty((1, 0), object)}, "expected a cell of one piece"),
        (
            {"testdata": _two(np.zeros((4, 87)))},
            "piece 1 of testdata has shape (4, 87)",
        ),
        ({"testdata": _two(np.zeros((1, 88)))}, "has shape (1, 88); expected (2 or mo"),
        ({"traindata": _two(np.full((4, 88), 2.0))}, "other values than 0 and 1"),
        ({"traindata": _two(np.full((4, 88), np.nan))}, "other values than 0 and 1"),
        ({"validdata": _two(np.full((4, 88), "a"))}, "piece 1 of validdata has other"),
        ({"validdata": _two(np.zeros((4, 88)) + 1j)}, "other values than 0 and 1"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(
    tmp_path: Path, cells: dict[str, object], words: str
) -> None:
    path = _file(tmp_path / "a.mat", **cells)
    with pytest.raises(ZooError) as error:
        mat.read(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_such_files(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"does not exist; expected a \.mat file"):
        mat.read(tmp_path / "no.mat")
    path = tmp_path / "a.mat"
    io.savemat(path, {"traindata": np.zeros(3)})
    with pytest.raises(ZooError, match="has no validdata and no testdata"):
        mat.read(path)
    content = _file(path).read_bytes()
    for damaged in (b"", b"text\n" * 99, content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ZooError, match="is damaged, or no MATLAB file"):
            mat.read(path)


def test_sources_that_exclude_each_other() -> None:
    with pytest.raises(ZooError, match="--mat and --dataset exclude each other"):
        Source(dataset="nottingham", mat="/a.mat")


@pytest.mark.skipif(not DATA, reason="KERAS_GRU_DATA is not set")
@pytest.mark.parametrize("name", FACTS)
def test_the_public_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_GRU_DATA", str(DATA))
    parts = Source(dataset=name).load().parts
    pieces, steps = FACTS[name]
    assert tuple(len(parts[part]) for part in PARTS) == pieces
    assert tuple(sum(map(len, parts[part])) for part in PARTS) == steps


def test_synthetic_music_is_in_four_voices_and_ends_on_the_tonic() -> None:
    parts = synthetic.parts()
    assert {part: len(pieces) for part, pieces in parts.items()} == synthetic.PIECES
    for piece in parts["test"]:
        assert len(piece) % synthetic.PHRASE == 0
        sounding = piece.sum(axis=1)
        assert sounding.max() <= 4
        assert sounding.min() >= 2
        # The last chord is a major triad, or a part of one.
        keys = np.flatnonzero(piece[-1])
        assert any(set((keys - root) % 12) <= {0, 4, 7} for root in keys)
    again = synthetic.parts()
    np.testing.assert_array_equal(again["train"][7], parts["train"][7])


def test_every_step_trains_once_an_epoch_and_cuts_move() -> None:
    pieces = _pieces(5, 20, 21, 40, 57)
    batches = Batches(pieces, replace(TINY, timesteps=20, transpose=0), seed=3)
    cuts = set()
    for epoch in range(6):
        excerpts = batches.excerpts(epoch)
        assert len(excerpts) == sum(batches.counts) == 1 + 1 + 2 + 2 + 3
        seen = [np.zeros(len(piece), int) for piece in pieces]
        for index, begin, end, _ in excerpts:
            assert 0 < end - begin <= 20
            seen[index][begin:end] += 1
        assert all((one == 1).all() for one in seen)
        cuts.add(tuple(sorted(one[2] for one in excerpts if one[0] == 4)))
    assert len(cuts) > 2
    assert batches.excerpts(1) != batches.excerpts(2)
    assert batches.excerpts(1) == batches.excerpts(1)


def test_a_batch_is_what_was_played_before_and_what_comes_next() -> None:
    pieces = _pieces(5, 33, 8)
    config = replace(TINY, timesteps=12, transpose=0, batch_size=2)
    batches = Batches(pieces, config, seed=1)
    assert batches.steps_per_epoch == 5 // 2
    for step in range(4):
        x, y = batches.batch(step)
        assert x.shape == y.shape == (2, 12, 88)
        epoch, position = divmod(step, 2)
        for row, (index, begin, end, _) in enumerate(
            batches.excerpts(epoch)[2 * position : 2 * position + 2]
        ):
            length = end - begin
            np.testing.assert_array_equal(y[row, :length], pieces[index][begin:end])
            assert np.isnan(y[row, length:]).all()
            before = pieces[index][begin - 1] if begin else np.zeros(88)
            np.testing.assert_array_equal(x[row, 0], before)
            np.testing.assert_array_equal(
                x[row, 1:length], pieces[index][begin : end - 1]
            )
            assert not x[row, length:].any()
    one = shifted(pieces[0])
    assert not one[0].any()
    np.testing.assert_array_equal(one[1:], pieces[0][:-1])


def test_transposition_keeps_all_keys() -> None:
    piece = _pieces(30)[0]
    moved = transposed(piece, 3)
    np.testing.assert_array_equal(moved[:, 3:], piece[:, :-3])
    piece[0, 1] = piece[0, 86] = 1
    for semitones in range(-5, 6):
        moved = transposed(piece, semitones)
        assert moved.sum() == piece.sum()
        shift = max(-1, min(1, semitones))
        assert moved[0, 1 + shift] == 1
        np.testing.assert_array_equal(np.roll(piece, shift, axis=1), moved)
    silent = np.zeros((3, 88), np.uint8)
    np.testing.assert_array_equal(transposed(silent, 2), silent)
    config = replace(TINY, transpose=2)
    semitones = {one[3] for one in Batches(_pieces(*[9] * 40), config, 0).excerpts(0)}
    assert semitones == {-2, -1, 0, 1, 2}


def test_too_few_pieces() -> None:
    batches = Batches(_pieces(5, 50), replace(TINY, batch_size=9), seed=0)
    with pytest.raises(ZooError, match="has 4 excerpts of at most timesteps=20; expec"):
        batches.require_one_batch()


@pytest.mark.parametrize("steps", [0, 1, 7, 300])
def test_a_midi_file_is_read_back(tmp_path: Path, steps: int) -> None:
    rng = np.random.default_rng(steps)
    roll = (rng.random((steps, 88)) < 0.2).astype(np.uint8)
    roll[3:260] = 0  # a rest that takes a delta time of three bytes
    path = tmp_path / "a.mid"
    midi.write(roll, 0.25, path)
    found, seconds = read_midi(path)
    assert seconds == 0.25
    expected = roll[: len(np.trim_zeros(roll.any(axis=1), "b"))]
    np.testing.assert_array_equal(found, expected)
