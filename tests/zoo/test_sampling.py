"""Filters of the next character's probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.language_model.sampling import Sampling, probabilities

pytestmark = pytest.mark.once

CHANCES = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
LOGITS = np.log(CHANCES) + 3.0


def test_without_filters_it_is_the_softmax() -> None:
    np.testing.assert_allclose(probabilities(LOGITS), CHANCES, rtol=1e-12)


def test_temperature_is_a_power_of_the_probabilities() -> None:
    expected = CHANCES**2 / (CHANCES**2).sum()
    np.testing.assert_allclose(probabilities(LOGITS, 0.5), expected, rtol=1e-12)


def test_temperature_zero_takes_the_most_probable() -> None:
    np.testing.assert_array_equal(probabilities(LOGITS, 0.0), [0, 1, 0, 0, 0])


def test_top_k_keeps_the_k_most_probable() -> None:
    found = probabilities(LOGITS, top_k=2)
    np.testing.assert_allclose(found, [0, 4 / 7, 0, 3 / 7, 0], rtol=1e-12)
    np.testing.assert_allclose(probabilities(LOGITS, top_k=99), CHANCES, rtol=1e-12)


def test_top_k_with_equal_characters_keeps_k_of_them() -> None:
    np.testing.assert_array_equal(probabilities(np.zeros(4), top_k=2), [0.5, 0.5, 0, 0])


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (0.01, [1]),
        (0.39, [1]),
        (0.5, [1, 3]),
        (0.84, [1, 3, 4]),
        (1.0, [0, 1, 2, 3, 4]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, kept: list[int]) -> None:
    found = probabilities(LOGITS, top_p=top_p)
    assert np.flatnonzero(found).tolist() == kept
    assert found.sum() == pytest.approx(1.0)


def test_top_p_counts_within_top_k() -> None:
    # Of 0.4 and 0.3 the first holds 4/7 = 0.571 alone.
    assert np.flatnonzero(probabilities(LOGITS, top_k=2, top_p=0.57)).tolist() == [1]
    assert np.flatnonzero(probabilities(LOGITS, top_k=2, top_p=0.58)).tolist() == [1, 3]


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
    ],
)
def test_settings_without_a_meaning_are_refused(setting: dict[str, float]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(ZooError, match=f"{name}={value}; expected "):
        Sampling(**setting)  # type: ignore[arg-type]
