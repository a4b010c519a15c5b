"""Run a trial of a sweep again, alone: to have its model, or to train it in full.

With the trial's own epochs it gives the trial's own metric.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_gru.tuning import payload, settings
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import EPOCHS, Record
from keras_gru.tuning.spaces import explore
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
    """Run a trial again in this process, by default the best one."""
    sweep = settings.read(folder)
    record = _find(Ledger(folder, sweep), trial_id)
    hypermodel, fit = payload.load(folder, trust=trust)
    if epochs is not None:
        record = replace(record, values={**record.values, EPOCHS: epochs})
    unlimited, space = replace(sweep, max_parameters=None), explore(hypermodel)
    end = run_trial(hypermodel, unlimited, space, record, out, fit, alone=True)
    names = ("trial_id", "metrics", "epochs", "seconds")
    return {name: getattr(end, name) for name in names}


def _find(book: Ledger, trial_id: str | None) -> Record:
    known = {record.trial_id: record for record in book.trials}
    found = book.best if trial_id is None else known.get(trial_id)
    if found is None:
        wanted = trial_id or "that was completed"
        raise SweepError(
            f"{book.folder} has no trial {wanted}; there are: {', '.join(known)}"
        )
    return found


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
    try:
        if INSIDE not in os.environ:
            # Keras has its backend already, and the backend its threads.
            environment = {**os.environ, **settings.environment(given.sweep)}
            command = [sys.executable, "-m", "keras_gru.tuning.again", *sys.argv[1:]]
            os.execve(sys.executable, command, {**environment, INSIDE: "1"})
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
