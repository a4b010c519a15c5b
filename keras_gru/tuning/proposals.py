"""What to try next: a function of the settings, the space and the trials so far.

For every proposal keras-tuner's oracle is made anew from the records, and its random
numbers come from the sweep's seed and the number of the trial. So a sweep that was
killed proposes what it would have proposed; random and grid do so with any number of
workers, Hyperband and Bayesian optimisation where the trials end in the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import keras_tuner

from keras_gru.tuning.keras_tuner_private import restored
from keras_gru.tuning.records import EPOCHS, SEED, Record, trial_id, trial_seed
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.spaces import Values, combinations, rounded


class Exhausted(Exception):
    """There is nothing left to try."""


def propose(
    settings: Settings,
    space: keras_tuner.HyperParameters,
    number: int,
    records: Iterable[Record],
) -> Values | None:
    """The values of trial `number`.

    Args:
        settings: of the sweep.
        space: all hyperparameters.
        number: of the trial; one that has no record yet.
        records: of all other trials.

    Returns:
        Hyperparameter -> value, with `SEED` and, where the sweep or Hyperband gives
        them, `EPOCHS`; or None: wait until a running trial ends.

    Raises:
        Exhausted: there is nothing left to try.
    """
    if settings.tuner == "grid":
        found = next(itertools.islice(combinations(space), number, None), None)
        if found is None:
            raise Exhausted
    else:
        oracle = restored(settings, space, number, records)
        response = oracle.populate_space(trial_id(number))
        if response["status"] == "IDLE":
            return None
        if response["status"] == "STOPPED":
            raise Exhausted
        found = response["values"]
    values = {name: rounded(value) for name, value in found.items()}
    if settings.epochs is not None:
        values.setdefault(EPOCHS, settings.epochs)
    values[SEED] = trial_seed(settings.seed, number)
    return values
