"""What to try next: keras-tuner's oracles as functions of the trials so far.

keras-tuner keeps the state of an oracle in the process and in ``oracle.json``, and not
all of it: the order of a grid and the generator of the Gaussian process are lost when
it reopens. Here an oracle is made anew from the records for every proposal, and its
random numbers come from the sweep's seed and the number of the trial. So a sweep that
was killed proposes what it would have proposed; random and grid do so with any number
of workers, Hyperband and Bayesian optimisation where the trials end in the same order.
"""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras_tuner
import numpy as np

from keras_gru.tuning.records import (
    COMPLETED,
    EPOCHS,
    OWN,
    RUNNING,
    SEED,
    Record,
    trial_id,
    trial_seed,
)
from keras_gru.tuning.settings import Settings

PARENT = "tuner/trial_id"

Values = dict[str, Any]


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
        response = _oracle(settings, space, number, records).populate_space(
            trial_id(number)
        )
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


def rounded(value: Any) -> Any:
    """A float with six digits: keras-tuner's protocol sends no more than seven.

    Example:
        >>> rounded(0.0012345678), rounded("haiku"), rounded(0.1 + 0.2)
        (0.00123457, 'haiku', 0.3)
    """
    return float(f"{value:.6g}") if isinstance(value, float) else value


def with_values(
    space: keras_tuner.HyperParameters, values: Mapping[str, Any]
) -> keras_tuner.HyperParameters:
    """The space with values of its own; the hyperparameters themselves are shared."""
    hp = copy.copy(space)
    hp.values = dict(values)
    return hp


def _oracle(
    settings: Settings,
    space: keras_tuner.HyperParameters,
    number: int,
    records: Iterable[Record],
) -> Any:
    """An oracle that knows the trials and draws from the seed of trial `number`."""
    oracle = _MAKERS[settings.tuner](settings)
    oracle.hyperparameters = space
    known = sorted(records, key=lambda record: record.number)
    for record in known:
        _add(oracle, space, record)
    if isinstance(oracle, _Hyperband):
        oracle.rebuild(known)
    oracle._seed_state = trial_seed(settings.seed, number)
    oracle._random_state = np.random.RandomState(trial_seed(settings.seed, number))
    return oracle


def _add(oracle: Any, space: keras_tuner.HyperParameters, record: Record) -> None:
    """Tell an oracle of a trial."""
    trial = keras_tuner.engine.trial.Trial(
        with_values(space, record.values), record.trial_id, record.status
    )
    trial.score = record.metric
    oracle.trials[record.trial_id] = trial
    oracle.start_order.append(record.trial_id)
    oracle._tried_so_far.add(oracle._compute_values_hash(record.values))
    # Also those that wait for a worker: the oracle must not wait for what never ends,
    # and a Gaussian process must know of them.
    if record.status == RUNNING:
        oracle.ongoing_trials[record.trial_id] = trial


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
    def populate_space(self, trial_id: str) -> dict[str, Any]:
        with warnings.catch_warnings():
            # scikit-learn's remarks on its own fit are nothing that a user could mend.
            warnings.simplefilter("ignore")
            return dict(super().populate_space(trial_id))

    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]

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
            if parent is None:
                self._place_first_round(record.trial_id)
            else:
                self._place_promoted(record.trial_id, str(parent))

    def _place_first_round(self, name: str) -> None:
        for bracket in self._brackets:
            size = self._get_size(bracket["bracket_num"], round_num=0)
            if len(bracket["rounds"][0]) < size:
                break
        else:
            self._increment_bracket_num()
            self._start_new_bracket()
            bracket = self._brackets[-1]
        bracket["rounds"][0].append({"past_id": None, "id": name})

    def _place_promoted(self, name: str, parent: str) -> None:
        for bracket in self._brackets:
            # The parent of a promoted trial is in a round before the last one.
            for before, after in zip(
                bracket["rounds"], bracket["rounds"][1:], strict=False
            ):
                if any(info["id"] == parent for info in before):
                    after.append({"past_id": parent, "id": name})
                    return


def combinations(
    space: keras_tuner.HyperParameters, chosen: Values | None = None, place: int = 0
) -> Iterator[Values]:
    """Every combination of the space; the last hyperparameter changes fastest.

    The default of a hyperparameter comes first, then its other values in their order;
    of a range without steps there are ten. keras-tuner draws the value of a
    hyperparameter that becomes active on the way; here it is gone through as well.

    Example:
        >>> space = keras_tuner.HyperParameters()
        >>> _ = space.Int("layers", 1, 2), space.Choice("units", [8, 16], default=16)
        >>> [tuple(values.values()) for values in combinations(space)]
        [(1, 16), (1, 8), (2, 16), (2, 8)]
    """
    chosen = chosen or {}
    if place == len(space.space):
        yield dict(chosen)
        return
    hp = space.space[place]
    if not with_values(space, chosen).is_active(hp):
        yield from combinations(space, chosen, place + 1)
        return
    values = list(hp.values)
    if all(isinstance(value, (int, float)) for value in values):
        values.sort()
    for value in [hp.default, *(value for value in values if value != hp.default)]:
        yield from combinations(space, {**chosen, hp.name: value}, place + 1)


def _objective(settings: Settings) -> keras_tuner.Objective:
    return keras_tuner.Objective(settings.objective, settings.direction)


def _bayesian(settings: Settings) -> keras_tuner.Oracle:
    return _Bayesian(
        _objective(settings),
        max_trials=settings.trials,
        # keras-tuner's three a dimension would leave nothing to a short sweep.
        num_initial_points=max(2, settings.trials // 3),
        seed=settings.seed + 1,  # 0 would mean: any
    )


_MAKERS: dict[str, Callable[[Settings], Any]] = {
    "random": lambda settings: _Random(
        _objective(settings), max_trials=settings.trials, seed=settings.seed + 1
    ),
    "bayesian": _bayesian,
    "hyperband": lambda settings: _Hyperband(
        _objective(settings),
        max_epochs=settings.epochs,
        hyperband_iterations=0,  # no end but the number of trials
        seed=settings.seed + 1,
    ),
}
