"""JAX: two `lax.scan` loops, forward and backward, as one `custom_vjp`."""

from __future__ import annotations

import functools
from typing import Any

from keras_gru.equations import Tensor
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Operands, Recurrence, Trace


def refusal(call: SequenceCall) -> str | None:
    """The reasons of all scans; it runs wherever JAX does."""
    return recurrence.refusal(call, "jax")


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`. The gradient is first order and in reverse mode."""
    return recurrence.run(_states(), call, tensors)


@functools.cache
def _states() -> Any:
    """(recurrence, operands) -> states, `(time, batch, units)`; JAX imported late."""
    import jax
    from jax import lax

    def forward(recurrence: Recurrence, operands: Operands) -> tuple[Tensor, Any]:
        body = recurrence.forward_body(operands)

        def step(h: Tensor, inputs: Any) -> tuple[Tensor, Any]:
            h, values = body(h, *inputs)
            return h, (h, values)

        _, saved = lax.scan(step, operands.h0, (operands.x, operands.mask))
        return saved[0], (operands, Trace(*saved))

    def backward(recurrence: Recurrence, residuals: Any, d_states: Tensor) -> Any:
        operands, trace = residuals
        previous = jax.numpy.concatenate([operands.h0[None], trace.states[:-1]])
        body = recurrence.backward_body(operands)

        def step(d: Tensor, inputs: Any) -> tuple[Tensor, Any]:
            d_state, *rest = inputs
            return body(d + d_state, *rest)

        d_h0, terms = lax.scan(
            step,
            jax.numpy.zeros_like(operands.h0),
            (d_states, previous, trace.values, operands.mask),
            reverse=True,
        )
        gradients = recurrence.collect(operands, trace, previous, d_h0, terms)
        # None: no gradient, neither of the mask nor of a dropout mask.
        dropout = (None,) * len(operands.recurrent_dropout)
        return (Operands(*gradients, mask=None, recurrent_dropout=dropout),)

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def states(recurrence: Recurrence, operands: Operands) -> Tensor:
        return forward(recurrence, operands)[0]

    states.defvjp(forward, backward)
    # Eager calls would otherwise trace and compile the loops anew each time.
    return jax.jit(states, static_argnums=0)
