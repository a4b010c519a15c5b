"""Run a trial of a sweep again, alone: to have its model, or to train it in full.

``python -m keras_gru.tuning.again SWEEP --out FOLDER [--trial ID] [--epochs E]`` takes
the best trial by default. With the trial's own epochs it gives the trial's own metric.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_gru.tuning import payload, records, settings
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.records import EPOCHS, Record
from keras_gru.tuning.spaces import explore
from keras_gru.tuning.sweep import ENVIRONMENT
from keras_gru.tuning.trials import run_trial

INSIDE = "KERAS_GRU_AGAIN"  # set in the process that has the sweep's environment


def again(
    folder: Path,
    out: Path,
    trial_id: str | None = None,
    epochs: int | None = None,
    *,
    trust: bool = False,
) -> dict[str, Any]:
    """Run a trial again in this process.

    Args:
        folder: of the sweep.
        out: where the model and what else the trial leaves go.
        trial_id: of the trial; None: the best one.
        epochs: in place of the trial's own.
        trust: run the code in the folder whoever has written it.

    Returns:
        Trial, metrics, epochs and seconds.

    Raises:
        SweepError: there is no such sweep or trial, or its code is not this user's.
    """
    sweep = settings.read(folder)
    record = _find(folder, sweep, trial_id)
    hypermodel, fit = payload.load(folder, trust=trust)
    if epochs is not None:
        record = replace(record, values={**record.values, EPOCHS: epochs})
    space = explore(hypermodel)
    end = run_trial(
        hypermodel,
        replace(sweep, max_parameters=None),
        space,
        record,
        out,
        fit,
        alone=True,
    )
    names = ("trial_id", "metrics", "epochs", "seconds")
    return {name: getattr(end, name) for name in names}


def _find(folder: Path, sweep: settings.Settings, trial_id: str | None) -> Record:
    found = records.read_all(folder, sweep.seed)
    if trial_id is None:
        best = records.best(found.values(), sweep.direction)
        if best is None:
            raise SweepError(f"no trial of {folder} was completed")
        return best
    if not trial_id.isdecimal() or int(trial_id) not in found:
        raise SweepError(
            f"trial {trial_id!r} is not in {folder}: expected one of "
            f"{', '.join(record.trial_id for record in found.values())}"
        )
    return found[int(trial_id)]


def main(arguments: list[str] | None = None) -> int:
    """Run a trial again in the environment of its sweep, and print what it gave."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_gru.tuning.again",
        description="Run a trial of a sweep again, alone.",
    )
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--trial", help="its id  [default: the best]")
    parser.add_argument("--epochs", type=int, help="[default: the trial's own]")
    parser.add_argument(
        "--trust", action="store_true", help="run its code whoever has written it"
    )
    given = parser.parse_args(arguments)
    path = given.sweep / ENVIRONMENT
    if INSIDE not in os.environ and path.is_file():
        # Keras has its backend already, and the backend its threads.
        try:
            environment = {**json.loads(path.read_text(encoding="utf-8"))}
        except (ValueError, TypeError) as error:
            print(f"sweep: {path} is damaged: {one_line(error)}", file=sys.stderr)
            return 2
        words = sys.argv[1:] if arguments is None else arguments
        command = [sys.executable, "-m", "keras_gru.tuning.again", *words]
        return subprocess.run(
            command, env={**os.environ, **environment, INSIDE: "1"}, check=False
        ).returncode
    try:
        end = again(
            given.sweep, given.out, given.trial, given.epochs, trust=given.trust
        )
    except SweepError as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    print(json.dumps(end))
    return 0


if __name__ == "__main__":
    sys.exit(main())
