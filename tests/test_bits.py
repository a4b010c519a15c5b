"""Bits: what a row gives does not depend on its neighbours, where that is promised."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from keras_gru import kernels
from tests.cases import CONVENTIONS, Case, numbers
from tests.contract import call_of, tensors_of
from tests.passes import to_numpy

PROMISED = ("native_cpu",)
"""All others multiply a batch by the framework's own product, whose order of sums may
depend on the number of rows."""


@pytest.mark.parametrize("mask", ["none", "right", "holes"])
@pytest.mark.parametrize("option", ["default", "backwards"])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", PROMISED)
def test_a_row_alone_and_among_others(name, convention, option, mask):
    (kernel,) = (k for k in kernels.KERNELS if kernels.name_of(k) == name)
    case = Case(convention, mask, option, shape=(37, 19, 13, 45))
    given = numbers(case)
    call = call_of(case)
    if kernel.refusal(call) is not None:
        pytest.skip(kernel.refusal(call))
    together = [to_numpy(one) for one in kernel.run(call, tensors_of(case, given))]
    for rows in ([0], [36], [5, 2], list(range(11, 30))):
        some = dataclasses.replace(
            given,
            x=given.x[rows],
            h0=given.h0[rows],
            mask=None if given.mask is None else given.mask[rows],
        )
        part = dataclasses.replace(call, batch=len(rows))
        for whole, own in zip(
            together, kernel.run(part, tensors_of(case, some)), strict=True
        ):
            assert np.array_equal(whole[rows], to_numpy(own))
