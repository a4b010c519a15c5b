"""Logits -> digits: greedy, and in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Recognised:
    """What was heard in one recording.

    Attributes:
        heard: the digits in their order.
        features: what the model saw, (time, width).
        posteriors: probabilities: of the digits (10,), or at each step of blank and
            digits (time, 11).
        seconds_a_step: how long a step of the features is.
    """

    heard: list[Heard]
    features: np.ndarray
    posteriors: np.ndarray
    seconds_a_step: float

    @property
    def text(self) -> str:
        """The digits, such as "7 3 1"."""
        return " ".join(str(one.digit) for one in self.heard)

    def as_json(self) -> dict[str, Any]:
        """Digits, their probabilities and, of strings, when they were decided on."""
        facts: dict[str, Any] = {
            "digits": [one.digit for one in self.heard],
            "probabilities": [round(one.probability, 6) for one in self.heard],
        }
        if self.posteriors.ndim == 2:
            facts["seconds"] = [self.second(one) for one in self.heard]
        return facts

    def second(self, one: Heard) -> float:
        """When a digit was decided on: the end of its step."""
        return round((one.step + 1) * self.seconds_a_step, 3)


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
