"""``trials.csv`` and ``best.json``, written anew at every change."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_gru.files import write_text
from keras_gru.tuning.records import RUNNING, Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.space import Dimension

COLUMNS = ("trial_id", "status", "metric", "epochs", "seconds", "seed", "parameters")
INTERRUPTED = "INTERRUPTED"  # what a running trial is called when the sweep has ended


def trials_csv(
    path: Path,
    found: Iterable[Record],
    dimensions: Sequence[Dimension],
    *,
    over: bool,
) -> None:
    """Write one row a trial, failed and unfinished ones too.

    Args:
        path: of the table.
        found: the trials.
        dimensions: a column each, after `COLUMNS`.
        over: no trial runs any more.
    """
    names = [dimension.name for dimension in dimensions]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *names])
    for record in sorted(found, key=lambda record: record.number):
        writer.writerow(
            [
                record.trial_id,
                status(record, over=over),
                _cell(record.metric),
                _cell(record.epochs),
                _cell(record.seconds),
                record.seed,
                _whole(record.metrics.get("parameters")),
                *(_cell(record.values.get(name)) for name in names),
            ]
        )
    write_text(path, text.getvalue())


def status(record: Record, *, over: bool) -> str:
    """A trial's status for the reader."""
    return INTERRUPTED if over and record.status == RUNNING else record.status


def best_json(path: Path, best: Record, settings: Settings, model: str | None) -> None:
    """Write what is needed to have the best trial again.

    Args:
        path: of the file; its folder is the sweep's.
        best: the trial.
        settings: of the sweep.
        model: the saved model below the sweep's folder, if there is one.
    """
    content: Mapping[str, Any] = {
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


def _whole(value: float | None) -> int | str:
    return "" if value is None else int(value)


def _cell(value: Any) -> Any:
    return "" if value is None else value
