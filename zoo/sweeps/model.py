"""A program of the zoo as a sweep sees it: a model with hyperparameters."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo import config as configs
from zoo.errors import ZooError
from zoo.files import read_hashed
from zoo.presets.saved import reopen
from zoo.programs import PROGRAMS, module
from zoo.training.runs import Run, RunFolder

if TYPE_CHECKING:
    from keras_gru.tuning.trials import Trial

RUN = "run"  # a trial's run folder, in the folder of the trial


class ProgramModel:
    """Builds and trains what ``zoo/PROGRAM/search.py`` describes.

    In the place of a `keras_tuner.HyperModel`, without importing Keras: what is built
    is the configuration, and the program's `train` makes the model of it.

    Args:
        program: its name.
        settings: what the trials share: the fields of the program's source, backend.
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
        space = search_module(self.name).search_space
        drawn = space(hp) if self.size is None else space(hp, size=self.size)
        fixed = {one: self.settings[one] for one in vars(drawn) if one in self.settings}
        return replace(drawn, **fixed)

    def fit(
        self,
        hp: Any,
        config: Any,
        *,
        callbacks: Sequence[Any] = (),
        epochs: int | None = None,
    ) -> dict[str, float]:
        """Train to the end, in the trial's run folder; go on with what a kill left.

        Returns:
            The best validation figures by name, and the epochs.
        """
        if epochs:
            config = replace(config, epochs=epochs)
        run = self._run(config, callbacks)
        if run.folder.path.exists():
            names = configs.options(type(config))
            asked = {name: getattr(config, name) for name in names}
            try:
                reopen(run, {**asked, "seed": run.seed})
            except ZooError:
                if self.trial.alone:  # somebody's own folder
                    raise
                # Of other values: the trial's record was damaged and proposed anew.
                shutil.rmtree(run.folder.path)
        if not run.folder.result.is_file():
            module(self.name, "train").train(run)
        result = read_hashed(run.folder.result)
        figures = {
            name.removeprefix("validation_"): float(value)
            for name, value in result.items()
            if name.startswith("validation_")
        }
        return {**figures, "parameters": result["parameters"], "epochs": config.epochs}

    def _run(self, config: Any, callbacks: Sequence[Any]) -> Run:
        program = PROGRAMS[self.name]
        return Run(
            program=self.name,
            config=config,
            source=configs.from_json(program.source, self.settings),
            size=self.size or "small",
            seed=self.trial.seed,
            backend=self.settings["backend"],
            folder=RunFolder(self.trial.folder / RUN),
            # Samples, or the figures of a test: not of each of many trials.
            samples=self.trial.alone,
            check_size=self.trial.check_size,
            callbacks=callbacks,
        )


def check(program: str, size: str | None) -> None:
    """Refuse a program or a size that cannot be swept."""
    search_module(program)
    sizes = PROGRAMS[program].sizes
    if size is not None and size not in sizes:
        raise ZooError(f"--size {size}: expected one of {', '.join(sizes)}")


def settings_of(
    program: str, dataset: str | None, backend: str, options: Sequence[str]
) -> dict[str, Any]:
    """What all trials share.

    Args:
        program: what is swept.
        dataset: to train on; None: the default, or what an option names.
        backend: of Keras.
        options: further fields of the program's source, or fields of its configuration
            that are not searched, each NAME=VALUE.
    """
    kind, config = PROGRAMS[program].source, PROGRAMS[program].config
    own = [name for name in configs.options(kind) if name != "dataset"]
    search = search_module(program)
    searched = {*search.SCIENTIFIC, *search.NUISANCE}
    fixed = [name for name in configs.options(config) if name not in searched]
    found: dict[str, Any] = {} if dataset is None else {"dataset": dataset}
    values: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if equals and name in own:
            found[name] = configs.parse(kind, name, value)
        elif equals and name in fixed:
            values[name] = configs.parse(config, name, value)
        else:
            expected = ", ".join(f"{one}=VALUE" for one in own)
            raise ZooError(
                f"--option {option}: expected {expected}, or a field of the "
                f"configuration that is not searched"
            )
    return {**vars(kind(**found)), **values, "backend": backend}


def search_module(program: str) -> Any:
    """The search space of a program."""
    try:
        return module(program, "search")
    except ModuleNotFoundError as error:
        if error.name != f"zoo.{program}.search":
            raise
        raise ZooError(f"{program} has no search.py: it cannot be swept") from error
