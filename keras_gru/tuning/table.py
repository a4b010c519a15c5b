"""``trials.csv`` and ``best.json``, written anew at every change."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_gru.files import write_text
from keras_gru.tuning.records import RUNNING, Record
from keras_gru.tuning.settings import Settings

COLUMNS = ("trial_id", "status", "metric", "epochs", "seconds", "seed", "parameters")
INTERRUPTED = "INTERRUPTED"  # what a running trial is called when the sweep has ended


def row(record: Record, names: Sequence[str], *, over: bool) -> list[Any]:
    """What a trial has in each of `COLUMNS`, and the values of the hyperparameters."""
    parameters = record.metrics.get("parameters")
    found = [
        record.trial_id,
        INTERRUPTED if over and record.status == RUNNING else record.status,
        record.metric,
        record.epochs,
        record.seconds,
        record.seed,
        None if parameters is None else int(parameters),
        *(record.values.get(name) for name in names),
    ]
    return ["" if cell is None else cell for cell in found]


def trials_csv(
    path: Path, found: Sequence[Record], names: Sequence[str], *, over: bool
) -> None:
    """Write one row a trial, failed and unfinished ones too.

    Args:
        path: of the table.
        found: the trials.
        names: of the hyperparameters, a column each, after `COLUMNS`.
        over: no trial runs any more.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *names])
    writer.writerows(row(record, names, over=over) for record in found)
    write_text(path, text.getvalue())


def best_json(path: Path, best: Record, settings: Settings, model: str | None) -> None:
    """Write what is needed to have the best trial again.

    Args:
        path: of the file; its folder is the sweep's.
        best: the trial.
        settings: of the sweep.
        model: the saved model below the sweep's folder, if there is one.
    """
    content = {
        "trial_id": best.trial_id,
        "objective": settings.objective,
        "direction": settings.direction,
        "metric": best.metric,
        "metrics": best.metrics,
        "epochs": best.epochs,
        "seconds": best.seconds,
        "seed": best.seed,
        "values": best.hyperparameters,
        "model": model,
        "command": in_full(path.parent),
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def in_full(folder: Path) -> str:
    """The command that trains the best model again, for as long as one likes."""
    quoted = shlex.quote(str(folder))
    return f"python -m keras_gru.tuning.again {quoted} --epochs EPOCHS --out FOLDER"
