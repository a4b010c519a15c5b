"""A process that runs trials, one after the other, as the supervisor tells it.

It stays for many trials, because TensorFlow and Keras take seconds to start. It reads
the names of trials from its standard input, runs what their records say, writes what
came of it into them, and answers on its standard output, a JSON object a line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from keras_gru.tuning import payload, records, settings
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.spaces import explore
from keras_gru.tuning.trials import failed, run_trial


def work(folder: Path, digest: str, orders: TextIO, answers: TextIO) -> None:
    """Run trials until the orders end."""

    def answer(**said: Any) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    try:
        sweep = settings.read(folder)
        hypermodel, fit = payload.load(folder, digest=digest)
        space = explore(hypermodel)
    except SweepError as error:
        answer(wrong=one_line(error))
        return
    answer(space=space.get_config())
    for order in orders:
        place = records.path(folder, int(order))
        record = records.read(place)
        print(f"trial {record.trial_id}: {record.values}", flush=True)
        begun = time.perf_counter()
        try:
            end = run_trial(hypermodel, sweep, space, record, place.parent, fit)
        # SystemExit too: what the user's code does ends its trial, not the sweep.
        except (Exception, SystemExit) as error:
            end = failed(record, error, time.perf_counter() - begun)
        print(f"trial {record.trial_id}: {end}", flush=True)
        records.write(folder, end)
        answer(ended=record.trial_id)


def main(folder: str, digest: str) -> None:
    """Work for the supervisor that started the process."""
    # Pipes of its own, which nothing inherits that a trial starts; what a trial prints
    # goes to the log.
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    work(Path(folder), digest, orders, answers)
    sys.stdout.flush()
    os._exit(0)  # threads that a trial has left would keep it


if __name__ == "__main__":
    main(*sys.argv[1:])
