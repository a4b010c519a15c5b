"""Random configurations, masks and numbers: the layer is the oracle's function."""

from __future__ import annotations

import dataclasses
import os

import hypothesis.extra.numpy as arrays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_gru.native import library
from tests import both
from tests.cases import CONVENTIONS, MATHS, SHAPES, Case, numbers
from tests.passes import check

# stateful: one case of its own suffices, since every call here gives the state.
_FREE = sorted(
    set(MATHS) - {"units", "update_gate", "reset_after", "stateful", "dropout"}
    - {"recurrent_dropout"}
)  # fmt: skip
# What the kernels that run both directions in one call have not.
_NOT_OF_BOTH = {"layer_normalization", "learn_initial_state", "zoneout"}


@st.composite
def cases_and_numbers(draw, training=False, names=_FREE):
    """A case with any combination of the options, and its numbers."""
    extra = {name: draw(st.sampled_from(MATHS[name]), label=name) for name in names}
    if training:
        extra["dropout"] = draw(st.sampled_from([0.0, 0.25, 0.5]))
        extra["recurrent_dropout"] = draw(st.sampled_from([0.25, 0.5]))
    # A row of one unit is normalised to a constant, whose gradient is all rounding.
    least = 2 if extra.get("layer_normalization") else 1
    shapes = [shape for shape in SHAPES if shape[3] >= least]
    case = Case(
        draw(st.sampled_from(sorted(CONVENTIONS)), label="convention"),
        shape=draw(st.sampled_from(shapes), label="shape"),
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


@st.composite
def both_directions(draw):
    """A forward and a backward case, their numbers, and how they are merged."""
    dropout = draw(st.booleans(), label="dropout")
    names = sorted({*_FREE} - _NOT_OF_BOTH)
    ahead, given = draw(cases_and_numbers(dropout, names))
    convention = draw(st.sampled_from(sorted(CONVENTIONS)), label="backward convention")
    back = dataclasses.replace(ahead, convention=convention)
    numbers_of_back = numbers(back, draw(st.integers(0, 10_000), label="seed"))
    merge_mode = draw(st.sampled_from(both.MERGE_MODES), label="merge_mode")
    return (ahead, back), (given, numbers_of_back), merge_mode


# KERAS_GRU_EXAMPLES=500 in the environment tries as many.
@settings(max_examples=int(os.environ.get("KERAS_GRU_EXAMPLES", "30")))
@given(both_directions())
def test_both_directions(drawn):
    """Masks, resets, dropouts and conventions together."""
    cases, numbers_, merge_mode = drawn
    # unroll=True is for the other kernels.
    native = library.missing() is None and not cases[0].maths["unroll"]
    both.check(cases, "float64", numbers_, merge_mode, native)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_drawn_cases_reach_every_argument(dtype):
    """`_FREE` may not lose an argument in silence."""
    fixed = {"units", "update_gate", "reset_after", "stateful"}
    assert set(_FREE) | fixed | {"dropout", "recurrent_dropout"} == set(MATHS)
