"""What keras-tuner does not offer in public is where `keras_tuner_private` looks."""

from __future__ import annotations

import inspect
import re

import keras_tuner
import pytest
from keras_tuner.src.engine import tuner_utils

from keras_gru.tuning import keras_tuner_private
from tests.tuning.models import settings

pytestmark = pytest.mark.once

# Attribute -> the tuner whose oracle has it.
PRIVATE = {
    "_brackets": "hyperband",
    "_compute_values_hash": "random",
    "_get_size": "hyperband",
    "_increment_bracket_num": "hyperband",
    "_random_state": "bayesian",
    "_seed_state": "random",
    "_start_new_bracket": "hyperband",
    "_tried_so_far": "random",
    "_vectorize_trials": "bayesian",
}


@pytest.mark.parametrize("name", PRIVATE)
def test_keras_tuner_has_it(name: str) -> None:
    oracle = keras_tuner_private.new_oracle(settings(PRIVATE[name]))
    base = next(c for c in type(oracle).__mro__ if c.__module__.startswith("keras_tun"))
    assert name in {*vars(oracle), *dir(base)}, (
        f"keras-tuner {keras_tuner.__version__} has moved {name}"
    )


def test_the_list_is_whole() -> None:
    source = inspect.getsource(keras_tuner_private)
    used = set(re.findall(r"(?:self|oracle|super\(\))\.(_[a-z]\w+)", source))
    own = {"_round_of"}
    assert used - own == set(PRIVATE)


def test_the_functions_are_there() -> None:
    assert callable(tuner_utils.validate_trial_results)
    assert callable(tuner_utils.convert_to_metrics_dict)
