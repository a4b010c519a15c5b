"""Sentence pairs, subwords and batches: what is read, skipped, refused."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from zoo.config import words
from zoo.errors import ZooError
from zoo.translation import data, numbers
from zoo.translation.data import Buckets, Source, padded
from zoo.translation.evaluation import accuracy, bleu_and_chrf
from zoo.translation.subwords import BOS, EOS, HIDDEN, PAD, Subwords

pytestmark = pytest.mark.once

# Read here, for the tests run without it.
DATA = os.environ.get("KERAS_GRU_DATA")
LINES = ["Ein Mann geht.", "Two dogs, one cat!", "Straße – 3 €", "<eos> is a word"]


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords.learn(LINES * 3, 300)


# Subwords


@pytest.mark.parametrize("text", [*LINES, "漢字 🙂 never seen", "a", "<pad><bos>"])
def test_every_text_comes_back(subwords: Subwords, text: str) -> None:
    (ids,) = subwords.encode([text])
    assert min(ids) > HIDDEN
    assert subwords.decode(ids) == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x0b", "\x85", "\u2028"])
def test_a_translation_is_one_line(subwords: Subwords, end: str) -> None:
    """A decoder may say any byte; each line of the input has one line of output."""
    (ids,) = subwords.encode([f"ein{end}Mann{end}"])
    assert subwords.decode(ids) == "ein Mann"


def test_special_ids_are_no_text(subwords: Subwords) -> None:
    (ids,) = subwords.encode(["Ein Mann"])
    assert subwords.decode([BOS, *ids, EOS, PAD]) == "Ein Mann"
    pieces = subwords.pieces([*ids, EOS])
    assert pieces[0].startswith("▁")
    assert pieces[-1] == "<eos>"
    (parts,) = subwords.encode(["漢"])
    assert subwords.pieces(parts)[-3:] == ["·", "·", "·"]
    (control,) = subwords.encode(["\x18"])
    assert subwords.pieces(control)[-1] == "·"


def test_learning_is_repeatable_and_survives_json(subwords: Subwords) -> None:
    text = subwords.to_json()
    assert Subwords.learn(LINES * 3, 300).to_json() == text
    again = Subwords.from_json(text)
    assert again.encode(LINES) == subwords.encode(LINES)
    assert len(again) == len(subwords)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "the vocabulary is damaged"),
        ('{"model": 3}', "the vocabulary is damaged"),
    ],
)
def test_a_damaged_vocabulary_is_refused(text: str, words: str) -> None:
    with pytest.raises(ZooError, match=words):
        Subwords.from_json(text)


def test_a_vocabulary_of_another_program_is_refused(subwords: Subwords) -> None:
    text = subwords.to_json().replace("<hidden>", "<mask>")
    with pytest.raises(ZooError, match="of another program"):
        Subwords.from_json(text)


# Numbers


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (16, "sixteen", "sechzehn"),
        (21, "twenty-one", "einundzwanzig"),
        (101, "one hundred and one", "einhunderteins"),
        (1000, "one thousand", "eintausend"),
        (70_017, "seventy thousand and seventeen", "siebzigtausendsiebzehn"),
        (
            999_999,
            "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
            "neunhundertneunundneunzigtausendneunhundertneunundneunzig",
        ),
    ],
)
def test_numbers(number: int, english: str, german: str) -> None:
    assert (numbers.english(number), numbers.german(number)) == (english, german)


def test_dates() -> None:
    assert numbers.date(1, 3, 1900) == (
        "March the first, nineteen hundred",
        "der erste März neunzehnhundert",
    )
    assert numbers.date(20, 12, 1807) == (
        "December the twentieth, eighteen oh seven",
        "der zwanzigste Dezember achtzehnhundertsieben",
    )


@pytest.mark.parametrize(
    ("hour", "minute", "english", "german"),
    [
        (1, 0, "It is one o'clock.", "Es ist ein Uhr."),
        (12, 15, "It is a quarter past twelve.", "Es ist Viertel nach zwölf."),
        (6, 25, "It is twenty-five past six.", "Es ist fünf vor halb sieben."),
        (12, 45, "It is a quarter to one.", "Es ist Viertel vor eins."),
        (7, 50, "It is ten to eight.", "Es ist zehn vor acht."),
    ],
)
def test_times(hour: int, minute: int, english: str, german: str) -> None:
    assert numbers.time(hour, minute) == (english, german)


def test_a_time_in_a_sentence() -> None:
    assert numbers.time(3, 30, numbers.FRAMES[4]) == (
        "She always gets up at half past three.",
        "Sie steht immer um halb vier auf.",
    )


def test_the_default_data_hold_out_what_they_test() -> None:
    corpus = Source(dataset="numbers").load()
    sources = [{source for source, _ in corpus.splits[name]} for name in data.SPLITS]
    assert [len(found) for found in sources] == [11_000, 500, 500]
    assert not sources[0] & (sources[1] | sources[2])
    assert not sources[1] & sources[2]
    assert corpus.sha256 == Source(dataset="numbers").load().sha256


# Files


def _files(tmp_path: Path, source: bytes, target: bytes) -> tuple[Path, Path]:
    paths = (tmp_path / "text.en", tmp_path / "text.de")
    for path, content in zip(paths, (source, target), strict=True):
        path.write_bytes(content)
    return paths


def test_files_are_read_line_by_line(tmp_path: Path) -> None:
    source = "\ufeffa  one\r\n" + "".join(f"s {n}\n" for n in range(19))
    target = "\tb eins \n" + "".join(f"t {n}\n" for n in range(19))
    corpus = data.from_files(*_files(tmp_path, source.encode(), target.encode()))
    assert corpus.splits["train"][0] == ("a one", "b eins")
    assert corpus.splits["validation"] == [("s 17", "t 17")]
    assert corpus.splits["test"] == [("s 18", "t 18")]
    assert len(corpus.splits["train"]) == 18
    assert corpus.notes == ()


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    (tmp_path / "with").write_text("a\nb\n")
    (tmp_path / "without").write_text("a\nb")
    assert data.read_lines(tmp_path / "with") == ["a", "b"]
    assert data.read_lines(tmp_path / "without") == ["a", "b"]


def test_what_is_skipped_is_counted(tmp_path: Path) -> None:
    long = "x" * (data.LONGEST_LINE + 1)
    source = f"a\n\nc\nd\n{long}\nf\n"
    target = "a\nb\n \nd\ne\nf\n"
    corpus = data.from_files(*_files(tmp_path, source.encode(), target.encode()))
    assert sum(map(len, corpus.splits.values())) == 3
    assert corpus.notes == (
        "2 pairs skipped: a line is empty",
        f"1 pairs skipped: a line has over {data.LONGEST_LINE} characters",
    )


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (b"a\nb\nc\n", b"a\nb\n", "has 3 lines and .* has 2"),
        (b"a\nb\n", b"a\nb\n", "have 2 usable pairs"),
        (b"\n\n\n", b"a\nb\nc\n", "have 0 usable pairs"),
        (b"", b"a\n", "is empty"),
        (b"caf\xe9\n", b"a\n", "is not UTF-8: byte 3 is 0xe9"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, source: bytes, target: bytes, words: str
) -> None:
    with pytest.raises(ZooError, match=words) as caught:
        data.from_files(*_files(tmp_path, source, target))
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_torn(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="cannot read"):
        data.read_lines(tmp_path / "absent")
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(b"a line\n" * 99)[:-9])
    with pytest.raises(ZooError, match=r"torn\.gz is damaged"):
        data.read_lines(torn)
    torn.write_bytes(b"no gzip")
    with pytest.raises(ZooError, match=r"torn\.gz is damaged"):
        data.read_lines(torn)


def test_names_that_are_unknown() -> None:
    with pytest.raises(ZooError, match="dataset='wmt'; expected 'numbers' or"):
        Source(dataset="wmt")
    with pytest.raises(ZooError, match="pair='en-nl'; expected 'en-de', 'de-en'"):
        Source(pair="en-nl")


@pytest.mark.parametrize("pair", words(data.Source, "pair"))
def test_multi30k(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not DATA:
        pytest.skip("KERAS_GRU_DATA is not set: the sentences are not at hand")
    monkeypatch.setenv("KERAS_GRU_DATA", DATA)
    corpus = Source(pair=pair).load()
    assert [len(corpus.splits[name]) for name in data.SPLITS] == [29_000, 1014, 1000]
    assert corpus.split_names["test"] == "test_2016_flickr"
    assert corpus.notes == ()


# Batches


def _sentences(count: int) -> list[list[int]]:
    random = np.random.default_rng(4)
    return [
        random.integers(4, 90, size=random.integers(1, 30)).tolist()
        for _ in range(count)
    ]


@pytest.fixture
def batches() -> Buckets:
    sentences = _sentences(200)
    return Buckets(sentences, sentences[::-1], tokens=256, pad_to=4, seed=3)


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_every_pair_exactly_once_an_epoch(batches: Buckets, epoch: int) -> None:
    first = epoch * batches.steps_per_epoch
    steps = range(first, first + batches.steps_per_epoch)
    members = np.concatenate([batches.members(step) for step in steps])
    assert sorted(members.tolist()) == list(range(200))
    rows: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for step in steps:
        (source, before), target = batches.batch(step)
        for s, b, t in zip(source, before, target, strict=True):
            assert (b[b != PAD][1:] == t[t != PAD][:-1]).all()
            if s.any():
                assert b[0] == BOS
                rows[tuple(s[s != PAD]), tuple(t[t != PAD])] += 1
            else:
                assert not b.any()
                assert not t.any()
    expected = Counter(
        ((*source, EOS), (*target, EOS))
        for source, target in zip(batches.sources, batches.targets, strict=True)
    )
    assert rows == expected


def test_batches_are_of_few_shapes_and_bounded(batches: Buckets) -> None:
    shapes = set()
    for step in range(batches.steps_per_epoch):
        (source, before), target = batches.batch(step)
        shapes.add((source.shape, target.shape))
        assert before.shape == target.shape
        assert source.shape[1] % 4 == target.shape[1] % 4 == 0
        assert len(source) % 8 == 0
        assert target.size <= 256
    later = {
        batches.batch(step + 7 * batches.steps_per_epoch)[1].shape
        for step in range(batches.steps_per_epoch)
    }
    assert later == {target for _, target in shapes}


def test_examples_have_no_dimension_in_common_that_batches_have_not(
    batches: Buckets,
) -> None:
    (one, _), _ = batches.example(0)
    (other, _), _ = batches.example(1)
    assert one.shape[0] != other.shape[0]
    assert one.shape[1] != other.shape[1]


def test_lengths_of_a_batch_are_alike() -> None:
    sentences = _sentences(2000)
    batches = Buckets(sentences, sentences, tokens=512, pad_to=4)
    cells = used = 0
    for step in range(batches.steps_per_epoch):
        (source, _), target = batches.batch(step)
        cells += source.size + target.size
        used += (source != PAD).sum() + (target != PAD).sum()
    assert used / cells > 0.8


def test_a_batch_is_a_function_of_seed_and_step(batches: Buckets) -> None:
    def flat(of: Buckets, step: int) -> bytes:
        (source, before), target = of.batch(step)
        return source.tobytes() + before.tobytes() + target.tobytes()

    def again(seed: int) -> Buckets:
        return Buckets(
            batches.sources,
            batches.targets,
            tokens=256,
            pad_to=4,
            word_dropout=0.2,
            seed=seed,
        )

    far = 3 * batches.steps_per_epoch + 2
    forwards = again(3)
    walked = [flat(forwards, step) for step in range(far + 1)]
    assert flat(again(3), far) == walked[far]
    assert flat(again(4), far) != walked[far]
    assert walked[0] != walked[batches.steps_per_epoch]


def test_hidden_subwords_are_in_the_inputs_only() -> None:
    sentences = [[5] * 200] * 8
    batches = Buckets(
        sentences, sentences, tokens=4000, pad_to=1, word_dropout=0.25, seed=0
    )
    (source, before), target = batches.batch(0)
    assert set(np.unique(target)) == {EOS, 5}
    assert (before[:, 0] == BOS).all()
    assert (source[:, -1] == EOS).all()
    for ids in (source, before):
        assert np.mean(ids == HIDDEN) == pytest.approx(0.25, abs=0.04)


def test_padded() -> None:
    ids = padded([[4], [4, 5, 6]], pad_to=2, rows=3)
    assert ids.dtype == np.int32
    assert ids.tolist() == [[4, 0, 0, 0], [4, 5, 6, 0], [0, 0, 0, 0]]


# Metrics


def test_bleu_is_cased_and_detokenised() -> None:
    references = ["Ein Mann geht, und er lacht.", "Zwei Hunde spielen im Gras."]
    same = bleu_and_chrf(references, references)
    assert same["bleu"] == pytest.approx(100)
    assert same["chrf"] == pytest.approx(100)
    assert "case:mixed" in same["signature"]
    assert "tok:13a" in same["signature"]
    lower = bleu_and_chrf([line.lower() for line in references], references)
    assert lower["bleu"] < 90
    assert 0 < lower["chrf"] < 100


def test_accuracy_counts_whole_sentences() -> None:
    assert accuracy(["a", "b", "c", "D"], ["a", "b", "x", "d"]) == 0.5
