"""The figure that chooses the best weights, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Objective:
    """A validation figure to minimise, or to maximise.

    Attributes:
        name: as the program's validation names it.
        maximise: whether more is better.
        like_loss: whether it has the unit of the training loss, to be drawn on one
            axis with it.

    Example:
        >>> bleu = Objective("bleu", maximise=True)
        >>> bleu.best([{"bleu": 30.0}, {"bleu": 35.0}])
        {'bleu': 35.0}
        >>> bleu.better(36.0, than=35.0)
        True
    """

    name: str
    maximise: bool = False
    like_loss: bool = False

    def better(self, figure: float, than: float) -> bool:
        return figure > than if self.maximise else figure < than

    @property
    def worst(self) -> float:
        """What every finite figure is better than."""
        return -math.inf if self.maximise else math.inf

    def best(self, history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The entry with the best figure; the first of equals."""
        choose = max if self.maximise else min
        return choose(history, key=lambda entry: float(entry[self.name]))
