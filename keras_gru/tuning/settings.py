"""``sweep.json``: what decides which trials a sweep runs. Written once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.files import set_aside, write_json

TUNERS = ("hyperband", "bayesian", "random", "grid")
FILE = "sweep.json"


@dataclass(frozen=True)
class Settings:
    """What decides which trials a sweep runs.

    Attributes:
        tuner: a name in `TUNERS`.
        trials: how many are run at most.
        seed: decides the proposals and, with a trial's number, the trial's own seed.
        objective: the metric that chooses.
        direction: "min" or "max".
        epochs: given to every trial; under Hyperband the most that a trial gets. None:
            the model's own affair.
        about: what is swept, for the reader and for a check at a resume.
    """

    tuner: str
    trials: int
    seed: int
    objective: str
    direction: str
    epochs: int | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what no sweep can run with.

        Raises:
            SweepError: naming the argument, its value and what was expected.
        """
        _expect(self.tuner in TUNERS, "tuner", self.tuner, f"one of {TUNERS}")
        _expect(self.trials >= 1, "trials", self.trials, "at least 1")
        _expect(self.seed >= 0, "seed", self.seed, "0 or more")
        directions = ("min", "max")
        _expect(self.direction in directions, "direction", self.direction, "min or max")
        if self.tuner == "hyperband":
            _expect(
                self.epochs is not None and self.epochs >= 3,
                "epochs",
                self.epochs,
                "at least 3 under tuner='hyperband', which starts with a third of them",
            )
        elif self.epochs is not None:
            _expect(self.epochs >= 1, "epochs", self.epochs, "at least 1")


def read(path: Path) -> Settings:
    """Read the settings of a sweep.

    Raises:
        ValueError: the file is torn or no sweep's.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or set(found) != {f.name for f in fields(Settings)}:
        raise ValueError("it has other fields than a sweep's settings")
    return Settings(**found)


def begin(folder: Path, settings: Settings) -> None:
    """Make the folder of a new sweep.

    Raises:
        SweepError: it is in use, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise SweepError(f"out={str(folder)!r} is a file; expected a folder")
    if (folder / FILE).is_file() or any(folder.glob("trials/*/trial.json*")):
        raise SweepError(
            f"out={str(folder)!r} already holds a sweep: resume it, or choose another"
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise SweepError(f"out={str(folder)!r} is not empty and holds no sweep")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, asdict(settings))
    except OSError as error:
        raise SweepError(f"out={str(folder)!r} cannot be written: {error}") from error


def go_on(folder: Path, settings: Settings) -> None:
    """Check that `settings` are those of the sweep in `folder`; more trials may be.

    A damaged file is set aside and written anew: each trial's record has its seed,
    which is checked as well.

    Raises:
        SweepError: there is no sweep, or it has other settings.
    """
    path = folder / FILE
    if path.is_file():
        try:
            before = read(path)
        except ValueError as error:
            set_aside(path, f"{type(error).__name__}: {error}; the given ones hold")
        else:
            _require_same(folder, before, settings)
    elif not any(folder.glob("trials/*/trial.json")):
        raise SweepError(f"{folder} holds no sweep to resume: it has no {FILE}")
    write_json(path, asdict(settings))


def _require_same(folder: Path, before: Settings, now: Settings) -> None:
    stored = asdict(before)
    given = json.loads(json.dumps(asdict(replace(now, trials=before.trials))))
    changed = [
        f"{name} was {stored[name]!r}, now {value!r}"
        for name, value in given.items()
        if stored[name] != value
    ]
    if now.trials < before.trials:
        changed.append(f"trials was {before.trials}, now {now.trials}")
    if changed:
        raise SweepError(
            f"{folder} was begun with other settings: {'; '.join(changed)}; resume "
            f"with the sweep's own (more trials are welcome), or choose another folder"
        )


def _expect(right: bool, name: str, value: object, expected: str) -> None:
    if not right:
        raise SweepError(f"{name}={value!r}: expected {expected}")
