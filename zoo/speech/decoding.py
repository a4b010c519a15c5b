"""Logits -> digits: greedy, and in pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from zoo.speech.batches import BLANK
from zoo.speech.config import Config


@dataclass(frozen=True)
class Heard:
    """A digit that was recognised.

    Attributes:
        digit: 0 to 9.
        probability: of it, where it was decided on.
        step: where that was; 0 for a recording of one digit.
    """

    digit: int
    probability: float
    step: int = 0


@dataclass
class GreedyDecoder:
    """The most probable class of each step; repeats joined, blanks dropped.

    Takes the steps in pieces of any length: what it says of all of them does not
    depend on where they are cut.

    Example:
        >>> decoder = GreedyDecoder()
        >>> [heard.digit for heard in decoder.push(np.eye(11)[[0, 3, 3, 0, 3]])]
        [2, 2]
        >>> [heard.digit for heard in decoder.push(np.eye(11)[[3, 10]])]
        [9]
    """

    last: int = BLANK
    steps: int = 0

    def push(self, logits: np.ndarray) -> list[Heard]:
        """Take logits (time, classes); return the digits that begin in them."""
        heard = []
        for row in posteriors(logits):
            best = int(row.argmax())
            if best not in (self.last, BLANK):
                heard.append(Heard(best - 1, float(row[best]), self.steps))
            self.last = best
            self.steps += 1
        return heard


def decode(logits: np.ndarray, config: Config) -> list[Heard]:
    """The digits that logits say: (10,) of one digit, or (time, 11) of a string."""
    if config.task == "strings":
        return GreedyDecoder().push(logits)
    chances = posteriors(logits)
    best = int(chances.argmax())
    return [Heard(best, float(chances[best]))]


def posteriors(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, in float64."""
    chances: np.ndarray = softmax(np.asarray(logits, np.float64), axis=-1)
    return chances
