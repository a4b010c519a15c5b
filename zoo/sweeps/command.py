"""``python -m zoo sweep PROGRAM``: search a program's hyperparameters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import backend as backends
from zoo.errors import TrainingFailed, ZooError
from zoo.options import backend_option, given
from zoo.programs import PROGRAMS
from zoo.sweeps import model as sweep_model

if TYPE_CHECKING:
    from keras_gru.tuning import Results

HYPERBAND_EPOCHS = 9  # two rounds of selection: a third of a third of them


@click.command()
@click.argument("program")
@click.option(
    "--tuner",
    type=click.Choice(["hyperband", "bayesian", "random", "grid"]),
    default="hyperband",
    show_default=True,
    help="How the next trial is chosen.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many are run at most.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many are run at a time.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the sweep.  [default: sweeps/PROGRAM-TUNER-SEED]",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Of every trial; under hyperband the most that one gets.  "
    f"[default: the space's; {HYPERBAND_EPOCHS} under hyperband]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**31 - 1),
    default=0,
    show_default=True,
    help="Decides the proposals and the seeds of the trials.",
)
@click.option(
    "--budget", type=click.FloatRange(min=0, min_open=True), help="Minutes for all."
)
@click.option(
    "--trial-timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds after which a trial counts as failed.",
)
@click.option("--resume", is_flag=True, help="Go on with the sweep in --out.")
@click.option("--size", help="Search around this one.  [default: the space's own]")
@click.option("--dataset", help="What to train on.  [default: as in train]")
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
    if program not in PROGRAMS:
        raise click.UsageError(
            f"unknown program {program!r}; expected one of {', '.join(PROGRAMS)}"
        )
    folder = options["out"] or Path("sweeps") / (
        f"{program}-{options['tuner']}-{options['seed']}"
    )
    if options["resume"]:
        _take_from(folder, program, options, given(context, *options))
    _report(program, _run(program, folder, options))


def _run(program: str, folder: Path, options: dict[str, Any]) -> Results:
    settings, objective, model = _described(program, options)
    from keras_gru import tuning

    epochs = options["epochs"]
    if epochs is None and options["tuner"] == "hyperband":
        epochs = HYPERBAND_EPOCHS
    try:
        return tuning.run(
            model,
            objective=objective,
            out=folder,
            tuner=options["tuner"],
            trials=options["trials"],
            workers=options["workers"],
            epochs=epochs,
            seed=options["seed"],
            budget=options["budget"],
            trial_timeout=options["trial_timeout"],
            resume=options["resume"],
            about={"what": program, "size": options["size"], **settings},
            backend=settings["backend"],
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
    """Let what was not typed be as in the sweep that is resumed.

    Raises:
        ZooError: it is another program's.
    """
    # Not with `keras_gru`, which would start Keras before its backend is known.
    for path in (folder / "sweep.json", folder / "state" / "sweep.json"):
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            about = dict(before["about"])
            own = {name: before[name] for name in ("tuner", "trials", "seed", "epochs")}
            break
        # Absent or damaged, and so the copy: `tuning.run` says it in one line.
        except (OSError, ValueError, KeyError, TypeError):
            continue
    else:
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
            source, best, ignore=shutil.ignore_patterns("checkpoints", ".partial-*")
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
