"""How many repeats the time allows: a share of what is left for each group."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

LEAST_REPEATS = 3
MOST_REPEATS = 25


class Budget:
    """Shares seconds out among parts of known weight, in their order.

    A part that takes less than its share leaves the rest to those after it, one
    that takes more takes it from them; no part has fewer than `LEAST_REPEATS`.
    """

    def __init__(
        self,
        seconds: float,
        weights: Sequence[float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._weights = list(weights)
        self._part_end = self._end

    @property
    def left(self) -> float:
        """Seconds; negative once it is overdrawn."""
        return self._end - self._clock()

    def start_part(self) -> None:
        """The next part begins."""
        share = self._weights[0] / sum(self._weights)
        self._part_end = self._clock() + share * max(self.left, 0.0)
        self._weights.pop(0)

    def repeats(self, seconds_each: float) -> int:
        """How many fit into what this part has left."""
        fitting = int((self._part_end - self._clock()) / max(seconds_each, 1e-9))
        return min(MOST_REPEATS, max(LEAST_REPEATS, fitting))
