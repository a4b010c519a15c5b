"""``sweep.json``: what decides which trials a sweep runs. Written once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from keras_gru.files import set_aside, write_json
from keras_gru.tuning.errors import SweepError, one_line

TUNERS = ("hyperband", "bayesian", "random", "grid")
STOPPING = (None, "median", "asha")
FILE = "sweep.json"
COPY = "state/sweep.json"


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
            the hypermodel decides.
        max_parameters: a model with more is not trained. None: no limit.
        stopping: "median" ends a trial that is worse than most others were at the same
            epoch; "asha" is successive halving, on Ray; None: every trial is trained
            to its end.
        about: what is swept, for the reader and for a check at a resume.
    """

    tuner: str
    trials: int
    seed: int
    objective: str
    direction: str
    epochs: int | None = None
    max_parameters: int | None = None
    stopping: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what no sweep can run with."""
        rules = {
            "tuner": (self.tuner in TUNERS, f"one of {TUNERS}"),
            "trials": (self.trials >= 1, "at least 1"),
            "seed": (self.seed >= 0, "0 or more"),
            "direction": (self.direction in ("min", "max"), "'min' or 'max'"),
            "epochs": (self.epochs is None or self.epochs >= 1, "at least 1"),
            "max_parameters": (
                self.max_parameters is None or self.max_parameters >= 1,
                "at least 1",
            ),
            "stopping": (self.stopping in STOPPING, f"one of {STOPPING}"),
        }
        if self.tuner == "hyperband":
            rules["epochs"] = (
                self.epochs is not None and self.epochs >= 3,
                "at least 3 under tuner='hyperband', which starts with a third of them",
            )
        for name, (right, expected) in rules.items():
            if not right:
                raise SweepError(f"{name}={getattr(self, name)!r}: expected {expected}")


def read(folder: Path) -> Settings:
    """Read the settings of a sweep."""
    reasons = []
    for path in (folder / FILE, folder / COPY):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return Settings(**found)
        except FileNotFoundError:
            reasons.append(f"there is no {path.relative_to(folder)}")
        except (ValueError, TypeError) as error:
            reasons.append(f"{path.relative_to(folder)} is damaged: {one_line(error)}")
    raise SweepError(f"{folder} holds no sweep that can be read: {'; '.join(reasons)}")


def write(folder: Path, settings: Settings) -> None:
    """Write the settings of a sweep, and a copy in case they are damaged."""
    for path in (folder / COPY, folder / FILE):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(settings))


def begin(folder: Path, settings: Settings) -> None:
    """Make the folder of a new sweep."""
    if folder.exists() and not folder.is_dir():
        raise SweepError(f"out={str(folder)!r} is a file; expected a folder")
    if (folder / FILE).is_file() or any(folder.glob("trials/*/trial.json*")):
        raise SweepError(
            f"out={str(folder)!r} already holds a sweep: add resume=True (on a command "
            f"line --resume) to go on with it, or choose another folder"
        )
    # Of a sweep that was killed before it had its settings.
    if folder.is_dir() and {path.name for path in folder.iterdir()} - {"state"}:
        raise SweepError(f"out={str(folder)!r} is not empty and holds no sweep")
    try:
        write(folder, settings)
    except OSError as error:
        raise SweepError(f"out={str(folder)!r} cannot be written: {error}") from error


def go_on(folder: Path, settings: Settings) -> None:
    """Check that `settings` are those of the sweep in `folder`; more trials may be."""
    before = read(folder)
    stored = asdict(before)
    given = json.loads(json.dumps(asdict(replace(settings, trials=before.trials))))
    changed = [
        f"{name} was {stored[name]!r}, now {value!r}"
        for name, value in given.items()
        if stored[name] != value
    ]
    if settings.trials < before.trials:
        changed.append(f"trials was {before.trials}, now {settings.trials}")
    if changed:
        raise SweepError(
            f"{folder} was begun with other settings: {'; '.join(changed)}; resume "
            f"with the sweep's own (more trials are welcome), or choose another folder"
        )
    if (folder / FILE).is_file():
        try:
            json.loads((folder / FILE).read_text(encoding="utf-8"))
        except ValueError as error:
            set_aside(folder / FILE, f"{one_line(error)}; its copy holds")
    write(folder, settings)
