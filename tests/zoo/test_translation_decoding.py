"""The beam search, on a toy whose every translation can be tried."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from zoo.translation.decoding import State, beam_search
from zoo.translation.subwords import BOS, EOS

pytestmark = pytest.mark.once

# The end and two words; 0, 1 and 3 are special.
WORDS = (4, 5)
LIMIT = 4


class Toy:
    """A decoder whose next-word probabilities are random, but of all words before.

    Its state is a code of the words so far, so that states that are not carried on to
    the right hypothesis give wrong probabilities.

    Args:
        hypotheses: of each sentence.
        rows: sentences; each has probabilities of its own.
        seed: decides them.
    """

    def __init__(self, hypotheses: int, rows: int = 1, seed: int = 0) -> None:
        self.hypotheses = hypotheses
        self.rows = rows
        self.seed = seed
        self.steps = 0

    def logs(self, row: int, words: tuple[int, ...]) -> np.ndarray:
        """Log-probabilities of the end and the words after `words`."""
        random = np.random.default_rng([self.seed, row, *words])
        logits = random.normal(0, 1.5, size=3)
        return logits - np.log(np.exp(logits).sum())

    def start(self, source: np.ndarray) -> tuple[np.ndarray, State]:
        return source, [np.zeros((self.rows, self.hypotheses, LIMIT + 1))]

    def step(
        self, tokens: np.ndarray, memory: np.ndarray, states: State
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, State]:
        (words,) = states
        words = words.copy()
        if self.steps:
            words[:, :, self.steps - 1] = tokens
        else:
            assert (tokens == BOS).all()
        self.steps += 1
        log_probabilities = np.zeros((self.rows, self.hypotheses, 3))
        for row, place in np.ndindex(self.rows, self.hypotheses):
            before = tuple(int(word) for word in words[row, place] if word)
            log_probabilities[row, place] = self.logs(row, before)
        ids = np.broadcast_to([EOS, *WORDS], log_probabilities.shape)
        attention = np.full((self.rows, self.hypotheses, memory.shape[1]), self.steps)
        return log_probabilities, ids, attention, [words]

    def score(self, row: int, words: tuple[int, ...], length_penalty: float) -> float:
        """Of a translation and its end."""
        total = 0.0
        for position, word in enumerate((*words, EOS)):
            logs = self.logs(row, words[:position])
            total += float(logs[(EOS, *WORDS).index(word)])
        return total / (len(words) + 1) ** length_penalty


SOURCE = np.array([[4, 5, EOS]])
ALL = [
    words
    for length in range(LIMIT + 1)
    for words in itertools.product(WORDS, repeat=length)
]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
def test_a_beam_as_wide_as_all_is_exhaustive(seed: int, length_penalty: float) -> None:
    toy = Toy(len(ALL) + 1, seed=seed)
    (found,) = beam_search(toy, SOURCE, [LIMIT], length_penalty)
    best = max(ALL, key=lambda words: toy.score(0, words, length_penalty))
    assert tuple(found.ids) == best
    assert found.score == pytest.approx(toy.score(0, best, length_penalty))


def test_the_length_penalty_decides_between_short_and_long() -> None:
    def words(length_penalty: float) -> int:
        toys = [Toy(len(ALL) + 1, seed=seed) for seed in range(8)]
        found = [beam_search(toy, SOURCE, [LIMIT], length_penalty)[0] for toy in toys]
        return sum(len(each.ids) for each in found)

    assert words(0.0) < words(1.0) < words(2.0)


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
def test_sentences_of_a_batch_do_not_meet(beam: int) -> None:
    rows = 5
    together = beam_search(
        Toy(beam, rows), np.repeat(SOURCE, rows, axis=0), [LIMIT] * rows
    )
    for row, found in enumerate(together):

        class Alone(Toy):
            def logs(self, _: int, words: tuple[int, ...], row: int = row):
                return super().logs(row, words)

        (alone,) = beam_search(Alone(beam), SOURCE, [LIMIT])
        assert alone.ids == found.ids
        assert alone.score == pytest.approx(found.score)


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_score_is_that_of_the_translation(beam: int, seed: int) -> None:
    toy = Toy(beam, seed=seed)
    (found,) = beam_search(toy, SOURCE, [LIMIT])
    words = tuple(found.ids)
    score = toy.score(0, words, 1.0)
    if len(words) == LIMIT:  # cut, perhaps: then without the end
        cut = score - toy.logs(0, words)[0] / (LIMIT + 1)
        score = min((score, cut), key=lambda each: abs(each - found.score))
    assert found.score == pytest.approx(score)


def test_wider_beams_are_worth_it() -> None:
    """With no length penalty a wide beam finds the most probable translation."""

    def mean(beam: int) -> float:
        return float(
            np.mean(
                [
                    beam_search(Toy(beam, seed=seed), SOURCE, [LIMIT], 0.0)[0].score
                    for seed in range(20)
                ]
            )
        )

    assert mean(1) < mean(4) <= mean(len(ALL) + 1) + 1e-12


def test_attention_has_a_row_for_each_subword_and_the_end() -> None:
    (found,) = beam_search(Toy(3), SOURCE, [LIMIT])
    assert found.attention.shape == (len(found.ids) + 1, 3)
    assert found.attention[:, 0].tolist() == list(range(1, len(found.ids) + 2))


class NeverEnds(Toy):
    """Its end is impossible."""

    def logs(self, row: int, words: tuple[int, ...]) -> np.ndarray:
        return np.array([-np.inf, math.log(0.9), math.log(0.1)])


def test_a_translation_without_end_is_cut_at_its_limit() -> None:
    short, long, none = beam_search(
        NeverEnds(2, rows=3), np.repeat(SOURCE, 3, axis=0), [2, 4, 0]
    )
    assert short.ids == [4, 4]
    assert long.ids == [4, 4, 4, 4]
    assert none.ids == []


def test_the_search_stops_when_all_sentences_are_done() -> None:
    class EndsAtOnce(Toy):
        def logs(self, row: int, words: tuple[int, ...]) -> np.ndarray:
            return np.log([0.98, 0.01, 0.01])

    toy = EndsAtOnce(1)
    (found,) = beam_search(toy, SOURCE, [LIMIT])
    assert found.ids == []
    assert found.score == pytest.approx(math.log(0.98))
    assert toy.steps == 1
