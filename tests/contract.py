"""A case as `keras_gru.kernels.contract` hands it to a kernel, and what is right."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec

import keras

from keras_gru.kernels.contract import SequenceCall, SequenceTensors
from keras_gru.surroundings import Surroundings
from tests import cases, oracle
from tests.passes import BACKEND

# The kernels that must run here; without a GPU Triton interprets: conftest.py.
HERE = [
    name
    for name, able in cases.KERNELS.items()
    if BACKEND in able.backends
    and (able.devices != ("gpu",) or (able.needs == "triton" and find_spec("triton")))
]
HERE_WITH_CONVENTIONS = [
    (name, convention) for name in HERE for convention in cases.conventions_of(name)
]


def call_of(case, dtype="float32", **changes):
    """The `SequenceCall`, on this machine, outside of every export and compiler."""
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
    call = SequenceCall(
        surroundings=Surroundings.of(),
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
            "learned_resets": False,
            "zoneout": maths["zoneout"],
            "layer_normalization": maths["layer_normalization"],
            "use_cudnn": "auto",
            "kernel": "auto",
            **fields,
        },
    )
    return altered(call, **changes)


def altered(call, **changes):
    """The call with other values, those of its surroundings among them."""
    names = {field.name for field in dataclasses.fields(Surroundings)}
    here = {name: changes.pop(name) for name in names & set(changes)}
    there = dataclasses.replace(call.surroundings, **here)
    return dataclasses.replace(call, surroundings=there, **changes)


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
