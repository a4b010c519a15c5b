"""A program of the zoo as a sweep sees it: a model with hyperparameters."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import session
from zoo.errors import TrainingFailed, ZooError
from zoo.program import Program, Settings
from zoo.runs import RunFolder

if TYPE_CHECKING:
    from keras_gru.tuning.trials import Trial

SIZE = "sweep"  # the size of a trial's configuration, beside the program's own
RUN = "run"  # a trial's run folder, in the folder of the trial


class ProgramModel:
    """Builds and trains what ``zoo/PROGRAM/search.py`` describes.

    In the place of a `keras_tuner.HyperModel`, without importing Keras: what is built
    is the configuration, and the shared loop makes the model of it.

    Args:
        program: its name.
        settings: all but size, variant, seed and epochs, which a trial decides.
        size: of the program's, to search around; None: the one of its search space.
    """

    trial: Trial  # set by the worker before each trial

    def __init__(
        self, program: str, settings: Mapping[str, Any], size: str | None = None
    ) -> None:
        self.name = program
        self.settings = dict(settings)
        self.size = size

    def build(self, hp: Any) -> Any:
        """The configuration of the values in `hp`."""
        space = _module(self.name, "search").search_space
        return space(hp) if self.size is None else space(hp, size=self.size)

    def fit(
        self,
        hp: Any,
        config: Any,
        *,
        callbacks: Sequence[Any] = (),
        epochs: int | None = None,
    ) -> dict[str, float]:
        """Train to the end, in the trial's run folder; go on with what a kill left.

        Args:
            hp: the values; `config` holds them already.
            config: from `build`.
            callbacks: of Keras; the shared loop has none.
            epochs: in place of the configuration's.

        Returns:
            The best validation figures by name, and the epochs.
        """
        program = _candidate(program_of(self.name), config, quick=not self.trial.alone)
        settings = program.settings_type(
            **self.settings,
            size=SIZE,
            variant=config.variant,
            seed=self.trial.seed,
            epochs=epochs or config.epochs,
        )
        alone = self.trial.alone
        run = _train(program, settings, self.trial.folder / RUN, alone=alone)
        result = json.loads(run.result.read_text(encoding="utf-8"))
        figures = {
            name.removeprefix("validation_"): float(value)
            for name, value in result.items()
            if name.startswith("validation_")
        }
        return {
            **figures,
            "parameters": result["parameters"],
            "epochs": settings.epochs,
        }


def program_of(name: str, size: str | None = None) -> Program[Any, Any, Any]:
    """The program with a name.

    Raises:
        ZooError: it has no search space, or none around this size.
    """
    found: Program[Any, Any, Any] = _module(name, "train").PROGRAM
    space = _module(name, "search").search_space
    if size is not None:
        if "size" not in inspect.signature(space).parameters:
            raise ZooError(f"--size {size}: the search space of {name} has its own")
        if size not in found.sizes:
            raise ZooError(f"--size {size}: expected one of {', '.join(found.sizes)}")
    return found


def settings_of(
    program: Program[Any, Any, Any], dataset: str, backend: str, options: Sequence[str]
) -> dict[str, Any]:
    """The settings that all trials share.

    Args:
        program: what is swept.
        dataset: to train on, unless an option names another source.
        backend: of Keras.
        options: further settings of the program, each NAME=VALUE.

    Raises:
        ZooError: an option is not one of the program's.
    """
    common = set(Settings.__dataclass_fields__)
    own = sorted(set(program.settings_type.__dataclass_fields__) - common)
    found: dict[str, Any] = {"dataset": dataset, "backend": backend}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or name not in own:
            expected = " or ".join(f"{field}=VALUE" for field in own) or "none at all"
            raise ZooError(f"--option {option}: expected {expected}")
        found[name] = _value(value)
        if name in program.settings_type.files:  # in the place of a dataset
            found["dataset"] = None
    return found


def _value(text: str) -> Any:
    """A number, true, false or null; the path of a file from the root; else a text."""
    if Path(text).is_file():
        return str(Path(text).resolve())
    try:
        return json.loads(text)
    except ValueError:
        return text


def _candidate(
    program: Program[Any, Any, Any], config: Any, *, quick: bool
) -> Program[Any, Any, Any]:
    """A program with the configuration of a trial for its only size.

    Args:
        program: what is swept.
        config: of the trial.
        quick: leave out what a run makes at its end: samples, figures of the test set.
    """
    found = copy.copy(program)
    found.sizes = {SIZE: config}
    if quick:
        vars(found)["finish"] = lambda setup, task, run, progress: {}
    return found


def _train(program: Any, settings: Any, out: Path, *, alone: bool) -> RunFolder:
    """Train in a run folder, or go on there.

    Raises:
        ZooError: the folder holds a run of other settings, and not one of a sweep's.
    """
    how = session.Bookkeeping()
    if out.exists():
        typed = {"variant", "seed", "epochs"}
        try:
            return session.train(
                program, settings, how, out=out, resume=True, typed=typed
            )
        except TrainingFailed:
            raise
        except ZooError:
            if alone:  # somebody's own folder
                raise
            # Of other values: the trial's record was damaged and proposed anew.
            shutil.rmtree(out)
    return session.train(program, settings, how, out=out)


def _module(program: str, name: str) -> Any:
    try:
        return importlib.import_module(f"zoo.{program}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"zoo.{program}.{name}":
            raise
        raise ZooError(f"{program} has no {name}.py: it cannot be swept") from error
