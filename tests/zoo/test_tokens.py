"""Byte pairs and words: nothing is unknown, nothing is lost, the loss is exact."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.zoo.conftest import LINES, Zoo
from tests.zoo.tiny_zoo import TINY
from zoo.errors import ZooError
from zoo.language_model import data, evaluation
from zoo.language_model.evaluation import Text, measure
from zoo.language_model.model import build
from zoo.language_model.sampling import Sampling
from zoo.language_model.tokens import BYTES, Pieces
from zoo.language_model.use import generate

TEXT = "".join(LINES) * 10
STRANGE = "naïve 𝄞\r\n\tdef minus(ß)  \x00end"

Make = Callable[[str, int], Pieces]
BOTH = pytest.mark.parametrize(
    "make", [Pieces.byte_pairs, Pieces.words], ids=["bpe", "word"]
)


@BOTH
@pytest.mark.parametrize("text", [TEXT, STRANGE])
def test_any_text_comes_back(make: Make, text: str) -> None:
    pieces = make(TEXT, 300)
    ids = pieces.encode(text)
    assert ids.dtype == np.int32
    assert ids.max() < len(pieces) <= 300
    assert pieces.decode(ids) == text
    assert len(pieces.encode(TEXT)) < len(TEXT) / 1.5


@BOTH
def test_a_stored_vocabulary_is_the_same_one(make: Make) -> None:
    pieces = make(TEXT, 280)
    again = Pieces.from_json(pieces.to_json())
    np.testing.assert_array_equal(again.encode(STRANGE), pieces.encode(STRANGE))


@BOTH
def test_the_vocabulary_has_the_size_that_was_asked_for(make: Make) -> None:
    assert len(make(TEXT, 270)) == 270
    assert len(make(TEXT, BYTES)) == BYTES
    with pytest.raises(ZooError, match="--vocabulary 255; expected at least 256"):
        make(TEXT, 255)


def test_words_are_whole_and_the_most_frequent() -> None:
    pieces = Pieces.words("b b b b cc cc cc dd dd e", BYTES + 2)
    assert pieces.tokens("b cc dd") == ["b", " cc", " ", "d", "d"]
    assert pieces.tokens("x b cc") == ["x", " b", " cc"]


@pytest.mark.parametrize(
    ("text", "first", "behind"),
    [(" ßab", " ßa", 1), (" ßa", " ßa", 0), ("a ßa", "a", 3), ("ßa", "�", 2)],
    ids=["word", "all", "character", "half a character"],
)
def test_characters_that_the_first_token_does_not_end(
    text: str, first: str, behind: int
) -> None:
    pieces = Pieces.words("x ßa ßa", BYTES + 1)
    assert pieces.tokens(text)[0] == first
    assert pieces.characters_after(text, pieces.encode(text)) == behind


def test_the_loss_per_character_counts_every_nat_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "mean_nats", lambda *arguments: 3.0)
    found = measure(None, Text(np.zeros(51, int), characters=200), TINY)
    assert found["nats"] * 200 == pytest.approx(3.0 * 50)
    assert found["bits_per_char"] == pytest.approx(0.75 / math.log(2))


def test_streamed_pieces_make_the_whole_text() -> None:
    pieces = Pieces.byte_pairs(TEXT, 280)
    ids = pieces.encode(STRANGE)
    stream = pieces.streaming()
    parts = [stream(int(index)) for index in ids]
    assert "".join(parts) == STRANGE
    assert "" in parts  # the first bytes of a character of several


def test_generation_goes_on_from_a_prompt_in_pieces() -> None:
    pieces = Pieces.byte_pairs(TEXT, 280)
    model = build(replace(TINY, vocabulary_size=len(pieces)), batch_size=1)
    drawn = list(generate(model, pieces, "def ", Sampling(length=12, seed=3)))
    assert len(drawn) == 12


@pytest.mark.once
@pytest.mark.parametrize("tokens", ["bpe", "word"])
def test_a_training_on_pieces_tells_its_loss_per_character(
    zoo: Zoo, text_file, tmp_path, tokens: str
) -> None:
    out = tmp_path / "run"
    command = ("train", "language_model", "--text", text_file, "--epochs", 2)
    outcome = zoo(*command, "--tokens", tokens, "--vocabulary", 264, "--out", out)
    assert outcome.code == 0, outcome.err
    result = json.loads((out / "result.json").read_text())
    # Per token a model that knows nothing has log(264) nats; per character it has less.
    text = text_file.read_text()
    corpus = data.Corpus("", text)
    make = Pieces.byte_pairs if tokens == "bpe" else Pieces.words
    pieces = make(corpus.train, 264)
    ratio = len(pieces.encode(corpus.validation)) / len(corpus.validation)
    assert ratio < 0.95
    assert result["validation_nats"] < math.log(264) * ratio
    assert result["train_loss"] < math.log(264) * ratio * 1.1
    outcome = zoo("predict", "language_model", out, "--prompt", "ß", "--length", 5)
    assert outcome.code == 0
    assert outcome.out.startswith("ß")
