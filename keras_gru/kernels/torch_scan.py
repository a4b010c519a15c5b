"""torch: two Python loops, forward and backward, with a gradient of their own.

Autograd sees one node, whatever the number of time steps, and the weights'
gradients are one product each.
"""

from __future__ import annotations

from typing import Any

from keras_gru import autodiff
from keras_gru.equations import GateValues, Tensor
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Loops, Operands, Recurrence, Trace

DERIVATIVES = autodiff.ONCE

ABILITIES = recurrence.abilities("torch")

refusal = ABILITIES.lacks


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    loops = Loops(Recurrence.of(call), _walk, _walk_back, call.training)
    return recurrence.run_loops(loops, call, tensors)


def _walk(recurrence: Recurrence, operands: Operands, save: bool) -> Trace:
    import torch

    body = recurrence.forward_body(operands)
    timesteps = operands.x.shape[0]
    h, states, values = operands.h0, [], []
    for x, *told in zip(
        operands.x.unbind(0),
        *(_steps(flags, timesteps) for flags in operands.told),
        strict=True,
    ):
        h, gates = body(h, x, *told)
        states.append(h)
        if save:
            values.append(gates)
    stacked = [
        None if gate[0] is None else torch.stack(gate)
        for gate in zip(*values, strict=True)
    ]
    return Trace(torch.stack(states), GateValues(*stacked or [None] * 4))


def _walk_back(
    recurrence: Recurrence,
    operands: Operands,
    trace: Trace,
    previous: Tensor,
    d_states: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    import torch

    timesteps = operands.x.shape[0]
    body = recurrence.backward_body(operands)
    values = [_steps(gate, timesteps) for gate in trace.values]
    told = [_steps(s, timesteps) for s in (trace.products, *operands.told)]
    d, terms = torch.zeros_like(operands.h0), []
    for t in reversed(range(timesteps)):
        gates = GateValues(*(gate[t] for gate in values))
        d, step_terms = body(
            d + d_states[t], previous[t], gates, *(one[t] for one in told)
        )
        terms.append(step_terms)
    return d, tuple(torch.stack(term[::-1]) for term in zip(*terms, strict=True))


def _steps(sequence: Tensor | None, timesteps: int) -> Any:
    return [None] * timesteps if sequence is None else sequence.unbind(0)
