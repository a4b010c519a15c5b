"""A trained model in use: sentences in, sentences out, in batches of like length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from zoo.translation.config import Config, Search
from zoo.translation.data import padded
from zoo.translation.decoding import Decoder, Hypothesis, beam_search
from zoo.translation.subwords import EOS, Subwords

# A translation has at most LONGEST_RATIO times the subwords of its source and
# LONGEST_EXTRA more: where the end does not come, the search ends.
LONGEST_RATIO = 2
LONGEST_EXTRA = 10
BATCH_ROWS = 32
PAD_TO = 8


@dataclass(frozen=True)
class Translation:
    """One sentence and what the model made of it.

    Attributes:
        source: the sentence.
        text: its translation.
        score: mean log-probability of a subword (with `length_penalty` 1).
        source_pieces: its subwords and the end, as the model read them.
        pieces: the translation's subwords and the end.
        attention: (pieces, source_pieces), each row sums to 1.
    """

    source: str
    text: str
    score: float
    source_pieces: list[str]
    pieces: list[str]
    attention: np.ndarray


class Translate:
    """Translates sentences with a model, whose weights may change between calls."""

    def __init__(
        self,
        model: keras.Model,
        config: Config,
        subwords: Subwords,
        how: Search,
    ) -> None:
        self.subwords = subwords
        self.length_penalty = how.length_penalty
        self.decoder = Decoder(model, config, how.beam)

    def __call__(self, sentences: Sequence[str]) -> list[Translation]:
        """Translate sentences; an empty one stays empty."""
        encoded = self.subwords.encode(sentences)
        hypotheses = self.search([ids for ids in encoded if ids])
        found = iter(hypotheses)
        return [
            self._translation(sentence, ids, next(found))
            if ids
            else Translation(sentence, "", 0.0, [], [], np.zeros((0, 0)))
            for sentence, ids in zip(sentences, encoded, strict=True)
        ]

    def search(self, sources: Sequence[Sequence[int]]) -> list[Hypothesis]:
        """The best hypothesis for each source, ids without the end, none empty."""
        order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
        found: dict[int, Hypothesis] = {}
        # Few shapes, each compiled once: rows are a full batch, or a power of two
        # where there are fewer sentences.
        rows = min(BATCH_ROWS, 1 << max(len(sources) - 1, 0).bit_length())
        for start in range(0, len(order), BATCH_ROWS):
            members = order[start : start + BATCH_ROWS]
            source = padded([[*sources[i], EOS] for i in members], PAD_TO, rows)
            limits = [LONGEST_RATIO * len(sources[i]) + LONGEST_EXTRA for i in members]
            limits += [0] * (len(source) - len(members))
            hypotheses = beam_search(
                self.decoder, source, limits, length_penalty=self.length_penalty
            )
            found.update(zip(members, hypotheses, strict=False))
        return [found[index] for index in range(len(sources))]

    def _translation(
        self, sentence: str, ids: list[int], hypothesis: Hypothesis
    ) -> Translation:
        return Translation(
            sentence,
            self.subwords.decode(hypothesis.ids),
            hypothesis.score,
            self.subwords.pieces([*ids, EOS]),
            self.subwords.pieces([*hypothesis.ids, EOS]),
            hypothesis.attention[:, : len(ids) + 1],
        )
