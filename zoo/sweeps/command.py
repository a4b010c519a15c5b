"""``python -m zoo sweep PROGRAM``: search a program's hyperparameters."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from zoo import backend as backends
from zoo.config import Checked, Count, Positive, Seed
from zoo.errors import TrainingFailed, ZooError
from zoo.options import backend_option, given, known, options_of
from zoo.programs import PROGRAMS
from zoo.sweeps import model as sweep_model

if TYPE_CHECKING:
    from keras_gru.tuning import Results

# What `tuning.run` takes as it was typed.
PASSED_ON = (
    *("tuner", "trials", "workers", "epochs", "seed", "budget", "trial_timeout"),
    *("max_parameters", "stopping", "resume", "engine", "address"),
)
# What must be the same when it is resumed.
OF_THE_SWEEP = ("tuner", "trials", "seed", "epochs", "max_parameters", "stopping")
HYPERBAND_EPOCHS = 9  # two rounds of selection: a third of a third of them


@dataclass(frozen=True)
class Sweep(Checked):
    """What a sweep is asked for.

    Attributes:
        tuner: how the next trial is chosen.
        trials: how many are run at most.
        workers: how many are run at a time.
        epochs: of every trial; under hyperband the most that one gets. By default the
            space's, under hyperband 9.
        seed: decides the proposals and the seeds of the trials.
        budget: minutes for all.
        trial_timeout: seconds after which a trial counts as failed.
        max_parameters: larger models are not trained, so that models of equal cost are
            compared.
        stopping: median ends a trial that is behind the median of the others; asha is
            successive halving, with --engine ray.
        out: folder of the sweep; by default sweeps/PROGRAM-TUNER-SEED.
        resume: go on with the sweep in --out.
        engine: processes of this machine, or ray, which has clusters.
        address: of a Ray cluster; auto finds the one that this machine is in.
        size: search around this one; by default the space's own.
        dataset: what to train on; by default as in train.
    """

    tuner: Literal["hyperband", "bayesian", "random", "grid"] = "hyperband"
    trials: Count = 20
    workers: Count = 1
    epochs: Count | None = None
    seed: Seed = 0
    budget: Positive | None = None
    trial_timeout: Positive | None = None
    max_parameters: Count | None = None
    stopping: Literal["median", "asha"] | None = None
    out: str | None = None
    resume: bool = False
    engine: Literal["processes", "ray"] = "processes"
    address: str | None = None
    size: str | None = None
    dataset: str | None = None


@click.command(params=options_of(Sweep))
@click.argument("program")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another setting of the program's, such as text=FILE.",
)
@backend_option
@click.pass_context
def sweep(context: click.Context, /, program: str, **options: Any) -> None:
    """Search a program's hyperparameters; a killed sweep goes on with --resume."""
    known(program)
    default = f"sweeps/{program}-{options['tuner']}-{options['seed']}"
    folder = Path(options["out"] or default)
    if options["resume"]:
        _take_from(folder, program, options, given(context, *options))
    _report(program, _run(program, folder, options))


def _run(program: str, folder: Path, options: dict[str, Any]) -> Results:
    settings, objective, model = _described(program, options)
    from keras_gru import tuning

    if options["epochs"] is None and options["tuner"] == "hyperband":
        options["epochs"] = HYPERBAND_EPOCHS
    try:
        return tuning.run(
            model,
            objective=objective,
            out=folder,
            about={"what": program, "size": options["size"], **settings},
            backend=settings["backend"],
            **{name: options[name] for name in PASSED_ON},
        )
    except tuning.SweepFailed as error:
        raise TrainingFailed(str(error)) from error
    except tuning.SweepError as error:
        raise ZooError(str(error)) from error


def _described(
    program: str, options: dict[str, Any]
) -> tuple[dict[str, Any], Any, Any]:
    """What the trials share, the objective, and the model; starts Keras."""
    backend = backends.chosen(options["backend"])
    backends.use(backend)  # before a search space asks keras_gru for its conventions
    size = options["size"]
    goal = PROGRAMS[program].objective
    sweep_model.check(program, size)
    settings = sweep_model.settings_of(
        program, options["dataset"], backend, options["options"]
    )
    model = sweep_model.ProgramModel(program, settings, size)
    try:
        import keras_tuner
    except ImportError as error:
        raise ZooError(
            f"sweeps need {error.name}: pip install 'keras_gru[tune]'"
        ) from error
    direction = "max" if goal.maximise else "min"
    return settings, keras_tuner.Objective(goal.name, direction), model


def _take_from(
    folder: Path, program: str, options: dict[str, Any], typed: set[str]
) -> None:
    """Let what was not typed be as in the sweep that is resumed."""
    # Not with `keras_gru`, which would start Keras before its backend is known.
    try:
        before = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        about = dict(before["about"])
        own = {name: before[name] for name in OF_THE_SWEEP}
    # Absent or damaged: `tuning.run` says it in one line.
    except (OSError, ValueError, KeyError, TypeError):
        return
    if about.pop("what", program) != program:
        raise ZooError(f"{folder} is a sweep of {before['about']['what']!r}")
    for name, value in own.items():
        if name not in typed:
            options[name] = value
    common = ("backend", "dataset", "size")
    for name in common:
        if name not in typed:
            options[name] = about.get(name)
    if "options" not in typed:
        rest = {
            name: value
            for name, value in about.items()
            if name not in common and value is not None
        }
        options["options"] = [f"{name}={value}" for name, value in rest.items()]


def _report(program: str, found: Results) -> None:
    """Copy the best run to where it is found, and say how it is used."""
    source = found.folder / "trials" / found.best.trial_id / sweep_model.RUN
    best = found.folder / "best"
    if source.is_dir():
        shutil.rmtree(best, ignore_errors=True)
        shutil.copytree(
            source, best, ignore=shutil.ignore_patterns("checkpoints", ".*")
        )
    values = ", ".join(
        f"{name}={value}" for name, value in found.best.hyperparameters.items()
    )
    print(f"best: trial {found.best.trial_id}, {found.best.metric:.4f} with {values}")
    print(f"report: {found.folder / 'report.html'}")
    if source.is_dir():
        print(f"use it: python -m zoo evaluate {program} {best}")
    command = json.loads((found.folder / "best.json").read_text(encoding="utf-8"))
    print(f"train it in full: {command['command']}")
