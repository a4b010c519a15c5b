"""Random configurations, masks and numbers: the layer is the oracle's function."""

from __future__ import annotations

import dataclasses

import hypothesis.extra.numpy as arrays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import CONVENTIONS, MATHS, SHAPES, Case, numbers
from tests.passes import check

# stateful: one case of its own suffices, since every call here gives the state.
_FREE = sorted(
    set(MATHS) - {"units", "update_gate", "reset_after", "stateful", "dropout"}
    - {"recurrent_dropout"}
)  # fmt: skip


@st.composite
def cases_and_numbers(draw, training=False):
    """A case with any combination of the options, and its numbers."""
    extra = {name: draw(st.sampled_from(MATHS[name]), label=name) for name in _FREE}
    if training:
        extra["dropout"] = draw(st.sampled_from([0.0, 0.25, 0.5]))
        extra["recurrent_dropout"] = draw(st.sampled_from([0.25, 0.5]))
    case = Case(
        draw(st.sampled_from(sorted(CONVENTIONS)), label="convention"),
        shape=draw(st.sampled_from(SHAPES), label="shape"),
        extra=tuple(extra.items()),
    )
    drawn = numbers(case, draw(st.integers(0, 10_000), label="seed"))
    batch, timesteps = case.shape[:2]
    masks = st.one_of(
        st.none(),
        _padding(batch, timesteps, right=True),
        _padding(batch, timesteps, right=False),
        arrays.arrays(bool, (batch, timesteps)),
    )
    resets = st.one_of(st.none(), arrays.arrays(bool, (batch, timesteps)))
    return case, dataclasses.replace(
        drawn,
        mask=draw(masks, label="mask"),
        resets=draw(resets, label="resets"),
    )


def _padding(batch, timesteps, right):
    """(batch, time) masks of sequences of any length, 0 included."""

    def mask(lengths):
        positions = range(timesteps) if right else range(timesteps)[::-1]
        return _array([[position < n for position in positions] for n in lengths])

    lengths = st.lists(st.integers(0, timesteps), min_size=batch, max_size=batch)
    return lengths.map(mask)


def _array(rows):
    import numpy as np

    return np.array(rows, bool)


@settings(max_examples=40)
@given(cases_and_numbers())
def test_float64(drawn):
    case, numbers_ = drawn
    check(case, "float64", given=numbers_)


@settings(max_examples=25)
@given(cases_and_numbers())
def test_float32(drawn):
    case, numbers_ = drawn
    check(case, "float32", given=numbers_)


@settings(max_examples=25)
@given(cases_and_numbers(training=True))
def test_with_dropout(drawn):
    case, numbers_ = drawn
    check(case, "float64", given=numbers_)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_drawn_cases_reach_every_argument(dtype):
    """`_FREE` may not lose an argument in silence."""
    fixed = {"units", "update_gate", "reset_after", "stateful"}
    assert set(_FREE) | fixed | {"dropout", "recurrent_dropout"} == set(MATHS)
