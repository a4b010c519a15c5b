"""Command-line options that every program of the zoo takes."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.backend import BACKENDS, chosen

if TYPE_CHECKING:
    from zoo.program import Program, Settings

Function = TypeVar("Function", bound=Callable[..., Any])

backend_option = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="Backend of Keras.  [default: KERAS_BACKEND, else tensorflow]",
)

run_argument = click.argument("run", metavar="RUN|PRESET")

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on standard output and nothing else.",
)


def print_json(content: dict[str, Any]) -> None:
    """What ``--json`` prints: one object on one line."""
    print(json.dumps(content))


def training_options(
    sizes: Iterable[str], datasets: Iterable[str], default_dataset: str
) -> Callable[[Function], Function]:
    """Add what `train` of every program takes."""
    options = [
        click.option(
            "--size",
            type=click.Choice(list(sizes)),
            default="tiny",
            show_default=True,
            help="Size of the model and length of the training.",
        ),
        click.option(
            "--dataset",
            type=click.Choice(list(datasets)),
            default=default_dataset,
            show_default=True,
            help="What to train on; the default needs no network.",
        ),
        click.option(
            "--variant",
            default="keras",
            show_default=True,
            help=f"Convention of the GRU: {', '.join(_variants())}.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0, max=2**31 - 1),
            default=0,
            show_default=True,
            help="Decides initial weights, order of the data, dropout and samples.",
        ),
        click.option(
            "--epochs",
            type=click.IntRange(min=1),
            help="Passes over the training data.  [default: the size's]",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            help="Run folder.  [default: runs/PROGRAM-DATASET-SIZE-VARIANT-SEED]",
        ),
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with the run in --out; its settings hold.",
        ),
        click.option(
            "--checkpoint-seconds",
            type=click.FloatRange(min=0),
            default=15.0,
            show_default=True,
            help="The most work that a kill may cost; no effect on the weights.",
        ),
        click.option(
            "--record",
            is_flag=True,
            help="Also append the run's row to zoo/results of this checkout.",
        ),
        backend_option,
    ]

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _variants() -> list[str]:
    """The names in `keras_gru.VARIANTS`, without `keras_gru`, which imports Keras."""
    file = Path(__file__).parents[1] / "keras_gru" / "variants.py"
    return list(runpy.run_path(str(file))["VARIANTS"])


def common_settings(
    options: dict[str, Any], sizes: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of `zoo.program.Settings`, out of what `training_options` add.

    Args:
        options: the command's keyword arguments.
        sizes: the program's `SIZES`; a size has the epochs that are not given.
    """
    return {
        "size": options["size"],
        "dataset": options["dataset"],
        "variant": options["variant"],
        "seed": options["seed"],
        "epochs": options["epochs"] or sizes[options["size"]].epochs,
        "backend": chosen(options["backend"]),
    }


def run_training(
    context: click.Context,
    program: Program[Any, Any, Any],
    settings: Settings,
    options: dict[str, Any],
    *,
    together: Collection[str] = (),
) -> None:
    """Start or resume what a `train` command describes.

    Args:
        context: of the command; it knows which options were typed.
        program: what to train.
        settings: made of `common_settings` and the program's own options.
        options: what `training_options` add.
        together: settings that are decided by each other, such as a dataset and a
            file in its place: where one was typed, all count as typed.
    """
    from zoo import session

    typed = given(context, *(field.name for field in fields(settings)))
    if typed & set(together):
        typed |= set(together)
    # KERAS_BACKEND is a choice of the user's as much as --backend is.
    if options["backend"] or os.environ.get("KERAS_BACKEND"):
        typed.add("backend")
    session.train(
        program,
        settings,
        session.Bookkeeping(options["checkpoint_seconds"], options["record"]),
        out=options["out"],
        resume=options["resume"],
        typed=typed,
    )


def given(context: click.Context, *names: str) -> set[str]:
    """The options that were typed, not those that hold their default."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {name for name in names if context.get_parameter_source(name) is typed}
