"""What a sweep needs of keras-tuner and keras-tuner does not offer in public.

keras-tuner keeps the state of an oracle in the process, and not all of it on the disk.
`restored` puts an oracle into the state that a list of trials has led to.
`tests/tuning/test_keras_tuner_private.py` names every private attribute that is used
here, so that a keras-tuner that has moved one is found at once.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner import HyperParameters
from keras_tuner.src.engine import tuner_utils

from keras_gru.tuning.records import COMPLETED, OWN, RUNNING, Record, trial_seed
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.spaces import rounded, with_values

PARENT = "tuner/trial_id"  # among the values of a trial that Hyperband promoted


def metrics_of(results: Any, objective: keras_tuner.Objective) -> dict[str, float]:
    """The metrics in what `HyperModel.fit` has returned, at the best epoch."""
    tuner_utils.validate_trial_results(results, objective, "HyperModel.fit()")
    return dict(tuner_utils.convert_to_metrics_dict(results, objective))


def restored(
    settings: Settings,
    space: HyperParameters,
    number: int,
    records: Iterable[Record],
) -> keras_tuner.Oracle:
    """An oracle that knows the trials and draws from the seed of trial `number`."""
    oracle = new_oracle(settings)
    oracle.hyperparameters = space
    known = sorted(records, key=lambda record: record.number)
    for record in known:
        add(oracle, space, record)
    if isinstance(oracle, _Hyperband):
        oracle.rebuild(known)
    # Not the constructor's seed: that is one for all trials.
    oracle._seed_state = trial_seed(settings.seed, number)
    oracle._random_state = np.random.RandomState(trial_seed(settings.seed, number))
    return oracle


def add(oracle: Any, space: HyperParameters, record: Record) -> None:
    """Tell an oracle of a trial."""
    trial = keras_tuner.engine.trial.Trial(
        with_values(space, record.values), record.trial_id, record.status
    )
    trial.score = record.metric
    oracle.trials[record.trial_id] = trial
    oracle.start_order.append(record.trial_id)
    # `create_trial` does this, and would draw values.
    oracle._tried_so_far.add(oracle._compute_values_hash(record.values))
    # Also those that wait for a worker: the oracle must not wait for what never ends,
    # and a Gaussian process must know of them.
    if record.status == RUNNING:
        oracle.ongoing_trials[record.trial_id] = trial


def new_oracle(settings: Settings) -> Any:
    """The oracle of a sweep's tuner, without trials."""
    common: dict[str, Any] = {
        "objective": keras_tuner.Objective(settings.objective, settings.direction),
        "seed": settings.seed + 1,  # 0 would mean: any
    }
    if settings.tuner == "random":
        return _Random(max_trials=settings.trials, **common)
    if settings.tuner == "hyperband":
        # No end but the number of trials.
        return _Hyperband(max_epochs=settings.epochs, hyperband_iterations=0, **common)
    # keras-tuner's three a dimension would leave nothing to a short sweep.
    first = max(2, settings.trials // 3)
    return _Bayesian(max_trials=settings.trials, num_initial_points=first, **common)


class _Searched:
    """Tells values that were tried by what is searched, as it is recorded."""

    def _compute_values_hash(self, values: Mapping[str, Any]) -> str:
        searched = {
            name: rounded(value)
            for name, value in values.items()
            if not name.startswith(OWN)
        }
        return str(super()._compute_values_hash(searched))  # type: ignore[misc]


class _Random(_Searched, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_Searched, keras_tuner.oracles.BayesianOptimizationOracle):
    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        with warnings.catch_warnings():
            # scikit-learn's remarks on its own fit are nothing that a user could mend.
            warnings.simplefilter("ignore")
            return dict(super().populate_space(trial_id))

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the running trials by a fit to those that are complete.

        keras-tuner takes whatever was fitted at the proposal before, in this process.
        """
        running, self.ongoing_trials = self.ongoing_trials, {}
        everything = self.trials
        self.trials = {
            name: trial
            for name, trial in everything.items()
            if trial.status == COMPLETED
        }
        x, y = super()._vectorize_trials()
        self.trials, self.ongoing_trials = everything, running
        if running:
            self.gpr.fit(x, y)
            x, y = super()._vectorize_trials()
        return x, y


class _Hyperband(_Searched, keras_tuner.oracles.HyperbandOracle):
    def rebuild(self, records: Iterable[Record]) -> None:
        """Put the trials back into the brackets that they were proposed for."""
        for record in records:
            parent = record.values.get(PARENT)
            info = {"past_id": parent, "id": record.trial_id}
            self._round_of(parent).append(info)

    def _round_of(self, parent: str | None) -> list[dict[str, Any]]:
        """A first round that has room, or the round after that of the parent."""
        for bracket in self._brackets:
            rounds = bracket["rounds"]
            size = self._get_size(bracket["bracket_num"], round_num=0)
            if parent is None and len(rounds[0]) < size:
                return rounds[0]
            for before, after in itertools.pairwise(rounds):
                if any(info["id"] == parent for info in before):
                    return after
        if parent is not None:
            return []  # its record was damaged
        self._increment_bracket_num()
        self._start_new_bracket()
        return self._brackets[-1]["rounds"][0]
