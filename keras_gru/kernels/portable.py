"""Every backend, every option: the loop that is always right.

The input's share of the gates is computed for all steps as one product before
the loop; the loop itself is the framework's own (`tf.scan`, `jax.lax.scan`, a
Python loop on torch) around `equations.step`, and the gradient is the
framework's own too.
"""

from __future__ import annotations

import functools

from keras import ops

from keras_gru import backends, equations
from keras_gru.equations import Tensor
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.projection import cleared, project_sequences, time_major


def refusal(call: SequenceCall) -> str | None:
    """None: it runs every call."""
    return None


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """Runs `equations.step` over time; see `contract` for the shapes."""
    framework = backends.current()
    tensors = cleared(tensors)
    cut = functools.partial(
        equations.recurrent_blocks,
        reset_after=call.reset_after,
        per_gate=call.recurrent_dropout,
    )
    step = functools.partial(
        equations.step,
        recurrent_kernel=cut(tensors.recurrent_kernel),
        recurrent_bias=cut(tensors.recurrent_bias),
        activation=backends.exact(call.activation),
        recurrent_activation=backends.exact(call.recurrent_activation),
        reset_after=call.reset_after,
        update_gate=call.update_gate,
        recurrent_dropout=tensors.recurrent_dropout_masks,
    )

    def advance(state: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
        x, *used = inputs
        new_state = step(x, state)
        return framework.where(used[0], new_state, state) if used else new_state

    x = time_major(tensors.sequences, call.go_backwards)
    steps: tuple[Tensor, ...] = (project_sequences(x, tensors),)
    if tensors.mask is not None:
        # (time, batch, 1)
        steps += (time_major(tensors.mask[:, :, None], call.go_backwards),)
    scan = framework.unrolled_scan if call.unroll else framework.scan
    states = scan(advance, tensors.initial_state, steps)  # (time, batch, units)
    return SequenceResult(ops.transpose(states, (1, 0, 2)), states[-1])
