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
from keras_gru.equations import Gates, Tensor
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors

CUDNN = False


def refusal(call: SequenceCall) -> str | None:
    """None: it runs every call."""
    return None


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """Runs `equations.step` over time; see `contract` for the shapes."""
    framework = backends.current()
    in_order = functools.partial(_time_major, go_backwards=call.go_backwards)
    step = functools.partial(
        equations.step,
        recurrent_kernel=equations.split_gates(tensors.recurrent_kernel),
        recurrent_bias=(
            None
            if tensors.recurrent_bias is None
            else equations.split_gates(tensors.recurrent_bias)
        ),
        activation=backends.exact(call.activation),
        recurrent_activation=backends.exact(call.recurrent_activation),
        reset_after=call.reset_after,
        update_gate=call.update_gate,
        recurrent_dropout=tensors.recurrent_dropout_masks,
    )

    def advance(state: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
        x_z, x_r, x_n, *used = inputs
        new_state = step((x_z, x_r, x_n), state)
        return framework.where(used[0], new_state, state) if used else new_state

    steps: tuple[Tensor, ...] = _project(in_order(tensors.sequences), tensors)
    if tensors.mask is not None:
        steps += (in_order(tensors.mask[:, :, None]),)  # (time, batch, 1)
    scan = framework.unrolled_scan if call.unroll else framework.scan
    states = scan(advance, tensors.initial_state, steps)  # (time, batch, units)
    return SequenceResult(ops.transpose(states, (1, 0, 2)), states[-1])


def _time_major(sequences: Tensor, go_backwards: bool) -> Tensor:
    """`(batch, time, …)` → `(time, batch, …)`, in processing order."""
    sequences = ops.transpose(sequences, (1, 0, 2))
    return ops.flip(sequences, axis=0) if go_backwards else sequences


def _project(x: Tensor, tensors: SequenceTensors) -> Gates:
    """`equations.project` of all steps at once, `(time, batch, units)` a gate."""
    timesteps, batch, features = ops.shape(x)
    units = tensors.recurrent_kernel.shape[0]
    rows = (timesteps * batch, features)
    gates = equations.project(
        ops.reshape(x, rows),
        tensors.kernel,
        tensors.input_bias,
        tuple(
            ops.reshape(ops.broadcast_to(mask, ops.shape(x)), rows)
            for mask in tensors.dropout_masks
        ),
    )
    z, r, n = (ops.reshape(gate, (timesteps, batch, units)) for gate in gates)
    return z, r, n
