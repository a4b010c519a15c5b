"""What the kernels of other libraries have in common.

They are closed: keep form, reset after, tanh and sigmoid, no mask, forward in time.
The replace form runs on them exactly, by negating what makes z, for
σ(−a) = 1 − σ(a); a mask by compaction; the other direction by flipping.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from keras_gru import equations
from keras_gru.backends import current
from keras_gru.equations import Tensor
from keras_gru.kernels.abilities import Abilities
from keras_gru.kernels.compaction import compact, expand
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.projection import cleared

ABILITIES = Abilities(
    activations=(keras.activations.tanh,),
    recurrent_activations=(keras.activations.sigmoid,),
    reset_before=False,
    resets=False,
    recurrent_dropout=False,
    dropout_by_gate=False,
    learned_resets=False,
    zoneout=False,
    layer_normalization=False,
    compiled=(),
)
"""Those that all closed kernels share."""

Run = Callable[[SequenceTensors], Tensor]
"""Unmasked, forward, keep form -> the states `(batch, time, units)`."""


def run(kernel: Run, call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """Turns any call that `ABILITIES` lets through into one that `kernel` runs."""
    tensors = cleared(tensors)
    sequences, mask = tensors.sequences, tensors.mask
    for dropout in tensors.dropout_masks:
        sequences = sequences * dropout[:, None, :]
    if call.go_backwards:
        sequences = ops.flip(sequences, axis=1)
        mask = None if mask is None else ops.flip(mask, axis=1)
    if mask is not None:
        sequences = compact(sequences, mask)
    negate = call.update_gate == "replace"

    def weight(blocks: Tensor | None) -> Tensor | None:
        if blocks is None or not negate:
            return blocks
        z, r, n = equations.split_gates(blocks)
        return current().concatenate([-z, r, n])

    states = kernel(
        SequenceTensors(
            sequences=sequences,
            initial_state=tensors.initial_state,
            kernel=weight(tensors.kernel),
            recurrent_kernel=weight(tensors.recurrent_kernel),
            input_bias=weight(tensors.input_bias),
            recurrent_bias=weight(tensors.recurrent_bias),
        )
    )  # (batch, time, units)
    if mask is not None:
        states = expand(states, tensors.initial_state, mask)
    return SequenceResult(states, states[:, -1])
