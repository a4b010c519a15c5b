"""``python -m benchmarks.studies STUDY``: trainings to compare; ``--help`` lists them.

Each may be killed at any moment; the same command goes on where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.studies import conventions as of_conventions
from benchmarks.studies import forecasts as of_forecasts
from benchmarks.studies import music as of_music
from benchmarks.studies import speakers as of_speakers
from zoo.errors import ZooError, one_line
from zoo.forecasting.config import SIZES

PASSED_ON = {"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}


def out_option(name: str) -> Any:
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("runs") / name,
        show_default=True,
        help="Folder of the runs and the table.",
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def studies() -> None:
    """Train what is to be compared, and tell it in a table."""


@studies.command(context_settings=PASSED_ON)
@click.option("--dataset", default="shakespeare", show_default=True)
@click.option(
    "--units",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Of the first GRU; all others get as many parameters.",
)
@click.option(
    "--learning-rate",
    "rates",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    default=(2e-3, 5e-3),
    show_default=True,
    help="May be given more than once: each layer is told at its best.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@out_option("conventions")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def conventions(
    dataset: str,
    units: int,
    rates: tuple[float, ...],
    seeds: int,
    out: Path,
    more: tuple[str, ...],
) -> None:
    """The GRU's conventions, an LSTM and a simple RNN of equal size.

    All other options go to `python -m zoo train language_model`.
    """
    of_conventions.run(dataset, units, rates, seeds, more, out)


@studies.command(context_settings=PASSED_ON)
@click.option("--dataset", default="fsdd", show_default=True)
@out_option("speakers")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def speakers(dataset: str, out: Path, more: tuple[str, ...]) -> None:
    """How well is a voice heard that was left out of the training?

    All other options go to `python -m zoo train speech`.
    """
    of_speakers.run(dataset, more, out)


@studies.command(context_settings=PASSED_ON)
@click.option("--study", type=click.Choice(list(of_forecasts.STUDIES)), required=True)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@out_option("forecasts")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def forecasts(study: str, seeds: int, out: Path, more: tuple[str, ...]) -> None:
    """Forecasts of ETTh1 and exchange rates, beside the published ones.

    All other options go to `python -m zoo train forecasting`.
    """
    of_forecasts.run(study, seeds, more, out)


@studies.command(context_settings=PASSED_ON)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@out_option("music")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def music(seeds: int, out: Path, more: tuple[str, ...]) -> None:
    """GRU, LSTM and tanh at the sizes of Chung et al. 2014, and the conventions.

    All other options go to `python -m zoo train polyphonic_music`.
    """
    of_music.run(seeds, more, out)


@studies.command()
@click.option("--size", type=click.Choice(list(SIZES)), default="small")
def forecast_step(size: str) -> None:
    """A step of the forecaster beside the same model on keras.layers.GRU."""
    from benchmarks.studies import forecast_step as of_forecast_step

    print(of_forecast_step.run(size))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors become one line on stderr."""
    name = "python -m benchmarks.studies"
    try:
        studies.main(args=arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        print(f"studies: {error.format_message()}", file=sys.stderr)
        return 2
    except ZooError as error:
        print(f"studies: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
