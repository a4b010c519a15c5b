"""The line that says how a sweep stands."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, Record, best
from keras_gru.tuning.settings import Settings


class Line:
    """One line on stderr: on a terminal it is written over, elsewhere it is repeated
    when a trial has ended.

    Args:
        sweep: its settings.
        workers: how many trials run at a time.
        budget: seconds for all of it, or None.
    """

    def __init__(self, sweep: Settings, workers: int, budget: float | None) -> None:
        self._sweep = sweep
        self._workers = workers
        self._budget = budget
        self._begun = time.monotonic()
        self._last = ""
        self._ended = -1
        self._terminal = sys.stderr.isatty()

    def show(self, trials: Sequence[Record]) -> None:
        """Show how it stands where that has changed."""
        ended = sum(record.order > 0 for record in trials)
        text = self.text(trials)
        if self._terminal:
            if text != self._last:
                print(f"\r{text:<{len(self._last)}}", end="", file=sys.stderr)
                sys.stderr.flush()
                self._last = text
        elif ended != self._ended:
            print(text, file=sys.stderr, flush=True)
        self._ended = ended

    def finish(self, trials: Sequence[Record]) -> None:
        """Leave the line on the screen."""
        self.show(trials)
        if self._terminal:
            print(file=sys.stderr, flush=True)

    def text(self, trials: Sequence[Record]) -> str:
        """Trials done / running / failed, the best, the time left."""
        count = {
            status: sum(record.status == status for record in trials)
            for status in (COMPLETED, RUNNING, FAILED)
        }
        words = [
            f"{count[COMPLETED]}/{self._sweep.trials} done, {count[RUNNING]} running, "
            f"{count[FAILED]} failed"
        ]
        top = best(trials, self._sweep.direction)
        if top is not None:
            words.append(
                f"best {self._sweep.objective} {top.metric:.6g} (trial {top.trial_id})"
            )
        left = self.seconds_left(trials)
        if left is not None:
            words.append(f"{_duration(left)} left")
        return "; ".join(words)

    def seconds_left(self, trials: Sequence[Record]) -> float | None:
        """An estimate from the trials that ended; None before the first one."""
        took = [r.seconds for r in trials if r.order and r.seconds is not None]
        rest = self._sweep.trials - sum(record.order > 0 for record in trials)
        if not took:
            return None
        left = rest * sum(took) / len(took) / self._workers
        if self._budget is not None:
            left = min(left, self._begun + self._budget - time.monotonic())
        return max(0.0, left)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
