"""torch on CUDA: the whole sequence in one launch of a Triton program.

All four conventions, at two to four times the speed of cuDNN on most sizes. Input
projection and weight gradients are one product each outside of the program, as with
the scans; `keras_gru/triton` has the rest.
"""

from __future__ import annotations

from dataclasses import replace

import keras

from keras_gru import autodiff
from keras_gru.kernels import recurrence, torch_native
from keras_gru.kernels.abilities import Abilities
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Loops, Recurrence
from keras_gru.triton import COLUMNS

DERIVATIVES = autodiff.ONCE

ABILITIES = Abilities(
    backends=("torch",),
    devices=("gpu",),
    needs="triton",
    dtypes=("float32", "bfloat16", "float16"),
    activations=(keras.activations.tanh,),
    recurrent_activations=(keras.activations.sigmoid,),
    resets=False,
    recurrent_dropout=False,
    learned_resets=False,
    zoneout=False,
    layer_normalization=False,
    compiled=(),
)

# The interpreter multiplies bfloat16 as if it were integers.
INTERPRETED = replace(ABILITIES, devices=("cpu", "gpu"), dtypes=("float32", "float16"))

MOST_UNITS = 1024
"""Measured up to here; past it cuDNN's products should win, where cuDNN can."""


def refusal(call: SequenceCall) -> str | None:
    """Beyond its abilities, or left to a faster kernel behind it by `auto`."""
    here = call.surroundings
    abilities = INTERPRETED if here.interpreted else ABILITIES
    if (reason := abilities.lacks(call)) is not None:
        return reason
    most = MOST_UNITS
    if not here.interpreted:
        most = min(most, COLUMNS * here.processors)
    if call.units > most:
        return f"it takes {most} units at most on this GPU, not {call.units}"
    return _slower(call) if call.kernel == "auto" else None


def _slower(call: SequenceCall) -> str | None:
    """Why `auto` leaves a call that it could run to a kernel behind it, or None.

    From benchmarks/results: cuDNN has a program of its own for few units in float32,
    forward only, and its products win past 512 units. What cuDNN cannot run stays here,
    for behind it comes a Python loop.
    """
    if call.surroundings.interpreted:
        return "Triton's interpreter is for tests: kernel='torch_triton' asks for it"
    if torch_native.refusal(call) is not None:
        return None
    if call.units > 512:
        return "cuDNN is faster with more than 512 units"
    if call.dtype == "float32" and call.units <= 128 and not call.training:
        return "cuDNN is faster in float32 inference with up to 128 units"
    return None


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    from keras_gru.triton import function

    loops = Loops(Recurrence.of(call), function.walk, function.walk_back, call.training)
    return recurrence.run_loops(loops, call, tensors)
