"""Texts, vocabulary, streams."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.language_model import data
from zoo.language_model.tokens import Vocabulary

pytestmark = pytest.mark.once


def test_split_is_the_first_nine_tenths_and_the_rest() -> None:
    corpus = data.Corpus("name", "abcdefghijklmnopqrstu")
    assert corpus.train == "abcdefghijklmnopqr"
    assert corpus.validation == "stu"


def test_standard_library_is_python_and_the_same_each_time() -> None:
    text = data.standard_library()
    assert text == data.standard_library()
    # Whole files: at least so many characters, and the library's longest file more.
    assert 0.9 * data.STDLIB_CHARACTERS < len(text) < 1.5 * data.STDLIB_CHARACTERS
    first = Path(sysconfig.get_path("stdlib")) / "abc.py"
    assert text.startswith(first.read_text(encoding="utf-8"))
    assert "import argparse" in text


def test_standard_library_takes_files_in_order_up_to_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.py", "_hidden.py", "a.py", "c.py", "a.txt", "d.py"):
        (tmp_path / name).write_text(name[0] * 4)
    monkeypatch.setattr(data, "STDLIB_CHARACTERS", 10)
    assert data.standard_library(tmp_path) == "aaaabbbbcccc"


def test_standard_library_without_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"keeps no source text.*--text"):
        data.standard_library(tmp_path)


def test_vocabulary_goes_both_ways_beyond_ascii() -> None:
    text = "naïve 𝄞 z\n"
    vocabulary = Vocabulary.of(text)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int32
    assert sorted(set(ids.tolist())) == list(range(len(vocabulary)))
    assert vocabulary.decode(ids) == text


def test_vocabulary_names_what_it_does_not_know() -> None:
    with pytest.raises(ZooError, match=r"'ß' \(U\+00DF\)"):
        Vocabulary.of("abc").encode("aßb")


def test_streams_go_on_where_the_batch_before_stopped() -> None:
    streams = data.Streams(np.arange(50, dtype=np.int32), 3, 5, seed=4)
    assert streams.steps_per_epoch == 3
    first, first_next = streams.batch(0)
    second, _ = streams.batch(1)
    assert first.shape == (3, 5)
    np.testing.assert_array_equal(first_next, (first + 1) % 50)
    np.testing.assert_array_equal(second[:, 0], first_next[:, -1])


def test_epochs_begin_elsewhere_and_repeat_with_the_seed() -> None:
    ids = np.arange(500, dtype=np.int32)
    streams = data.Streams(ids, 4, 5, seed=1)
    epochs = [streams.batch(k * streams.steps_per_epoch)[0][0, 0] for k in range(5)]
    assert len(set(epochs)) > 1
    again = data.Streams(ids, 4, 5, seed=1)
    np.testing.assert_array_equal(streams.batch(123)[0], again.batch(123)[0])
    other = data.Streams(ids, 4, 5, seed=2)
    assert (streams.batch(0)[0] != other.batch(0)[0]).any()


def test_an_epoch_reads_every_character_of_a_text_that_fits() -> None:
    streams = data.Streams(np.arange(60, dtype=np.int32), 4, 5, seed=0)
    read = [streams.batch(step)[0] for step in range(streams.steps_per_epoch)]
    assert sorted(np.concatenate(read, axis=1).ravel().tolist()) == list(range(60))


def test_line_ends_and_byte_order_mark_are_normalised(tmp_path: Path) -> None:
    path = tmp_path / "windows.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert data.read_text(path) == "a\nb\n"
