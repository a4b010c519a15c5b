"""The record of a trial, ``trials/0007/trial.json``: all that is known of it.

The records are the only state of a sweep that changes. What to try next is a function
of them and of the settings (`proposals.py`), so there is no other file that a kill
could leave behind them.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from keras_gru.files import read_sealed, set_aside, write_sealed
from keras_gru.tuning.errors import SweepError, checked

RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"

# How the message of a trial begins whose model has too many parameters.
TOO_LARGE = "too large: "

# What a tuner adds to the values of a trial; not hyperparameters of the model.
SEED, EPOCHS = "tuner/seed", "tuner/epochs"
OWN = "tuner/"

DAMAGED = (ValueError, TypeError, SweepError)  # what `read` raises then


@dataclass(config=ConfigDict(extra="forbid"))
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


def path(folder: Path, number: int) -> Path:
    """Where the record of a trial stands."""
    return folder / "trials" / trial_id(number) / "trial.json"


def write(folder: Path, record: Record) -> None:
    """Write a record so that it is never seen half-written."""
    place = path(folder, record.number)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(place, asdict(record))


def read(place: Path) -> Record:
    """Read a record."""
    record = checked(Record, **read_sealed(place))
    if record.trial_id != place.parent.name:
        raise SweepError(f"it is the record of trial {record.trial_id}")
    return record


def read_all(folder: Path, seed: int) -> dict[int, Record]:
    """Read the records of a sweep by their numbers; set damaged ones aside."""
    records = {}
    for place in sorted(folder.glob("trials/*/trial.json")):
        try:
            record = read(place)
        except DAMAGED as error:
            set_aside(place, f"{type(error).__name__}: {error}; the trial is redone")
            continue
        if record.seed != trial_seed(seed, record.number):
            raise SweepError(
                f"{place} was not made with seed {seed}: a sweep goes on with its own"
            )
        records[record.number] = record
    return records
