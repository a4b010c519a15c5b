"""Which trial runs next, and what came of each."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner

from keras_gru.files import set_aside, write_json
from keras_gru.tuning import proposals, records
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, Record
from keras_gru.tuning.settings import Settings

SPACE = "space.json"

WAIT, STOP = "WAIT", "STOP"


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
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.records = records.read_all(folder, settings.seed)
        self.space = _read_space(folder / SPACE)

    def declare(self, space: keras_tuner.HyperParameters) -> None:
        """Take the space from a worker; the first one decides."""
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
        for number, record in sorted(self.records.items()):
            if record.status == RUNNING and number not in busy:
                return self.give(record, worker)
        new = self._next_number()
        if new is None:
            return STOP
        try:
            values = proposals.propose(
                self.settings, self.space, new, self.records.values()
            )
        except proposals.Exhausted:
            return STOP
        if values is None:
            return WAIT
        self.records[new] = Record(new, values)
        return self.give(self.records[new], worker)

    def give(self, record: Record, worker: str) -> Record:
        """Note that a worker starts a trial, maybe once more."""
        record.worker = worker
        record.starts += 1
        records.write(self.folder, record)
        return record

    def finish(self, number: int, report: Report, *, failed: bool) -> None:
        """Record the end of a trial."""
        record = self.records[number]
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

    def _next_number(self) -> int | None:
        """The lowest that has no record: a new one, or one whose record was damaged."""
        return next(
            (n for n in range(self.settings.trials) if n not in self.records), None
        )


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
