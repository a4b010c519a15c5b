"""Each kernel by itself, through the contract: tensors in, states and gradients out."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_gru import kernels
from tests import cases
from tests.cases import CASES, CONVENTIONS, Case, numbers
from tests.contract import (
    HERE,
    HERE_WITH_CONVENTIONS,
    call_of,
    expected_of,
    tensors_of,
)
from tests.passes import BACKEND, to_numpy
from tests.tolerances import assert_close

MODULES = {kernels.name_of(kernel): kernel for kernel in kernels.KERNELS}


@pytest.mark.parametrize("mask", ["none", "holes"])
@pytest.mark.parametrize("option", ["default", "backwards", "no_bias", "last"])
@pytest.mark.parametrize(("name", "convention"), HERE_WITH_CONVENTIONS)
def test_states_and_final_state(name, convention, option, mask):
    """The states are frozen where masked, even before the first used step."""
    case = Case(convention, mask, option)
    given = numbers(case)
    call = call_of(case, kernel=name)
    assert MODULES[name].refusal(call) is None
    states, final_state = MODULES[name].run(call, tensors_of(case, given))
    expected = expected_of(case, given)
    assert_close(to_numpy(final_state), expected.final_state, "float32")
    if states is None:
        assert not call.return_sequences
    else:
        assert_close(to_numpy(states), expected.states, "float32")


@pytest.mark.parametrize(("name", "convention"), HERE_WITH_CONVENTIONS)
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("recurrent", [False, True])
def test_dropout_masks_of_any_numbers(name, convention, count, recurrent):
    """Masks that are no zeros and ones show which gate got which."""
    case = Case(convention, "right")
    given = numbers(case)
    rng = np.random.default_rng(4)
    batch, _, features, units = case.shape
    inputs = rng.uniform(0.5, 2.0, (count, batch, features)).astype("float32")
    state = rng.uniform(0.5, 2.0, (3 * recurrent, batch, units)).astype("float32")
    call = call_of(
        case,
        kernel=name,
        training=True,
        dropout_masks=count,
        recurrent_dropout=recurrent,
    )
    if (reason := MODULES[name].refusal(call)) is not None:
        assert name != "portable"
        assert reason
        return
    tensors = tensors_of(
        case,
        given,
        dropout_masks=tuple(map(keras.ops.convert_to_tensor, inputs)),
        recurrent_dropout_masks=tuple(map(keras.ops.convert_to_tensor, state)),
    )
    states, final_state = MODULES[name].run(call, tensors)
    expected = expected_of(
        case,
        given,
        dropout_masks=list(inputs) or None,
        recurrent_dropout_masks=list(state) or None,
    )
    assert_close(to_numpy(states), expected.states, "float32")
    assert_close(to_numpy(final_state), expected.final_state, "float32")


def test_portable_refuses_nothing():
    for case in CASES:
        assert MODULES["portable"].refusal(call_of(case)) is None


def test_portable_stands_last():
    """It refuses nothing, so that whatever stood behind it would never run."""
    assert kernels.names()[-1] == "portable"


@pytest.mark.parametrize("name", [name for name in MODULES if name not in HERE])
def test_a_kernel_of_another_backend_or_device_says_so(name):
    reason = MODULES[name].refusal(call_of(Case("keep_after")))
    assert BACKEND in reason or "GPU" in reason


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_kernel_computes_again_with_other_sizes(convention):
    """Nothing is kept from one call to the next."""
    for shape in cases.SHAPES:
        case = Case(convention, "holes", shape=shape)
        given = numbers(case)
        tensors = tensors_of(case, given)
        for name, kernel in MODULES.items():
            call = call_of(case, kernel=name)
            if kernel.refusal(call) is None:
                states, _ = kernel.run(call, tensors)
                assert_close(
                    to_numpy(states), expected_of(case, given).states, "float32"
                )
