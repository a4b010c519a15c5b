"""JAX: two `lax.scan` loops, forward and backward, with a gradient of their own."""

from __future__ import annotations

from typing import Any

from keras_gru import autodiff
from keras_gru.equations import Tensor
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Loops, Operands, Recurrence, Trace

DERIVATIVES = autodiff.ONCE

ABILITIES = recurrence.abilities("jax")

refusal = ABILITIES.lacks


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    loops = Loops(Recurrence.of(call), _walk, _walk_back, call.training)
    return recurrence.run_loops(loops, call, tensors)


def _walk(recurrence: Recurrence, operands: Operands, save: bool) -> Trace:
    from jax import lax

    body = recurrence.forward_body(operands)

    def step(h: Tensor, inputs: Any) -> tuple[Tensor, Any]:
        h, values = body(h, *inputs)
        return h, (h, values)  # XLA drops the values where nothing reads them

    _, (states, values) = lax.scan(step, operands.h0, (operands.x, *operands.told))
    return Trace(states, values)


def _walk_back(
    recurrence: Recurrence,
    operands: Operands,
    trace: Trace,
    previous: Tensor,
    d_states: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    import jax

    body = recurrence.backward_body(operands)

    def step(d: Tensor, inputs: Any) -> tuple[Tensor, Any]:
        d_state, *rest = inputs
        return body(d + d_state, *rest)

    return jax.lax.scan(
        step,
        jax.numpy.zeros_like(operands.h0),
        (d_states, previous, trace.values, trace.products, *operands.told),
        reverse=True,
    )
