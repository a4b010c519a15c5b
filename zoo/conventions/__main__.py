"""``python -m zoo.conventions {run,report}``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zoo.backend import chosen
from zoo.conventions import report as reports
from zoo.conventions import study as studies
from zoo.errors import ZooError, one_line
from zoo.files import write_text
from zoo.language_model.config import Config
from zoo.language_model.data import DATASETS
from zoo.options import backend_option

CONFIG = Config(embedding_units=64, dropout=0.1, batch_size=32, timesteps=64)

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/conventions"),
    show_default=True,
    help="Folder of rows.csv; what has its row is not trained again.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def conventions() -> None:
    """Compare the GRU's conventions with an LSTM and a simple RNN of equal size."""


@conventions.command()
@click.option(
    "--dataset",
    type=click.Choice(list(DATASETS)),
    default="shakespeare",
    show_default=True,
)
@click.option(
    "--units",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Of the first GRU; all others get as many parameters.",
)
@click.option("--steps", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option(
    "--learning-rate",
    "learning_rates",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    default=(2e-3, 5e-3),
    show_default=True,
    help="May be given more than once: each layer is told at its best.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@out_option
@backend_option
def run(
    dataset: str,
    units: int,
    steps: int,
    learning_rates: tuple[float, ...],
    seeds: int,
    out: Path,
    backend: str | None,
) -> None:
    """Train every layer with every learning rate and seed; go on where it stopped."""
    study = studies.Study(dataset, units, steps, learning_rates, seeds, CONFIG)
    studies.run(study, out, chosen(backend), lambda line: print(line, flush=True))
    _report(out)


@conventions.command()
@out_option
def report(out: Path) -> None:
    """Make the table and the picture of what is there."""
    _report(out)


def _report(out: Path) -> None:
    found = reports.outcomes(studies.read(out / "rows.csv"))
    table = reports.table(found)
    write_text(out / "conventions.md", table)
    reports.picture(found, out / "conventions.png")
    print(table)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors become one line on stderr."""
    try:
        conventions.main(
            args=arguments, prog_name="python -m zoo.conventions", standalone_mode=False
        )
    except click.ClickException as error:
        print(f"zoo.conventions: {error.format_message()}", file=sys.stderr)
        return 2
    except (ZooError, ValueError) as error:
        print(f"zoo.conventions: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
