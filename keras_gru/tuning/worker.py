"""A process that runs trials until the chief has none left."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_tuner

from keras_gru.tuning import payload, settings
from keras_gru.tuning.connection import Connection
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.names import WRONG
from keras_gru.tuning.proposals import with_values
from keras_gru.tuning.trials import explore, failure, run_trial


def work(
    hypermodel: Any,
    objective: keras_tuner.Objective,
    connection: Connection,
    folder: Path,
    fit: Mapping[str, Any],
) -> int:
    """Run trials until there is none left.

    Args:
        hypermodel: a `keras_tuner.HyperModel`.
        objective: what is to be the best.
        connection: to the chief.
        folder: of the sweep; each trial has a folder below it.
        fit: keyword arguments of the hypermodel's `fit`.

    Returns:
        How many it ran.

    Raises:
        SweepError: the model cannot be built at all, or the chief is gone.
    """
    space = explore(hypermodel)
    connection.declare(space)
    done = 0
    while (given := connection.next()) is not None:
        trial_id, values = given
        print(f"trial {trial_id}: {values}", flush=True)
        begun = time.perf_counter()
        hp = with_values(space, values)
        try:
            report = run_trial(
                hypermodel, objective, hp, trial_id, folder / "trials" / trial_id, fit
            )
            failed = False
        # SystemExit too: what the user's code does ends its trial, not the sweep.
        except (Exception, SystemExit) as error:
            report, failed = failure(error, time.perf_counter() - begun), True
        print(f"trial {trial_id}: {report}", flush=True)
        connection.finish(trial_id, report, failed=failed)
        done += 1
    return done


def main(arguments: list[str] | None = None) -> int:
    """Work for the supervisor that started the process, and end with it."""
    parser = argparse.ArgumentParser(prog="keras_gru.tuning.worker")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--id", required=True)
    given = parser.parse_args(arguments)
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    try:
        sweep = settings.read(given.folder)
        hypermodel, fit = payload.load(given.folder)
        work(
            hypermodel,
            keras_tuner.Objective(sweep.objective, sweep.direction),
            Connection(given.address, given.id),
            given.folder,
            fit,
        )
    except SweepError as error:
        print(f"sweep: {one_line(error)}", file=sys.stderr, flush=True)
        return WRONG
    return 0


def _end_with_the_supervisor() -> None:
    """The supervisor holds the other end of the standard input."""
    # Not sys.stdin: its lock would be in the way of the interpreter's own end.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
