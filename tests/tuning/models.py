"""Hypermodels that need no training, and sweeps of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner

from keras_gru import tuning
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import EPOCHS, Record
from keras_gru.tuning.settings import Settings

HEIGHT = keras_tuner.Objective("height", "min")
TRIALS = 6


class Parabola(keras_tuner.HyperModel):
    """Its lowest point is at x = 0.5, the convention is worth nothing."""

    def build(self, hp: Any) -> None:
        hp.Float("x", -1.0, 1.0)
        hp.Choice("variant", ["keras", "chung2014"])

    def fit(self, hp: Any, model: None, **arguments: Any) -> dict[str, float]:
        return {"height": height(hp.values)}


class Slow(Parabola):
    """Takes long enough to be killed in the middle; notes every start in a file."""

    def __init__(self, starts: Path, seconds: float) -> None:
        super().__init__()
        self.starts = starts
        self.seconds = seconds

    def fit(self, hp: Any, model: None, **arguments: Any) -> dict[str, float]:
        with self.starts.open("a") as file:
            file.write(f"{self.trial.trial_id} {os.getpid()}\n")
        time.sleep(self.seconds)
        return super().fit(hp, model)


class Troubled(keras_tuner.HyperModel):
    """Does what `mode` says."""

    MODES = ("fine", "raise", "nan", "memory", "exit", "kill", "hang", "again")

    def __init__(self, modes: Iterable[str] = MODES) -> None:
        super().__init__()
        self.modes = list(modes)

    def build(self, hp: Any) -> str:
        return hp.Choice("mode", self.modes)

    def fit(self, hp: Any, model: str, **arguments: Any) -> float:
        if model == "raise":
            raise ValueError("the data are\nno good")
        if model == "nan":
            return float("nan")
        if model == "memory":
            raise MemoryError("unable to allocate 64 TiB")
        if model == "exit":
            raise SystemExit("bye")
        if model == "kill":
            os.kill(os.getpid(), signal.SIGSEGV)
        if model == "hang":
            time.sleep(600)
        return 1.0 if model == "fine" else 2.0


def height(values: dict[str, Any]) -> float:
    return (values["x"] - 0.5) ** 2 + 1.0 / values.get(EPOCHS, 1)


def space_of(model: Any) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    model.build(hp)
    hp.values = {}
    return hp


def settings(tuner: str = "random", trials: int = 8, **changes: Any) -> Settings:
    epochs = 9 if tuner == "hyperband" else None
    about = {"what": "test"}
    return Settings(
        **{
            "tuner": tuner,
            "trials": trials,
            "seed": 3,
            "objective": "height",
            "direction": "min",
            "epochs": epochs,
            "about": about,
            **changes,
        },
    )


def run_sweep(model: Any, out: Path, **changes: Any) -> tuning.Results:
    """In processes of its own, whose backend is the one that starts fastest."""
    common = {"objective": HEIGHT, "trials": TRIALS, "backend": "numpy", "seed": 3}
    return tuning.run(model, out=out, **{**common, "about": {"what": "t"}, **changes})


def ledger(folder: Path, sweep: Settings) -> Ledger:
    folder.mkdir(exist_ok=True)
    found = Ledger(folder, sweep)
    found.declare(space_of(Parabola()))
    return found


def finish(book: Ledger, most: int | None = None, worker: str = "w") -> list[Record]:
    """Run trials in this process, at most so many, and give back those that ran."""
    ran: list[Record] = []
    while most is None or len(ran) < most:
        given = book.next(worker)
        if given is None:
            break
        book.finish(ended(given))
        ran.append(book.records[given.number])
    return ran


def ended(record: Record) -> Record:
    metrics = {"height": height(record.values)}
    epochs = record.values.get(EPOCHS)
    return replace(record, metrics=metrics, epochs=epochs, seconds=0.5)
