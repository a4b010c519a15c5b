"""The recurrence over projected inputs, with its own gradient, for any framework.

A scan kernel brings two loops of its framework, forward and backward, and hands
them the bodies that stand here; what can be taken before or after the loops as
one operation is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from keras import ops

from keras_gru import backends, equations, gradients
from keras_gru.equations import Activation, GateValues, Tensor
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.projection import cleared, project_sequences, time_major


class Operands(NamedTuple):
    """What the recurrence reads; time-major, in processing order.

    Attributes:
        x: projected inputs, `(time, batch, 3 * units)`.
        h0: the state before the first step, `(batch, units)`.
        recurrent_kernel: U, `(units, 3 * units)`.
        recurrent_bias: c, `(3 * units,)`, or None.
        mask: `(time, batch, 1)` bool, or None.
        recurrent_dropout: none or one mask `(batch, units)` a gate.
    """

    x: Tensor
    h0: Tensor
    recurrent_kernel: Tensor
    recurrent_bias: Tensor | None
    mask: Tensor | None
    recurrent_dropout: tuple[Tensor, ...]


class Trace(NamedTuple):
    """What the forward pass leaves for the backward pass, `(time, batch, units)`."""

    states: Tensor
    values: GateValues


class Gradients(NamedTuple):
    """The gradients of `Operands`, of the same shapes; None where there is none."""

    x: Tensor
    h0: Tensor
    recurrent_kernel: Tensor
    recurrent_bias: Tensor | None


@dataclass(frozen=True)
class Recurrence:
    """The convention and the bodies of both loops."""

    reset_after: bool
    update_gate: str
    activation: Activation
    recurrent_activation: Activation
    recurrent_dropout: bool

    @classmethod
    def of(cls, call: SequenceCall) -> Recurrence:
        return cls(
            reset_after=call.reset_after,
            update_gate=call.update_gate,
            activation=call.activation,
            recurrent_activation=call.recurrent_activation,
            recurrent_dropout=call.recurrent_dropout,
        )

    def forward_body(
        self, operands: Operands
    ) -> Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, GateValues]]:
        """(state, x, mask) of one step -> the state after it and its gates."""
        cut = self._cut
        gates = functools.partial(
            equations.gates,
            recurrent_kernel=cut(operands.recurrent_kernel),
            recurrent_bias=cut(operands.recurrent_bias),
            activation=backends.exact(self.activation),
            recurrent_activation=backends.exact(self.recurrent_activation),
            reset_after=self.reset_after,
            recurrent_dropout=operands.recurrent_dropout,
        )
        where = backends.current().where

        def body(
            h: Tensor, x: Tensor, mask: Tensor | None
        ) -> tuple[Tensor, GateValues]:
            values = gates(x, h)
            new = equations.update(values.z, h, values.n, self.update_gate)
            return (new if mask is None else where(mask, new, h)), values

        return body

    def backward_body(
        self, operands: Operands
    ) -> Callable[
        [Tensor, Tensor, GateValues, Tensor | None],
        tuple[Tensor, tuple[Tensor, ...]],
    ]:
        """(gradient of the state after a step, state before it, gates, mask) of one.

        -> the gradient of the state before it, and what `collect` wants stacked:
        those of z, r, n and, with the reset after it, of U_n h + c_n.
        """
        framework = backends.current()
        gradient = functools.partial(
            gradients.step_gradient,
            transposed_kernel=tuple(
                ops.transpose(block) for block in self._cut(operands.recurrent_kernel)
            ),
            derivative=gradients.DERIVATIVES[self.activation],
            recurrent_derivative=gradients.DERIVATIVES[self.recurrent_activation],
            update_gate=self.update_gate,
            recurrent_dropout=operands.recurrent_dropout,
            concatenate=framework.concatenate,
        )

        def body(
            d: Tensor, h: Tensor, values: GateValues, mask: Tensor | None
        ) -> tuple[Tensor, tuple[Tensor, ...]]:
            d_h, *rest = gradient(d, h, values)
            terms = [term for term in rest if term is not None]
            if mask is not None:
                zeros = ops.zeros_like(d)
                d_h = framework.where(mask, d_h, d)
                terms = [framework.where(mask, term, zeros) for term in terms]
            return d_h, tuple(terms)

        return body

    def collect(
        self,
        operands: Operands,
        trace: Trace,
        previous: Tensor,
        d_h0: Tensor,
        terms: tuple[Tensor, ...],
    ) -> Gradients:
        """The gradients that are sums over time, each as one product.

        Args:
            operands: of the forward pass.
            trace: of the forward pass.
            previous: the state before each step, `(time, batch, units)`.
            d_h0: the gradient of the first state, `(batch, units)`.
            terms: what the backward body returned, stacked over time.
        """
        concatenate = backends.current().concatenate
        d_z, d_r, d_n, *d_recurrent_n = terms
        recurrent = [d_z, d_r, *(d_recurrent_n or [d_n])]

        states = [previous * mask for mask in operands.recurrent_dropout]
        if self.reset_after and not states:
            d_u = _sum_of_products(previous, concatenate(recurrent))
        else:
            s_z, s_r, s_n = states or [previous] * 3
            if not self.reset_after:
                s_n = s_n * trace.values.r
            d_u = concatenate(
                [
                    _sum_of_products(state, term)
                    for state, term in zip((s_z, s_r, s_n), recurrent, strict=True)
                ]
            )
        d_c = None
        if operands.recurrent_bias is not None:
            d_c = concatenate([ops.sum(term, axis=(0, 1)) for term in recurrent])
        return Gradients(concatenate([d_z, d_r, d_n]), d_h0, d_u, d_c)

    def _cut(self, weight: Tensor | None) -> tuple[Tensor, ...]:
        return equations.recurrent_blocks(
            weight, reset_after=self.reset_after, per_gate=self.recurrent_dropout
        )


def refusal(call: SequenceCall, backend: str) -> str | None:
    """The reasons that all scans share."""
    if call.backend != backend:
        return f"it runs on {backend}; the backend is {call.backend}"
    if call.unroll:
        return "unroll=True asks for a loop that is written out"
    for name in ("activation", "recurrent_activation"):
        function = getattr(call, name)
        if function not in gradients.DERIVATIVES:
            known = ", ".join(sorted(f.__name__ for f in gradients.DERIVATIVES))
            given = getattr(function, "__name__", repr(function))
            return f"it has no derivative of {name}={given!r}; it has those of {known}"
    return None


def run(
    states: Callable[[Recurrence, Operands], Tensor],
    call: SequenceCall,
    tensors: SequenceTensors,
) -> SequenceResult:
    """Prepares the operands, calls a framework's `states`, restores the layout."""
    tensors = cleared(tensors)
    mask = tensors.mask
    if mask is not None:
        mask = time_major(mask[:, :, None], call.go_backwards)
    result = states(
        Recurrence.of(call),
        Operands(
            x=project_sequences(
                time_major(tensors.sequences, call.go_backwards), tensors
            ),
            h0=tensors.initial_state,
            recurrent_kernel=tensors.recurrent_kernel,
            recurrent_bias=tensors.recurrent_bias,
            mask=mask,
            recurrent_dropout=tensors.recurrent_dropout_masks,
        ),
    )  # (time, batch, units)
    return SequenceResult(ops.transpose(result, (1, 0, 2)), result[-1])


def _sum_of_products(states: Tensor, terms: Tensor) -> Tensor:
    """Σ over time and batch of stateᵀ term: `(units, k)`."""
    rows = ops.reshape(states, (-1, states.shape[-1]))
    return ops.transpose(rows) @ ops.reshape(terms, (-1, terms.shape[-1]))
