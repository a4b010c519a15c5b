"""``sweep.json``: what decides which trials a sweep runs. Written once."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from keras_gru.files import read_sealed, write_sealed
from keras_gru.tuning.errors import SweepError, checked, one_line

FILE = "sweep.json"
ENVIRONMENT = "state/environment.json"  # of the workers


@dataclass(frozen=True)
class Settings:
    """What decides which trials a sweep runs.

    Attributes:
        tuner: how the values of a trial are chosen.
        trials: how many are run at most.
        seed: decides the proposals and, with a trial's number, the trial's own seed.
        objective: the metric that chooses.
        direction: whether the least or the greatest is best.
        about: what is swept, for the reader and for a check at a resume.
        epochs: given to every trial; under Hyperband the most that a trial gets. None:
            the hypermodel decides.
        max_parameters: a model with more is not trained. None: no limit.
        stopping: the rule by which Ray ends trials early; None: none is.
    """

    tuner: Literal["hyperband", "bayesian", "random", "grid"]
    trials: PositiveInt
    seed: NonNegativeInt
    objective: str
    direction: Literal["min", "max"]
    about: dict[str, Any]
    epochs: PositiveInt | None = None
    max_parameters: PositiveInt | None = None
    stopping: Literal["median", "asha"] | None = None

    def __post_init__(self) -> None:
        if self.tuner == "hyperband" and (self.epochs or 0) < 3:
            raise SweepError(
                f"epochs={self.epochs}: expected at least 3 under tuner='hyperband', "
                f"which starts with a third of them"
            )


@dataclass(frozen=True)
class Plan:
    """How a sweep is run; nothing here changes what its trials are.

    Attributes:
        workers: how many run at a time.
        max_failures: so many failed trials in a row end the sweep.
        budget: minutes for all of it; None: no limit.
        trial_timeout: seconds for a trial; None: no limit.
        engine: what runs the trials.
    """

    workers: PositiveInt
    max_failures: PositiveInt
    budget: PositiveFloat | None
    trial_timeout: PositiveFloat | None
    engine: Literal["processes", "ray"]


def read(folder: Path) -> Settings:
    """Read the settings of a sweep."""
    try:
        return checked(Settings, **read_sealed(folder / FILE))
    except (OSError, ValueError, TypeError, SweepError) as error:
        raise SweepError(
            f"{folder} holds no sweep that can be read: {FILE}: {one_line(error)}"
        ) from error


def environment(folder: Path) -> dict[str, str]:
    """What the workers of a sweep have in their environment."""
    path = folder / ENVIRONMENT
    try:
        return {**json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError) as error:
        raise SweepError(f"{path} cannot be read: {one_line(error)}") from error


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
        (folder / "state").mkdir(parents=True, exist_ok=True)
        write_sealed(folder / FILE, asdict(settings))
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
    write_sealed(folder / FILE, asdict(settings))
