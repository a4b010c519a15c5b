"""Greedy and beam search: NumPy chooses, a compiled step of the decoder computes.

The encoder reads a batch of sentences once. Each further step computes one subword for
every hypothesis from the states that were carried on: nothing is computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.training.data import forget_shapes
from zoo.translation.config import Config
from zoo.translation.data import ends
from zoo.translation.model import encoder_model, step_model
from zoo.translation.subwords import BOS, EOS, PAD

State = list[np.ndarray]


class Decoder:
    """The encoder and a step of a model, each compiled."""

    def __init__(self, model: keras.Model, config: Config, hypotheses: int) -> None:
        self.hypotheses = hypotheses
        self._encoder = encoder_model(model, config)
        self._step = step_model(model, config, hypotheses)
        forget_shapes(self._try)

    def _try(self, rows: int, width: int) -> None:
        memory, states = self.start(ends(rows, width))
        self.step(ends(rows, self.hypotheses), memory, states)

    def start(self, source: np.ndarray) -> tuple[Any, State]:
        """Source (batch, source) -> memory, states (batch, hypotheses, units)."""
        values, keys, mask, *states = self._encoder.predict_on_batch(source)
        memory = (values, keys, mask)
        return memory, [
            np.repeat(state[:, None, :], self.hypotheses, axis=1) for state in states
        ]

    def step(
        self, tokens: np.ndarray, memory: Any, states: State
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, State]:
        """One subword further.

        Args:
            tokens: the last of each hypothesis, (batch, hypotheses).
            memory: as `start` gave it.
            states: each (batch, hypotheses, units).

        Returns:
            What `zoo.translation.model.step_model` gives: log-probabilities and ids of
            the most probable next subwords (batch, hypotheses, subwords), the
            attention's weights (batch, hypotheses, source), the next states.
        """
        best, ids, attention, *states = self._step.predict_on_batch(
            (tokens, *memory, *states)
        )
        return best, ids, attention, states


@dataclass(frozen=True)
class Hypothesis:
    """A finished translation.

    Attributes:
        ids: its subwords, without the end of the sentence.
        score: log-probability divided by length ** length_penalty.
        attention: (subwords, the end's included, source): what each looked at.
    """

    ids: list[int]
    score: float
    attention: np.ndarray


def beam_search(
    decoder: Decoder,
    source: np.ndarray,
    limits: Sequence[int],
    length_penalty: float = 1.0,
) -> list[Hypothesis]:
    """The best translation that a beam finds for each sentence of a batch.

    At each step the hypotheses of a sentence are extended by every subword, and the
    `decoder.hypotheses` most probable extensions that are not ended go on. One that is
    ended and among the most probable is finished, with the score

        log p(y | x) / |y| ** length_penalty        |y| counts the end

    A sentence is done once as many are finished as go on. One hypothesis is greedy
    search.

    Args:
        decoder: computes the steps.
        source: ids (batch, source), padded.
        limits: most subwords of each sentence's translation, the end not counted.
        length_penalty: 0 favours short translations, 1 takes the mean.

    Returns:
        One hypothesis a row. Where none was ended within the limit, the most probable
        of those that go on.
    """
    beam, rows = decoder.hypotheses, len(source)
    memory, states = decoder.start(source)
    tokens = np.full((rows, beam), BOS, dtype=np.int32)
    # All hypotheses are the same at first: one of them counts.
    scores = np.full((rows, beam), -np.inf)
    scores[:, 0] = 0.0
    # Of the hypotheses that go on: their subwords, and where they stood at each step.
    written = np.zeros((rows, beam, 0), dtype=np.int32)  # (rows, beam, step)
    places = np.zeros((rows, beam, 0), dtype=np.intp)  # (rows, beam, step)
    looked: list[np.ndarray] = []  # the attention of each step (rows, beam, source)
    finished: list[list[Hypothesis]] = [[] for _ in range(rows)]
    active = [limit > 0 for limit in limits]

    def finish(row: int, place: int, score: float) -> None:
        """The hypothesis that stood at `place` before this step has ended."""
        stood = [*places[row, place], place]
        attention = np.stack([at[row, p] for at, p in zip(looked, stood, strict=True)])
        score = score / len(stood) ** length_penalty
        ids = written[row, place].tolist()
        finished[row].append(Hypothesis(ids, score, attention))

    for step in range(max(limits) + 1):
        best, ids, attention, states = decoder.step(tokens, memory, states)
        looked.append(attention)
        ranked, parents, chosen = _extensions(scores, best, ids, 2 * beam)
        next_scores = np.full((rows, beam), -np.inf)
        next_parents = np.zeros((rows, beam), dtype=np.intp)
        tokens = np.full((rows, beam), PAD, dtype=np.int32)
        for row in (row for row in range(rows) if active[row]):
            place = 0
            for rank in range(ranked.shape[1]):
                score, parent = float(ranked[row, rank]), int(parents[row, rank])
                if place == beam or score == -np.inf:
                    break
                if chosen[row, rank] == EOS:
                    if rank < beam:
                        finish(row, parent, score)
                    continue
                next_scores[row, place] = score
                next_parents[row, place] = parent
                tokens[row, place] = chosen[row, rank]
                place += 1
            if len(finished[row]) >= beam or place == 0 or step >= limits[row]:
                active[row] = False
                if not finished[row] and place > 0:
                    finish(row, 0, float(scores[row, 0]))
        if not any(active):
            break
        scores = next_scores
        of_parents = (np.arange(rows)[:, None], next_parents)
        written = np.concatenate([written[of_parents], tokens[:, :, None]], axis=2)
        places = np.concatenate([places[of_parents], next_parents[:, :, None]], axis=2)
        states = [state[of_parents] for state in states]
    empty = Hypothesis([], 0.0, np.zeros((1, source.shape[1])))
    return [max(found, key=lambda h: h.score, default=empty) for found in finished]


def _extensions(
    scores: np.ndarray, log_probabilities: np.ndarray, ids: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `count` best extensions of each sentence: scores, hypotheses, subwords.

    Each of the three is (batch, count), the best first, the first of equals first.
    """
    rows, _, subwords = ids.shape
    extended = (scores[:, :, None] + log_probabilities).reshape(rows, -1)
    order = np.argsort(-extended, axis=1, kind="stable")[:, :count]
    values = np.take_along_axis(extended, order, axis=1)
    chosen = np.take_along_axis(ids.reshape(rows, -1), order, axis=1)
    return values, order // subwords, chosen
