"""Which trial runs next, and what came of each."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import keras_tuner

from keras_gru.files import set_aside, write_json
from keras_gru.tuning import proposals, records, spaces
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, Record
from keras_gru.tuning.settings import Settings

SPACE = "space.json"

WAIT, STOP = "WAIT", "STOP"


class Ledger:
    """The trials of a sweep. Every change is on the disk before it is told to anyone.

    Args:
        folder: of the sweep.
        settings: of the sweep.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.records = records.read_all(folder, settings.seed)
        self.space = self._read_space()

    @property
    def trials(self) -> list[Record]:
        """The records by their numbers."""
        return [record for _, record in sorted(self.records.items())]

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return sum(record.order > 0 for record in self.records.values())

    def declare(self, space: keras_tuner.HyperParameters) -> None:
        """Take the space from a worker; the first one decides."""
        if self.space is None:
            if not space.space:
                raise SweepError(
                    "the model asks for no hyperparameter: nothing to search"
                )
            write_json(self.folder / SPACE, spaces.config(space))
            self.space = space
            return
        before, now = (
            {
                hp["config"]["name"]: (hp, place)
                for place, hp in enumerate(spaces.config(one)["space"])
            }
            for one in (self.space, space)
        )
        changed = [n for n in {**before, **now} if before.get(n) != now.get(n)]
        if changed:
            raise SweepError(
                f"the search space is another one than that of the trials in "
                f"{self.folder}: {', '.join(sorted(changed))} differ; sweep in "
                f"another folder"
            )

    def next(self, worker: str, busy: Collection[int] = ()) -> Record | str:
        """Give a trial to a worker: one that was broken off, or a new one.

        Args:
            worker: its name.
            busy: numbers of the trials that others run.

        Returns:
            The trial; or `WAIT`: ask again when a trial has ended; or `STOP`: there
            is none left.
        """
        assert self.space is not None, "no worker has declared the space yet"
        for record in self.trials:
            if record.status == RUNNING and record.number not in busy:
                return self.give(record, worker)
        # The lowest without a record: a new one, or one whose record was damaged.
        free = set(range(self.settings.trials)) - set(self.records)
        if not free:
            return STOP
        try:
            values = proposals.propose(
                self.settings, self.space, min(free), self.records.values()
            )
        except proposals.Exhausted:
            return STOP
        if values is None:
            return WAIT
        record = self.records[min(free)] = Record(min(free), values)
        return self.give(record, worker)

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

    def _read_space(self) -> keras_tuner.HyperParameters | None:
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
