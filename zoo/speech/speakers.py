"""The leave-one-speaker-out table: how well is a voice heard that was never heard?

``python -m zoo.speech.speakers --dataset fsdd --size small``

One training for each speaker, who is left out of it and then is the test set. A row
stands in ``speakers.csv`` as soon as its training has ended. The command may be killed
at any moment; given again, it goes on where it was.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import click

from zoo.errors import ZooError
from zoo.files import write_text
from zoo.options import json_option, print_json
from zoo.runs import RunFolder
from zoo.speech.commands import DATASETS
from zoo.speech.config import DEFAULT_TASK, SIZES, TASKS

FIELDS = ("speaker", "figure", "test", "validation", "seconds", "command")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--dataset", type=click.Choice(list(DATASETS)), default="fsdd", show_default=True
)
@click.option(
    "--task", type=click.Choice(list(TASKS)), default=DEFAULT_TASK, show_default=True
)
@click.option(
    "--size", type=click.Choice(list(SIZES)), default="small", show_default=True
)
@click.option("--variant", default="keras", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), help="[default: the size's]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the runs.  [default: runs/speakers-DATASET-TASK-SIZE-VARIANT-SEED]",
)
@json_option
def speakers(
    dataset: str,
    task: str,
    size: str,
    variant: str,
    seed: int,
    epochs: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Train once without each speaker; show the table and its mean."""
    from zoo.speech import recordings

    out = out or Path("runs") / f"speakers-{dataset}-{task}-{size}-{variant}-{seed}"
    out.mkdir(parents=True, exist_ok=True)
    options = ["--dataset", dataset, "--task", task, "--size", size]
    options += ["--variant", variant, "--seed", str(seed)]
    options += ["--epochs", str(epochs)] if epochs else []
    rows: list[dict[str, Any]] = []
    for speaker in recordings.speakers_of(recordings.load(dataset)):
        rows.append(_row(speaker, options, out / speaker))
        _write(out / "speakers.csv", rows)
        if not as_json:
            print(f"{speaker}: {rows[-1]['figure']} {rows[-1]['test']:.4f}")
    figure = rows[0]["figure"]
    average = mean(row["test"] for row in rows)
    if as_json:
        each = {row["speaker"]: row["test"] for row in rows}
        split = "each speaker in turn, mean"
        seconds = sum(row["seconds"] for row in rows)
        print_json(
            {
                figure: average,
                "speakers": each,
                "dataset": dataset,
                "split": split,
                "seconds": seconds,
            }
        )
    else:
        print(f"mean: {figure} {average:.4f} -> {out / 'speakers.csv'}")


def _row(speaker: str, options: list[str], out: Path) -> dict[str, Any]:
    """Train without `speaker`, if that has not been done; the row of the table.

    Raises:
        ZooError: the training failed; its own line says why.
    """
    command = [*("train", "speech"), *options, "--hold-out", speaker, "--out", str(out)]
    if not RunFolder(out).result.is_file():
        # A process of its own: each training starts alike, whatever ran before it.
        resume = ["--resume"] if (out / "settings.json").is_file() else []
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *command, *resume], stdout=sys.stderr
        )
        if done.returncode != 0:
            raise ZooError(
                f"the training without {speaker} ended with exit code "
                f"{done.returncode}; the same command goes on where it was"
            )
    result = json.loads(RunFolder(out).result.read_text(encoding="utf-8"))
    figure = "accuracy" if "test_accuracy" in result else "wer"
    return {
        "speaker": speaker,
        "figure": figure,
        "test": result[f"test_{figure}"],
        "validation": result[f"validation_{figure}"],
        "seconds": result["seconds"],
        "command": "python -m zoo " + " ".join(command),
    }


def _write(table: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(table, text.getvalue())


if __name__ == "__main__":
    try:
        speakers()
    except ZooError as error:
        sys.exit(f"zoo: {error}")
