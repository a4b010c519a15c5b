"""Each kernel by itself, through the contract: tensors in, states and gradients out."""

from __future__ import annotations

from importlib.util import find_spec

import keras
import numpy as np
import pytest

from keras_gru import kernels
from keras_gru.kernels.contract import SequenceCall, SequenceTensors
from tests import cases, oracle
from tests.cases import CASES, CONVENTIONS, Case, numbers
from tests.passes import BACKEND, to_numpy
from tests.tolerances import assert_close

MODULES = {kernels.name_of(kernel): kernel for kernel in kernels.KERNELS}
HERE = [
    name
    for name, runs in cases.KERNELS.items()
    if BACKEND in runs.backends
    and not runs.gpu
    and (runs.package is None or find_spec(runs.package))
]
KEY = [(name, c) for name in HERE for c in cases.KERNELS[name].conventions]


def _call(case, dtype="float32", **changes):
    batch, timesteps, features, units = case.shape
    maths = case.maths
    fields = {
        name: maths[name]
        for name in ("update_gate", "reset_after", "use_bias", "return_sequences")
    }
    fields |= {name: maths[name] for name in ("go_backwards", "unroll", "stateful")}
    fields |= {
        name: keras.activations.get(maths[name])
        for name in ("activation", "recurrent_activation")
    }
    return SequenceCall(
        backend=BACKEND,
        device="cpu",
        exporting=False,
        compiled=False,
        dtype=dtype,
        batch=batch,
        timesteps=timesteps,
        features=features,
        units=units,
        **{
            "masked": case.mask != "none",
            "training": case.training,
            "dropout_masks": 0,
            "recurrent_dropout": False,
            "use_cudnn": "auto",
            **fields,
            **changes,
        },
    )


def _tensors(case, given, **more):
    tensor = keras.ops.convert_to_tensor
    bias = given.weights[2] if case.maths["use_bias"] else None
    after = case.maths["reset_after"]
    rows = [None, None] if bias is None else list(bias) if after else [bias, None]
    rows = [None if row is None else tensor(row.astype("float32")) for row in rows]
    return SequenceTensors(
        sequences=tensor(given.x.astype("float32")),
        initial_state=tensor(given.h0.astype("float32")),
        kernel=tensor(given.weights[0].astype("float32")),
        recurrent_kernel=tensor(given.weights[1].astype("float32")),
        input_bias=rows[0],
        recurrent_bias=rows[1],
        mask=None if given.mask is None else tensor(given.mask),
        **more,
    )


def _oracle(case, given, **more):
    maths = case.maths
    names = ("reset_after", "update_gate", "activation", "recurrent_activation")
    return oracle.forward(
        given.x,
        given.h0,
        *given.weights,
        mask=given.mask,
        **{name: maths[name] for name in (*names, "go_backwards")},
        **more,
    )


@pytest.mark.parametrize("mask", ["none", "holes"])
@pytest.mark.parametrize("option", ["default", "backwards", "no_bias", "last"])
@pytest.mark.parametrize(("name", "convention"), KEY)
def test_states_and_final_state(name, convention, option, mask):
    """The states are frozen where masked, even before the first used step."""
    case = Case(convention, mask, option)
    given = numbers(case)
    call = _call(case)
    assert MODULES[name].refusal(call) is None
    states, final_state = MODULES[name].run(call, _tensors(case, given))
    expected = _oracle(case, given)
    assert_close(to_numpy(final_state), expected.final_state, "float32")
    if states is None:
        assert not call.return_sequences
    else:
        assert_close(to_numpy(states), expected.states, "float32")


@pytest.mark.parametrize(("name", "convention"), KEY)
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
    call = _call(case, training=True, dropout_masks=count, recurrent_dropout=recurrent)
    if (reason := MODULES[name].refusal(call)) is not None:
        assert name != "portable"
        assert reason
        return
    tensors = _tensors(
        case,
        given,
        dropout_masks=tuple(map(keras.ops.convert_to_tensor, inputs)),
        recurrent_dropout_masks=tuple(map(keras.ops.convert_to_tensor, state)),
    )
    states, final_state = MODULES[name].run(call, tensors)
    expected = _oracle(
        case,
        given,
        dropout_masks=list(inputs) or None,
        recurrent_dropout_masks=list(state) or None,
    )
    assert_close(to_numpy(states), expected.states, "float32")
    assert_close(to_numpy(final_state), expected.final_state, "float32")


def test_portable_refuses_nothing():
    for case in CASES:
        assert MODULES["portable"].refusal(_call(case)) is None


def test_portable_stands_last():
    """It refuses nothing, so that whatever stood behind it would never run."""
    assert kernels.names()[-1] == "portable"


def test_the_names_are_the_files():
    assert kernels.names() == tuple(MODULES)
    for name, kernel in MODULES.items():
        assert kernel.__file__.endswith(f"{name}.py")


@pytest.mark.parametrize("name", [name for name in MODULES if name not in HERE])
def test_a_kernel_of_another_backend_or_device_says_so(name):
    reason = MODULES[name].refusal(_call(Case("keep_after")))
    assert BACKEND in reason or "GPU" in reason


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_kernel_computes_again_with_other_sizes(convention):
    """Nothing is kept from one call to the next."""
    for shape in cases.SHAPES:
        case = Case(convention, "holes", shape=shape)
        given = numbers(case)
        call, tensors = _call(case), _tensors(case, given)
        for kernel in MODULES.values():
            if kernel.refusal(call) is None:
                states, _ = kernel.run(call, tensors)
                assert_close(to_numpy(states), _oracle(case, given).states, "float32")
