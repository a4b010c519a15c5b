"""torch: two Python loops, forward and backward, as one autograd function.

Autograd sees one node, whatever the number of time steps, and the weights'
gradients are one product each.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from keras_gru.equations import GateValues, Tensor
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Operands, Recurrence, Trace


def refusal(call: SequenceCall) -> str | None:
    """The reasons of all scans; it runs on every device of torch."""
    return recurrence.refusal(call, "torch")


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`. The gradient is first order."""
    return recurrence.run(_apply, call, tensors)


def _apply(recurrence: Recurrence, operands: Operands) -> Tensor:
    dropout = operands.recurrent_dropout
    return _function().apply(recurrence, *operands[:-1], *dropout)


def _operands(flat: Sequence[Tensor | None]) -> Operands:
    """The operands from a flat sequence, as autograd wants its arguments."""
    x, h0, kernel, bias, mask, *dropout = flat
    return Operands(x, h0, kernel, bias, mask, tuple(dropout))


@functools.cache
def _function() -> Any:
    """The autograd function; torch imported late."""
    import torch
    from torch.autograd.function import once_differentiable

    def steps(sequence: Tensor | None, timesteps: int) -> Any:
        return [None] * timesteps if sequence is None else sequence.unbind(0)

    class States(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, recurrence: Recurrence, *flat: Tensor | None) -> Tensor:
            operands = _operands(flat)
            body = recurrence.forward_body(operands)
            timesteps = operands.x.shape[0]
            h, states, values = operands.h0, [], []
            for x, mask in zip(
                operands.x.unbind(0), steps(operands.mask, timesteps), strict=True
            ):
                h, gates = body(h, x, mask)
                states.append(h)
                values.append(gates)
            stacked = torch.stack(states)
            ctx.recurrence, ctx.dropout = recurrence, len(flat) - 5
            trace = [
                None if gate[0] is None else torch.stack(gate)
                for gate in zip(*values, strict=True)
            ]
            ctx.save_for_backward(*flat, stacked, *trace)
            return stacked

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, d_states: Tensor) -> Any:
            saved = ctx.saved_tensors
            count = 5 + ctx.dropout
            operands = _operands(saved[:count])
            trace = Trace(saved[count], GateValues(*saved[count + 1 :]))
            timesteps = operands.x.shape[0]
            previous = torch.cat([operands.h0[None], trace.states[:-1]])
            body = ctx.recurrence.backward_body(operands)
            values = [steps(gate, timesteps) for gate in trace.values]
            masks = steps(operands.mask, timesteps)

            d, terms = torch.zeros_like(operands.h0), []
            for t in reversed(range(timesteps)):
                gates = GateValues(*(gate[t] for gate in values))
                d, step_terms = body(d + d_states[t], previous[t], gates, masks[t])
                terms.append(step_terms)
            stacked = tuple(
                torch.stack(term[::-1]) for term in zip(*terms, strict=True)
            )
            gradients = ctx.recurrence.collect(operands, trace, previous, d, stacked)
            return (None, *gradients, None, *[None] * ctx.dropout)

    return States
