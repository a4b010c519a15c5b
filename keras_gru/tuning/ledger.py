"""Which trial runs next, what came of each, and when the sweep is over."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from keras_tuner import HyperParameters

from keras_gru.files import set_aside, write_sealed
from keras_gru.tuning import proposals, records, spaces
from keras_gru.tuning.errors import Over, SweepError, one_line
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, TOO_LARGE, Record
from keras_gru.tuning.settings import Plan, Settings

SPACE = "space.json"


class Ledger:
    """The trials of a sweep. Each change is on the disk before it is told to anyone."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.records = records.read_all(folder, settings.seed)
        self.space = self._read_space()
        self._begun = time.monotonic()
        # What failed before a resume is forgiven.
        self._before = max((r.order for r in self.trials), default=0)

    @property
    def trials(self) -> list[Record]:
        """The records by their numbers."""
        return [record for _, record in sorted(self.records.items())]

    @property
    def best(self) -> Record | None:
        """The best trial that was completed, the first of equals; None without any."""
        done = [record for record in self.trials if record.status == COMPLETED]
        sign = -1.0 if self.settings.direction == "max" else 1.0
        return min(done, key=lambda record: sign * (record.metric or 0.0), default=None)

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return sum(record.order > 0 for record in self.records.values())

    @property
    def names(self) -> list[str]:
        """The hyperparameters, where the space is known."""
        return [] if self.space is None else spaces.names(self.space)

    def declare(self, space: HyperParameters) -> None:
        """Take the space from a worker; the first one decides."""
        if not space.space:
            raise SweepError("the model asks for no hyperparameter: nothing to search")
        if self.space is None:
            write_sealed(self.folder / SPACE, spaces.config(space))
            self.space = space
        changed = spaces.changed(self.space, space)
        if changed:
            raise SweepError(
                f"the search space is another one than that of the trials in "
                f"{self.folder}: {', '.join(changed)} differ; sweep in another folder"
            )

    def next(self, worker: str, busy: Collection[int] = ()) -> Record | None:
        """Give a trial to a worker: one that was broken off, or a new one.

        None: there is nothing to run until one ends that others are `busy` with, and
        nothing at all where none is.
        """
        assert self.space is not None, "no worker has declared the space yet"
        for record in self.trials:
            if record.status == RUNNING and record.number not in busy:
                return self.give(record, worker)
        # The lowest without a record: a new one, or one whose record was damaged.
        free = min(set(range(self.settings.trials)) - set(self.records), default=None)
        if free is None:
            return None
        values = proposals.propose(self.settings, self.space, free, self.trials)
        if values is None:
            return None
        self.records[free] = Record(free, values)
        return self.give(self.records[free], worker)

    def give(self, record: Record, worker: str) -> Record:
        """Note that a worker starts a trial, maybe once more."""
        record.worker = worker
        record.starts += 1
        records.write(self.folder, record)
        return record

    def finish(self, ended: Record) -> None:
        """Record the end of a trial, as its worker or whoever missed it tells it."""
        name = self.settings.objective
        metric = ended.metrics.get(name)
        status, message = ended.status, ended.message
        if status != FAILED and (metric is None or not math.isfinite(metric)):
            value = "missing" if metric is None else metric
            status, message = FAILED, f"the objective {name!r} is {value}"
        self.records[ended.number] = replace(
            ended,
            status=FAILED if status == FAILED else COMPLETED,
            order=1 + max(r.order for r in self.records.values()),
            metric=None if status == FAILED else metric,
            message=one_line(message),
        )
        records.write(self.folder, self.records[ended.number])

    def fail(self, number: int, message: str, seconds: float | None = None) -> None:
        """Record a trial whose process has told nothing."""
        record = self.records[number]
        self.finish(replace(record, status=FAILED, message=message, seconds=seconds))

    def check_limits(self, plan: Plan) -> None:
        """Raise `Over` where too many trials failed in a row, or the time is over."""
        row = self._failures_in_a_row()
        if len(row) >= plan.max_failures:
            last = f"the last one with: {row[-1].message}"
            raise Over(f"{len(row)} trials in a row failed, {last}")
        if plan.budget is not None and self.seconds > 60.0 * plan.budget:
            budget = f" within the budget of {plan.budget:g} min"
            raise Over("" if self.best else f"no trial was completed{budget}")

    def standing(self) -> str:
        """How many trials there are of each kind, and the best one."""
        count = Counter(record.status.lower() for record in self.trials)
        words = [f"{number} {status}" for status, number in count.items()]
        if self.best:
            best = f"{self.best.metric:.6g} (trial {self.best.trial_id})"
            words.append(f"best {self.settings.objective} {best}")
        return ", ".join(words) or "none begun"

    def outcome(self) -> str:
        """Why a sweep that has come to its end has failed; "" where it has not."""
        if self.best:
            return ""
        row = self._failures_in_a_row()
        last = f"; the last one failed with: {row[-1].message}" if row else ""
        return f"no trial was completed{last}"

    @property
    def seconds(self) -> float:
        """Since the sweep was begun or resumed."""
        return time.monotonic() - self._begun

    def _failures_in_a_row(self) -> list[Record]:
        """The failed trials that ended last; one that was too large is no failure."""
        row: list[Record] = []
        for record in sorted(self.trials, key=lambda record: record.order):
            if record.order > self._before and TOO_LARGE not in record.message:
                row = [*row, record] if record.status == FAILED else []
        return row

    def _read_space(self) -> HyperParameters | None:
        """The space as it was declared; None before that, or where it is damaged."""
        path = self.folder / SPACE
        try:
            return spaces.read(path)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}; the model declares it again"
            set_aside(path, reason)
            return None
