"""Logits -> digits: greedy, and in pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.speech.data import BLANK


@dataclass
class GreedyDecoder:
    """The most probable class of each step; repeats joined, blanks dropped.

    Takes the steps in pieces of any length: what it says of all of them does not
    depend on where they are cut.

    Example:
        >>> decoder = GreedyDecoder()
        >>> decoder.push(np.eye(11)[[0, 3, 3, 0, 3]])
        [2, 2]
        >>> decoder.push(np.eye(11)[[3, 10]])
        [9]
    """

    last: int = BLANK

    def push(self, logits: np.ndarray) -> list[int]:
        """Take logits (time, classes); return the digits that begin in them."""
        digits = []
        for best in logits.argmax(axis=-1).tolist():
            if best not in (self.last, BLANK):
                digits.append(best - 1)
            self.last = best
        return digits


def greedy(logits: np.ndarray) -> list[int]:
    """The digits of a whole string: (time, classes) -> digits."""
    return GreedyDecoder().push(logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, in float64."""
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result


def text(digits: list[int] | tuple[int, ...]) -> str:
    """Digits as words that a word error rate counts: "7 3 1"."""
    return " ".join(str(digit) for digit in digits)
