"""A case as `keras_gru.kernels.contract` hands it to a kernel, and what is right."""

from __future__ import annotations

from importlib.util import find_spec

import keras

from keras_gru.kernels.contract import SequenceCall, SequenceTensors
from tests import cases, oracle
from tests.passes import BACKEND

# The kernels that must run here, and each with the conventions it must run.
HERE = [
    name
    for name, runs in cases.KERNELS.items()
    if BACKEND in runs.backends
    and not runs.gpu
    and (runs.package is None or find_spec(runs.package))
]
HERE_WITH_CONVENTIONS = [
    (name, convention)
    for name in HERE
    for convention in cases.KERNELS[name].conventions
]


def call_of(case, dtype="float32", **changes):
    """The `SequenceCall`, on a CPU, outside of every export and compiler."""
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
            "resets": False,
            "training": case.training,
            "dropout_masks": 0,
            "recurrent_dropout": False,
            "use_cudnn": "auto",
            **fields,
            **changes,
        },
    )


def tensors_of(case, given, **more):
    """The `SequenceTensors`, in float32."""
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


def expected_of(case, given, **more):
    """The oracle's pass."""
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
