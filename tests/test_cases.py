"""The list of cases is complete: what is added to the code must be added to it."""

from __future__ import annotations

import dataclasses
import inspect
import itertools

import numpy as np
import pytest

import keras_gru
from keras_gru.kernels.contract import SequenceCall
from tests import cases, oracle, tolerances
from tests.cases import CASES, CONVENTIONS, MASKS, MATHS, NOT_MATHS, OPTIONS, SHAPES

pytestmark = pytest.mark.once


def test_every_variant_has_cases():
    assert set(keras_gru.VARIANTS) == set(cases.VARIANTS)


@pytest.mark.parametrize("name", cases.VARIANTS)
def test_every_variant_is_the_convention_of_its_source(name):
    assert dict(keras_gru.VARIANTS[name]) == CONVENTIONS[cases.VARIANTS[name]]


def test_every_convention_has_a_variant():
    assert set(cases.VARIANTS.values()) == set(CONVENTIONS)


def test_every_constructor_argument_is_accounted_for():
    parameters = set(inspect.signature(keras_gru.GRU).parameters)
    through_kwargs = {"zero_output_for_mask", "implementation"}
    assert parameters | through_kwargs == set(MATHS) | set(NOT_MATHS)
    assert not set(MATHS) & set(NOT_MATHS)


def test_the_defaults_of_the_list_are_the_defaults_of_the_layer():
    parameters = inspect.signature(keras_gru.GRU).parameters
    for name in set(MATHS) & set(parameters) - {"units", "return_sequences"}:
        assert MATHS[name][0] == parameters[name].default, name


def test_every_fact_a_kernel_is_told_comes_from_a_case_or_the_machine():
    """A field added to the contract must be thought about here."""
    from_cases = {"features", "batch", "timesteps", "dropout_masks", "masked"}
    from_cases |= {"training", *MATHS, *NOT_MATHS}
    # An argument of the call: test_resets.py, on each kernel
    from_cases |= {"resets", "learned_resets"}
    fields = {field.name for field in dataclasses.fields(SequenceCall)}
    assert fields <= from_cases | {"surroundings", "dtype"}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_meets_every_mask_and_every_option(convention):
    met = [case for case in CASES if case.convention == convention]
    assert {case.mask for case in met} == set(MASKS)
    assert {case.option for case in met} == set(OPTIONS)
    assert {case.shape for case in met} == set(SHAPES)
    for name, values in MATHS.items():
        if name not in ("update_gate", "reset_after"):
            assert {case.maths[name] for case in met} >= set(values), name


@pytest.mark.parametrize("dtype", cases.COVERING)
def test_what_every_kernel_runs_covers_the_lists(dtype):
    few = cases.COVERING[dtype]
    met = {(case.convention, case.mask) for case in few}
    assert met == set(itertools.product(CONVENTIONS, MASKS))
    assert {case.option for case in few} == set(OPTIONS)
    assert {case.shape for case in few} == set(SHAPES)


def test_what_every_kernel_runs_differs_by_dtype():
    one, two = cases.COVERING.values()
    assert len({*one, *two}) > 1.8 * len(one)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_meets_every_mask(option):
    assert {case.mask for case in CASES if case.option == option} == set(MASKS)


@pytest.mark.parametrize("mask", MASKS)
def test_every_mask_meets_every_value_of_every_argument(mask):
    met = [case for case in CASES if case.mask == mask and case.shape == cases.ODD]
    for name, values in MATHS.items():
        if name != "units":
            assert {case.maths[name] for case in met} == set(values), name


def test_the_conventions_are_all_combinations():
    gates, resets = MATHS["update_gate"], MATHS["reset_after"]
    assert {(c["update_gate"], c["reset_after"]) for c in CONVENTIONS.values()} == set(
        itertools.product(gates, resets)
    )


def test_the_oracle_knows_every_activation_of_the_list():
    used = {*MATHS["activation"], *MATHS["recurrent_activation"]}
    assert used <= set(oracle.ACTIVATIONS)


def test_no_two_cases_share_a_name():
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", MASKS)
def test_the_masks_are_what_their_names_say(kind, shape):
    batch, timesteps = shape[:2]
    mask = cases.make_mask(kind, batch, timesteps, np.random.default_rng(1))
    if kind == "none":
        assert mask is None
        return
    assert mask.shape == (batch, timesteps)
    assert mask.dtype == bool
    steps = np.diff(mask.astype(int), axis=1)
    if kind == "all":
        assert mask.all()
    elif kind == "right":
        assert mask[:, 0].all()
        assert (steps <= 0).all()
    elif kind == "left":
        assert mask[:, -1].all()
        assert (steps >= 0).all()
    elif kind == "empty_row":
        assert (~mask).all(1).any()
    elif kind == "empty":
        assert not mask.any()
    if kind in ("left", "right", "holes", "empty_row") and shape == cases.ODD:
        assert 0 < mask.sum() < mask.size


def test_holes_lie_inside_the_sequence():
    given = cases.numbers(cases.Case("keep_after", "holes"))
    inside = given.mask[:, 1:-1]
    before = np.cumsum(given.mask, 1)[:, :-2] > 0
    after = np.cumsum(given.mask[:, ::-1], 1)[:, ::-1][:, 2:] > 0
    assert (~inside & before & after).any()


def test_the_weights_are_all_different():
    for case in CASES:
        weights = np.concatenate([w.ravel() for w in cases.numbers(case).weights])
        assert len(np.unique(np.abs(weights))) == weights.size


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.1]),
        ([np.nan, 1.0], [1.0, 1.0]),
        ([1.0, 1.0], [np.nan, 1.0]),
        ([np.inf], [1.0]),
        ([[1.0]], [1.0]),
        ([1e-3], [0.0]),
    ],
)
def test_the_comparison_sees_differences(actual, expected):
    with pytest.raises(AssertionError):
        tolerances.assert_close(actual, expected, "float32")
