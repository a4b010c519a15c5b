"""One training of a study: a process of its own, not done twice, gone on with."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from zoo.errors import ZooError
from zoo.files import read_hashed, write_text
from zoo.training.runs import RunFolder

Row = Mapping[str, Any]


def train(
    program: str, options: Mapping[str, Any], more: Sequence[str], out: Path
) -> dict[str, Any]:
    """Train with ``python -m zoo train PROGRAM``, where that has not been done.

    A process of its own: each training starts alike, whatever ran before it.

    Args:
        program: its name.
        options: name -> value, as of the command line.
        more: options that are passed on as they were typed.
        out: the run's folder.

    Returns:
        The result, with the command, the machine and the code's versions; of a training
        whose loss was no longer finite, "error" in the place of figures.

    Raises:
        ZooError: the training ended otherwise; its own line says why.
    """
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    run = RunFolder(out)
    if not run.result.is_file() and not _failed(run):
        resume = ["--resume"] if run.settings.is_file() else []
        command = [sys.executable, "-m", "zoo", "train", program, *words, *more]
        done = subprocess.run([*command, f"--out={out}", *resume], stdout=2)
        if done.returncode not in (0, 1):
            raise ZooError(
                f"the training in {out} ended with exit code {done.returncode}; the "
                f"same command goes on where it was"
            )
    start = run.read_starts()[-1]
    about = {"command": start["command"], "machine": start["machine"]}
    about["code"] = start["code"]
    if not run.result.is_file():
        return {**about, "error": start["ended"]}
    return {**read_hashed(run.result), **about, "error": ""}


def _failed(run: RunFolder) -> bool:
    """Whether the loss of the training was no longer finite."""
    if not run.starts.is_file():
        return False
    return run.read_starts()[-1]["ended"].startswith("TrainingFailed")


def write(table: Path, rows: Sequence[Row]) -> None:
    """Write rows as a CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(table, text.getvalue())


def spread(values: Sequence[float], digits: int) -> str:
    """The mean, and behind it the deviation where there are several."""
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{deviation}"
