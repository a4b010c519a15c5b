"""Command-line options that every program of the zoo takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from zoo.backend import BACKENDS

Function = TypeVar("Function", bound=Callable[..., Any])

backend_option = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="Backend of Keras.  [default: KERAS_BACKEND, else tensorflow]",
)

run_argument = click.argument(
    "run", metavar="RUN", type=click.Path(path_type=Path, file_okay=False)
)


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
            help="Convention of the GRU, a name in keras_gru.VARIANTS.",
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


def given(context: click.Context, *names: str) -> dict[str, Any]:
    """The options that were typed, not those that hold their default."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {
        name: context.params[name]
        for name in names
        if context.get_parameter_source(name) is typed
    }
