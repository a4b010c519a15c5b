"""Every backend, every option: the loop that is always right.

The input's share of the gates is computed for all steps as one product before
the loop; the loop itself is the framework's own (`tf.scan`, `jax.lax.scan`, a
Python loop on torch) around `equations.step`, and the gradient is the
framework's own too.
"""

from __future__ import annotations

import functools

from keras_gru.kernels import recurrence
from keras_gru.kernels.abilities import Abilities
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Recurrence

DERIVATIVES = "every one, in both modes, by the framework"

ABILITIES = Abilities(unrolled=True, exported=True)

refusal = ABILITIES.lacks


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    states = functools.partial(Recurrence.of(call).states, unroll=call.unroll)
    return recurrence.run(states, tensors, call.go_backwards)
