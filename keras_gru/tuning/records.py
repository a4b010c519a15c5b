"""The record of a trial, ``trials/0007/trial.json``: all that is known of it.

The records are the only state of a sweep that changes. What to try next is a function
of them and of the settings (`proposals.py`), so there is no other file that a kill
could leave behind them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from keras_gru.files import set_aside, write_json
from keras_gru.tuning.errors import SweepError

RESULT = "result.json"  # what a worker leaves of a trial, beside its record

RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"

# How the message of a trial begins whose model has too many parameters.
TOO_LARGE = "too large: "

# What a tuner adds to the values of a trial; not hyperparameters of the model.
SEED, EPOCHS = "tuner/seed", "tuner/epochs"
OWN = "tuner/"


@dataclass
class Record:
    """A trial.

    Attributes:
        number: from 0, in the order in which the trials were proposed.
        values: hyperparameter -> value, and what the tuner added (`OWN`).
        status: RUNNING, COMPLETED or FAILED.
        worker: who runs it; "" while it waits for someone.
        starts: how often it was given to a worker.
        order: 1 for the trial that ended first, and so on; 0 before its end.
        metric: the objective, in its own direction; None without one.
        metrics: all that was measured, the objective too.
        epochs: how many were trained; None where the model does not say.
        seconds: from the start to the end of the trial that counts.
        message: why it failed, on one line.
    """

    number: int
    values: dict[str, Any]
    status: str = RUNNING
    worker: str = ""
    starts: int = 0
    order: int = 0
    metric: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int | None = None
    seconds: float | None = None
    message: str = ""

    @property
    def trial_id(self) -> str:
        return trial_id(self.number)

    @property
    def seed(self) -> int:
        return int(self.values[SEED])

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The values without what the tuner added."""
        return {
            name: value
            for name, value in self.values.items()
            if not name.startswith(OWN)
        }


def trial_id(number: int) -> str:
    """The name of a trial: of its folder, and to keras-tuner."""
    return f"{number:04d}"


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial: a function of the sweep's seed and the trial's number.

    Example:
        >>> trial_seed(0, 7) == trial_seed(0, 7) != trial_seed(0, 8)
        True
    """
    digest = hashlib.sha256(f"keras_gru sweep {seed} trial {number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1  # below 2³¹, as every backend wants


def write(folder: Path, record: Record) -> None:
    """Write a record so that it is never seen half-written."""
    path = folder / "trials" / record.trial_id / "trial.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(record))


def read(path: Path) -> Record:
    """Read a record.

    Raises:
        ValueError: it is torn or not a record.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or set(found) != {f.name for f in fields(Record)}:
        raise ValueError("it has other fields than a trial's record")
    record = Record(**found)
    if record.trial_id != path.parent.name:
        raise ValueError(f"it is the record of trial {record.trial_id}")
    return record


def read_all(folder: Path, seed: int) -> dict[int, Record]:
    """Read the records of a sweep by their numbers; set damaged ones aside.

    Args:
        folder: of the sweep.
        seed: of the sweep.
    """
    records = {}
    for path in sorted(folder.glob("trials/*/trial.json")):
        try:
            record = read(path)
        except ValueError as error:
            set_aside(path, f"{type(error).__name__}: {error}; the trial is redone")
            continue
        if record.seed != trial_seed(seed, record.number):
            raise SweepError(
                f"{path} was not made with seed {seed}: a sweep goes on with its own"
            )
        records[record.number] = record
    return records


def best(records: Iterable[Record], direction: str) -> Record | None:
    """The best trial that was completed, the first of equals; None without any."""
    completed = [
        record
        for record in records
        if record.status == COMPLETED and record.metric is not None
    ]
    sign = -1.0 if direction == "max" else 1.0
    return min(
        completed,
        key=lambda record: (sign * float(record.metric or 0.0), record.number),
        default=None,
    )


def failures_in_a_row(records: Iterable[Record], after: int = 0) -> list[Record]:
    """The failed trials that ended last, with none in between that did not fail.

    Args:
        records: of all trials.
        after: what ended up to this place in the order does not count.
    """
    ended = sorted(
        (record for record in records if record.order > after),
        key=lambda record: record.order,
    )
    row: list[Record] = []
    for record in ended:
        if not is_too_large(record):
            row = [*row, record] if record.status == FAILED else []
    return row


def is_too_large(record: Record) -> bool:
    """Whether the trial was not run because its model has too many parameters."""
    return record.status == FAILED and record.message.startswith(TOO_LARGE)
