"""Which worker runs which trial, and what came of it: the chief without its network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import keras_tuner

from keras_gru.tuning import proposals, records
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.files import set_aside, write_json
from keras_gru.tuning.names import LOCAL
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, Record
from keras_gru.tuning.settings import Settings

SPACE = "space.json"

WAIT, STOP = "WAIT", "STOP"

# A worker on another machine that was not heard of for so long has lost its trial.
SILENCE = 60.0


@dataclass(frozen=True)
class Report:
    """What a worker says of a trial at its end.

    Attributes:
        metrics: all that was measured.
        epochs: how many were trained; None where the model does not say.
        seconds: of the trial.
        message: why it failed; "" where it did not.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    epochs: int | None = None
    seconds: float | None = None
    message: str = ""


class Ledger:
    """The trials of a sweep. Every change is on the disk before it is told to anyone.

    Args:
        folder: of the sweep.
        settings: of the sweep.
        failures: so many failed trials in a row end the sweep.
        after: trials that ended up to this place in the order do not count as such.
        fresh: no worker is left of those in the records; what they ran is redone.
        clock: gives seconds; for the tests.

    Raises:
        SweepError: the records were made with another seed.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        failures: int,
        after: int = 0,
        fresh: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.failures = failures
        self.after = after
        self.closed = False
        self.records = records.read_all(folder, settings.seed)
        self.space = _read_space(folder / SPACE)
        self._lock = RLock()
        self._clock = clock
        self._opened = clock()
        self._heard: dict[str, float] = {}
        if fresh:
            for record in self.records.values():
                if record.status == RUNNING:
                    record.worker = ""
                    records.write(folder, record)

    def declare(self, space: keras_tuner.HyperParameters) -> None:
        """Take the space from a worker; the first one decides.

        Raises:
            SweepError: it is another space than that of the trials so far.
        """
        with self._lock:
            config = _config(space)
            if self.space is None:
                if not config["space"]:
                    raise SweepError(
                        "the model asks for no hyperparameter: nothing to search"
                    )
                write_json(self.folder / SPACE, config)
                self.space = space
                return
            before, now = _by_name(_config(self.space)), _by_name(config)
            changed = [n for n in {**before, **now} if before.get(n) != now.get(n)]
            if changed:
                raise SweepError(
                    f"the search space is another one than that of the trials in "
                    f"{self.folder}: {', '.join(sorted(changed))} differ; sweep in "
                    f"another folder"
                )

    def next(self, worker: str) -> Record | str:
        """Give a trial to a worker: its own again, one that waits, or a new one.

        Returns:
            The trial; or `WAIT`: ask again; or `STOP`: there is none left.
        """
        with self._lock:
            self.heard(worker)
            if self.space is None:
                return WAIT
            own = [r for r in self._running() if r.worker == worker]
            if self.closed or self._hopeless():
                return STOP
            waiting = [r for r in self._running() if not r.worker]
            for record in (own + waiting)[:1]:
                return self._give(record, worker)
            number = self._next_number()
            if number is None:
                return STOP
            try:
                values = proposals.propose(
                    self.settings, self.space, number, self.records.values()
                )
            except proposals.Exhausted:
                return STOP
            if values is None:
                return WAIT
            self.records[number] = Record(number, values)
            return self._give(self.records[number], worker)

    def finish(self, trial_id: str, report: Report, *, failed: bool) -> None:
        """Record the end of a trial. A second report of the same trial is dropped.

        Raises:
            SweepError: there is no such trial.
        """
        with self._lock:
            record = self._find(trial_id)
            if record.status != RUNNING:
                return
            metrics = {name: float(value) for name, value in report.metrics.items()}
            name = self.settings.objective
            message = report.message
            if not failed and not records.finite(metrics, name):
                value = metrics.get(name, "missing")
                failed, message = True, f"the objective {name!r} is {value}"
            ended = Record(
                record.number,
                record.values,
                status=FAILED if failed else COMPLETED,
                worker=record.worker,
                starts=record.starts,
                order=1 + max(r.order for r in self.records.values()),
                metric=None if failed else metrics[name],
                metrics=metrics,
                epochs=report.epochs,
                seconds=report.seconds,
                message=one_line(message),
            )
            records.write(self.folder, ended)
            self.records[record.number] = ended

    def requeue(self, trial_id: str) -> None:
        """Take a running trial from its worker, for whoever asks next."""
        with self._lock:
            record = self._find(trial_id)
            if record.status == RUNNING and record.worker:
                record.worker = ""
                records.write(self.folder, record)

    def heard(self, worker: str) -> None:
        """Note that a worker lives."""
        self._heard[worker] = self._clock()

    def requeue_the_silent(self) -> list[str]:
        """Take the trials of workers elsewhere that were not heard of for long."""
        with self._lock:
            lost = [
                record.trial_id
                for record in self._running()
                if record.worker
                and not record.worker.startswith(LOCAL)
                # A chief that is new waits as long for a sign of life.
                and self._clock() - self._heard.get(record.worker, self._opened)
                > SILENCE
            ]
            for trial_id in lost:
                self.requeue(trial_id)
            return lost

    def _running(self) -> list[Record]:
        return [
            record
            for _, record in sorted(self.records.items())
            if record.status == RUNNING
        ]

    def _hopeless(self) -> bool:
        row = records.failures_in_a_row(self.records.values(), self.after)
        return len(row) >= self.failures

    def _next_number(self) -> int | None:
        """The lowest that has no record: a new one, or one whose record was damaged."""
        return next(
            (n for n in range(self.settings.trials) if n not in self.records), None
        )

    def _give(self, record: Record, worker: str) -> Record:
        record.worker = worker
        record.starts += 1
        records.write(self.folder, record)
        return record

    def _find(self, trial_id: str) -> Record:
        found = self.records.get(int(trial_id)) if trial_id.isdecimal() else None
        if found is None:
            raise SweepError(f"there is no trial {trial_id!r} in {self.folder}")
        return found


def _read_space(path: Path) -> keras_tuner.HyperParameters | None:
    """The space as it was declared; None before that, or where it is damaged."""
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return keras_tuner.HyperParameters.from_config(config)
    except (ValueError, KeyError, TypeError) as error:
        set_aside(path, f"{type(error).__name__}: {error}; the model declares it again")
        return None


def _config(space: keras_tuner.HyperParameters) -> dict[str, Any]:
    """The space as JSON has it, without values."""
    config = json.loads(json.dumps(space.get_config()))
    return {**config, "values": {}}


def _by_name(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{hp['config']['name']}": (hp, config["space"].index(hp))
        for hp in config["space"]
    }
