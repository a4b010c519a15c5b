"""What to try next: a function of the settings, the space and the trials so far.

For every proposal keras-tuner's oracle is made anew from the records, and its random
numbers come from the sweep's seed and the number of the trial. So a sweep that was
killed proposes what it would have proposed; random and grid do so with any number of
workers, Hyperband and Bayesian optimisation where the trials end in the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from keras_tuner import HyperParameters

from keras_gru.tuning.keras_tuner_private import restored
from keras_gru.tuning.records import EPOCHS, SEED, Record, trial_id, trial_seed
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.spaces import Values, combinations, rounded


def propose(
    settings: Settings,
    space: HyperParameters,
    number: int,
    records: Iterable[Record],
) -> Values | None:
    """The values of trial `number`, which has no record yet.

    Returns:
        Hyperparameter -> value, with `SEED` and, where the sweep or Hyperband gives
        them, `EPOCHS`; or None: there is nothing to try until a running trial ends,
        and nothing at all where none runs.
    """
    if settings.tuner == "grid":
        found = next(itertools.islice(combinations(space), number, None), None)
    else:
        oracle = restored(settings, space, number, records)
        # None where it waits for a running trial, or has nothing left to try.
        found = oracle.populate_space(trial_id(number)).get("values")
    if found is None:
        return None
    values = {name: rounded(value) for name, value in found.items()}
    if settings.epochs is not None:
        values.setdefault(EPOCHS, settings.epochs)
    values[SEED] = trial_seed(settings.seed, number)
    return values
