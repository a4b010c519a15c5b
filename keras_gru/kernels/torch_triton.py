"""torch on CUDA: the whole sequence in one launch of a Triton program.

All four conventions, at two to four times the speed of cuDNN on most sizes. Input
projection and weight gradients are one product each outside of the program, as with
the scans; `keras_gru/triton` has the rest.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil

import keras

from keras_gru import autodiff, surroundings
from keras_gru.kernels import recurrence, torch_native
from keras_gru.kernels.abilities import Abilities
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Loops, Recurrence
from keras_gru.triton import COLUMNS, interpreted

DERIVATIVES = autodiff.ONCE

ABILITIES = Abilities(
    backends=("torch",),
    dtypes=("float32", "bfloat16", "float16"),
    activations=(keras.activations.tanh,),
    recurrent_activations=(keras.activations.sigmoid,),
    resets=False,
    recurrent_dropout=False,
    compiled=False,
)

MOST_UNITS = 1024
"""Measured up to here; past it cuDNN's products should win, where cuDNN can."""

OLDEST = (8, 0)
"""The compute capability that Triton is written for, and upwards."""


def refusal(call: SequenceCall) -> str | None:
    """None, or the reason why the program cannot run the call."""
    # In this order: torch.compile warns of the caches behind the others.
    if (reason := ABILITIES.lacks(call)) is not None:
        return reason
    if not _installed():
        return "Triton is not installed beside torch; on Linux: pip install triton"
    if (reason := _no_gpu(call)) is not None:
        return reason
    if interpreted() and call.dtype == "bfloat16":
        return "Triton's interpreter multiplies bfloat16 as if it were integers"
    if call.units > (most := min(MOST_UNITS, COLUMNS * _processors())):
        return f"it takes {most} units at most on this GPU, not {call.units}"
    return None


def slower(call: SequenceCall) -> str | None:
    """Why `auto` leaves a call that it could run to a kernel behind it, or None.

    From benchmarks/results: cuDNN has a program of its own for few units in float32,
    forward only, and its products win past 512 units. What cuDNN cannot run stays here,
    for behind it comes a Python loop.
    """
    if interpreted():
        return "Triton's interpreter is for tests: kernel='torch_triton' asks for it"
    if call.use_cudnn is False or torch_native.refusal(call) is not None:
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


def _no_gpu(call: SequenceCall) -> str | None:
    """Why the program cannot run where Keras computes."""
    if not interpreted() and call.device != "gpu":
        return "it needs a GPU, and torch sees none"
    placed = surroundings.torch_device()
    able = ("cuda", "cpu") if interpreted() else ("cuda",)
    if placed.partition(":")[0] not in able:
        return f"it runs on the GPU, and Keras places its tensors on {placed!r}"
    if interpreted():
        return None
    if _capability() < OLDEST:
        return (
            "Triton needs a GPU of compute capability "
            f"{'.'.join(map(str, OLDEST))}; this one has "
            f"{'.'.join(map(str, _capability()))}"
        )
    if not _compiler():
        return "Triton finds no C compiler (gcc, clang or the variable CC)"
    return None


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _processors() -> int:
    import torch

    if interpreted():
        return MOST_UNITS
    return torch.cuda.get_device_properties().multi_processor_count


@functools.cache
def _capability() -> tuple[int, int]:
    import torch

    return torch.cuda.get_device_capability()


@functools.cache
def _compiler() -> bool:
    return any(os.environ.get("CC") or shutil.which(name) for name in ("gcc", "clang"))
