"""What is tried next depends on the settings and the trials so far, on nothing else."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

from keras_gru.tuning import keras_tuner_private, records
from keras_gru.tuning.keras_tuner_private import PARENT
from keras_gru.tuning.proposals import propose
from keras_gru.tuning.records import COMPLETED, EPOCHS, FAILED, SEED, Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.spaces import combinations, rounded
from tests.tuning.models import Parabola, height, settings, space_of

pytestmark = pytest.mark.once

TUNERS = ("hyperband", "bayesian", "random", "grid")

SPACE = space_of(Parabola())


def _sweep(sweep: Settings, space: Any = SPACE) -> list[Record]:
    """A sweep by one worker, each trial with a new start of everything."""
    found: list[Record] = []
    for number in range(sweep.trials):
        values = propose(sweep, space, number, found)
        if values is None:
            break
        score = height(values)
        found.append(
            Record(number, values, COMPLETED, order=number + 1, metric=score, starts=1)
        )
    return found


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_sweep_is_a_function_of_its_seed(tuner: str) -> None:
    first = _sweep(settings(tuner))
    assert len(first) == 8
    assert _sweep(settings(tuner)) == first
    assert [record.seed for record in first] == [
        records.trial_seed(3, number) for number in range(8)
    ]
    if tuner != "grid":  # a grid has no chance in it
        other = _sweep(settings(tuner, seed=4))
        assert [r.hyperparameters for r in other] != [r.hyperparameters for r in first]


@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_the_order_of_the_ends_does_not_matter(tuner: str) -> None:
    undisturbed = _sweep(settings(tuner))
    running = [Record(r.number, r.values) for r in undisturbed[:5]]
    assert propose(settings(tuner), SPACE, 5, running) == undisturbed[5].values


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_no_combination_is_tried_twice(tuner: str) -> None:
    space = keras_tuner.HyperParameters()
    space.Choice("x", [0.1, 0.2, 0.3])
    space.values = {}
    found = _sweep(settings(tuner, trials=9), space)
    first_rounds = [r for r in found if PARENT not in r.values]
    tried = [tuple(record.hyperparameters.values()) for record in first_rounds]
    if tuner != "bayesian":  # a Gaussian process may ask for a point again
        assert len(set(tried)) == len(tried) == 3


def test_bayesian_search_comes_closer_than_chance() -> None:
    bayesian = _sweep(settings("bayesian", trials=14))
    assert min(record.metric for record in bayesian[-4:]) < 1.0 + 0.01


def test_bayesian_search_with_running_trials() -> None:
    """keras-tuner gives a running trial that has no worker the score of another one."""
    found = _sweep(settings("bayesian", trials=6))
    waiting = [*found[:4], Record(4, found[4].values), Record(5, found[5].values)]
    sweep = settings("bayesian", trials=8)
    once = propose(sweep, SPACE, 6, waiting)
    assert once == propose(sweep, SPACE, 6, waiting)
    failed = [*found[:4], Record(4, found[4].values, FAILED, order=5)]
    assert propose(sweep, SPACE, 5, failed)


def test_hyperband_is_keras_tuners() -> None:
    """The rebuilt brackets are those of an oracle that lived through the sweep."""
    sweep = settings("hyperband", trials=40)
    rebuilt = _sweep(sweep)
    alive = keras_tuner_private.new_oracle(sweep)
    alive.hyperparameters = SPACE
    for record in rebuilt:
        alive._seed_state = records.trial_seed(sweep.seed, record.number)
        values = alive.populate_space(record.trial_id)["values"]
        expected = {name: rounded(value) for name, value in values.items()}
        assert {**expected, SEED: record.seed} == record.values
        keras_tuner_private.add(alive, SPACE, record)
    epochs = {record.values[EPOCHS] for record in rebuilt}
    assert epochs == {1, 3, 9}
    promoted = [r for r in rebuilt if PARENT in r.values]
    for record in promoted:
        parent = rebuilt[int(record.values[PARENT])]
        assert record.hyperparameters == parent.hyperparameters
        assert record.values[EPOCHS] > parent.values[EPOCHS]
    assert len(promoted) == 10


def test_hyperband_waits_for_a_round_or_begins_another_bracket() -> None:
    """With all of a round running there is no better one yet."""
    sweep = settings("hyperband", trials=40)
    found: list[Record] = []
    for number in range(20):
        values = propose(sweep, SPACE, number, found)
        assert values is not None
        assert PARENT not in values
        found.append(Record(number, values))


def test_a_grid_goes_through_every_combination() -> None:
    space = keras_tuner.HyperParameters()
    space.Choice("kind", ["plain", "gated"])
    with space.conditional_scope("kind", ["gated"]):
        space.Choice("units", [16, 8])
    space.Boolean("bias")
    space.values = {}
    found = list(combinations(space))
    assert found == [
        {"kind": "plain", "bias": False},
        {"kind": "plain", "bias": True},
        {"kind": "gated", "units": 16, "bias": False},
        {"kind": "gated", "units": 16, "bias": True},
        {"kind": "gated", "units": 8, "bias": False},
        {"kind": "gated", "units": 8, "bias": True},
    ]
    sweep = settings("grid", trials=100)
    for number, expected in enumerate(found):
        values = propose(sweep, space, number, [])
        assert values == {**expected, SEED: records.trial_seed(3, number)}
    assert propose(sweep, space, len(found), []) is None


def test_a_range_without_steps_has_ten_values_in_a_grid() -> None:
    space = keras_tuner.HyperParameters()
    space.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    space.values = {}
    rates = [values["rate"] for values in combinations(space)]
    assert rates[0] == 1e-3
    assert rates[1:] == sorted(rates[1:])
    assert len(set(rates)) == 11


def test_epochs_are_given_to_every_trial(tmp_path: Path) -> None:
    sweep = settings("random", epochs=5)
    values = propose(sweep, SPACE, 0, [])
    assert values is not None
    assert values[EPOCHS] == 5


def test_seeds_of_trials_differ() -> None:
    pairs = itertools.product(range(20), range(50))
    seeds = {records.trial_seed(seed, number) for seed, number in pairs}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
