"""A process that runs trials, one after the other, as the supervisor tells it.

It stays for many trials, because TensorFlow and Keras take seconds to start. It reads
a trial's name from one pipe, runs what the trial's record says, writes
``trials/ID/result.json``, and answers on another pipe, each a JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import keras_tuner

from keras_gru.files import write_json
from keras_gru.tuning import payload, records, settings
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.proposals import with_values
from keras_gru.tuning.records import RESULT
from keras_gru.tuning.stopping import MedianStopping
from keras_gru.tuning.trials import explore, failure, run_trial


def work(folder: Path, digest: str, orders: TextIO, answers: TextIO) -> None:
    """Run trials until the orders end.

    Args:
        folder: of the sweep.
        digest: of the hypermodel's pickle, as the supervisor has written it.
        orders: names of trials, one a line.
        answers: the space, then each trial that has ended; or what is wrong.
    """

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
    objective = keras_tuner.Objective(sweep.objective, sweep.direction)
    for order in orders:
        trial_id = order.strip()
        place = folder / "trials" / trial_id
        record = records.read(place / "trial.json")
        print(f"trial {trial_id}: {record.values}", flush=True)
        begun = time.perf_counter()
        hp = with_values(space, record.values)
        stopping = [MedianStopping(place, objective)] if sweep.stopping else []
        try:
            report = run_trial(
                hypermodel,
                objective,
                hp,
                trial_id,
                place,
                fit,
                max_parameters=sweep.max_parameters,
                callbacks=stopping,
            )
            failed = False
        # SystemExit too: what the user's code does ends its trial, not the sweep.
        except (Exception, SystemExit) as error:
            report, failed = failure(error, time.perf_counter() - begun), True
        print(f"trial {trial_id}: {report}", flush=True)
        result = {"start": record.starts, "failed": failed, **asdict(report)}
        write_json(place / RESULT, result)
        answer(ended=trial_id)


def main(arguments: list[str] | None = None) -> None:
    """Work for the supervisor that started the process."""
    parser = argparse.ArgumentParser(prog="keras_gru.tuning.worker")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--digest", required=True)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--answers", type=int, required=True)
    given = parser.parse_args(arguments)
    for descriptor in (given.orders, given.answers):
        os.set_inheritable(descriptor, False)  # not for what a trial starts
    with os.fdopen(given.orders) as orders, os.fdopen(given.answers, "w") as answers:
        work(given.folder, given.digest, orders, answers)
    sys.stdout.flush()
    os._exit(0)  # threads that a trial has left would keep it


if __name__ == "__main__":
    main()
