"""The recurrence over projected inputs, for any framework.

`Recurrence.states` is the plain loop, differentiated by the framework. `Loops` has a
gradient of its own: a scan kernel brings two loops of its framework, forward and
backward, around the bodies that stand here; what can be taken before or after the loops
as one operation is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keras import ops

from keras_gru import autodiff, backends, equations, gradients
from keras_gru.autodiff import Arrays, Tensors
from keras_gru.equations import Activation, GateValues, Tensor
from keras_gru.kernels.abilities import Abilities
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
        resets: `(time, batch, 1)` bool, True = the state before the step is zero; or
            None.
        recurrent_dropout: none or one mask `(batch, units)` a gate.
    """

    x: Tensor
    h0: Tensor
    recurrent_kernel: Tensor
    recurrent_bias: Tensor | None
    mask: Tensor | None
    resets: Tensor | None
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
        """That of a call."""
        return cls(
            reset_after=call.reset_after,
            update_gate=call.update_gate,
            activation=call.activation,
            recurrent_activation=call.recurrent_activation,
            recurrent_dropout=call.recurrent_dropout,
        )

    def states(self, operands: Operands, unroll: bool = False) -> Tensor:
        """The states after each step, `(time, batch, units)`, by the plain loop."""
        body = self.forward_body(operands)

        def advance(h: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
            x, *rest = inputs
            mask = rest.pop(0) if operands.mask is not None else None
            return body(h, x, mask, *rest)[0]

        framework = backends.current()
        scan = framework.unrolled_scan if unroll else framework.scan
        steps = (operands.x, operands.mask, operands.resets)
        return scan(advance, operands.h0, tuple(s for s in steps if s is not None))

    def forward_body(
        self, operands: Operands
    ) -> Callable[..., tuple[Tensor, GateValues]]:
        """(state, x, mask, reset) of one step -> the state after it and its gates."""
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
            h: Tensor, x: Tensor, mask: Tensor | None, reset: Tensor | None = None
        ) -> tuple[Tensor, GateValues]:
            h = _start_anew(h, reset)
            values = gates(x, h)
            new = equations.update(values.z, h, values.n, self.update_gate)
            return (new if mask is None else where(mask, new, h)), values

        return body

    def backward_body(
        self, operands: Operands
    ) -> Callable[..., tuple[Tensor, tuple[Tensor, ...]]]:
        """(gradient of the state after a step, state before it, gates, mask, reset).

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
            d: Tensor,
            h: Tensor,
            values: GateValues,
            mask: Tensor | None,
            reset: Tensor | None = None,
        ) -> tuple[Tensor, tuple[Tensor, ...]]:
            d_h, *rest = gradient(d, h, values)
            terms = [term for term in rest if term is not None]
            if mask is not None:
                zeros = ops.zeros_like(d)
                d_h = framework.where(mask, d_h, d)
                terms = [framework.where(mask, term, zeros) for term in terms]
            return _start_anew(d_h, reset), tuple(terms)

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


Walk = Callable[[Recurrence, Operands, bool], Trace]
"""(recurrence, operands, whether to save) -> the states, and what was saved."""

WalkBack = Callable[
    [Recurrence, Operands, Trace, Tensor, Tensor], tuple[Tensor, tuple[Tensor, ...]]
]
"""(recurrence, operands, trace, states before each step, gradient of the states) ->
the gradient of the first state, and what `Recurrence.collect` wants stacked."""


@dataclass(frozen=True)
class Loops:
    """An `autodiff.Pass`: a framework's two loops around the bodies of a recurrence.

    Its arrays are the first four `Operands`, its constants the others;
    its one output is the states, `(time, batch, units)`.
    """

    recurrence: Recurrence
    walk: Walk
    walk_back: WalkBack
    training: bool
    outputs = 1

    def forward(
        self, arrays: Arrays, constants: Arrays, save: bool
    ) -> tuple[Tensors, Tensors]:
        trace = self.walk(self.recurrence, _operands(arrays, constants), save)
        saved = trace.values if save else ()
        return (trace.states,), tuple(gate for gate in saved if gate is not None)

    def backward(
        self,
        arrays: Arrays,
        constants: Arrays,
        outputs: Tensors,
        saved: Tensors,
        cotangents: Arrays,
        wanted: Sequence[bool],
    ) -> Arrays:
        operands = _operands(arrays, constants)
        (states,), (d_states,) = outputs, cotangents
        trace = Trace(states, GateValues(*saved, *[None] * (4 - len(saved))))
        if d_states is None:
            d_states = ops.zeros_like(states)
        previous = ops.concatenate([operands.h0[None], states[:-1]], axis=0)
        previous = _start_anew(previous, operands.resets)
        d_h0, terms = self.walk_back(
            self.recurrence, operands, trace, previous, d_states
        )
        return self.recurrence.collect(operands, trace, previous, d_h0, terms)

    def reference(self, arrays: Arrays, constants: Arrays) -> Tensors:
        return (self.recurrence.states(_operands(arrays, constants)),)


def _operands(arrays: Arrays, constants: Arrays) -> Operands:
    x, h0, recurrent_kernel, recurrent_bias = arrays
    mask, resets, *dropout = constants
    return Operands(
        x, h0, recurrent_kernel, recurrent_bias, mask, resets, tuple(dropout)
    )


def _start_anew(state: Tensor, resets: Tensor | None) -> Tensor:
    """The state, or its gradient, with zeros where it starts anew."""
    if resets is None:
        return state
    return backends.zero_where(resets, state)


def abilities(backend: str) -> Abilities:
    """Those of a backend's scan."""
    known = gradients.DERIVATIVES
    return Abilities(
        backends=(backend,), activations=known, recurrent_activations=known
    )


def run(
    states: Callable[[Operands], Tensor],
    tensors: SequenceTensors,
    go_backwards: bool,
) -> SequenceResult:
    """Prepares the operands, calls `states` on them, restores the layout."""
    tensors = cleared(tensors)

    def by_step(flags: Tensor | None) -> Tensor | None:
        return None if flags is None else time_major(flags[:, :, None], go_backwards)

    result = states(
        Operands(
            x=project_sequences(time_major(tensors.sequences, go_backwards), tensors),
            h0=tensors.initial_state,
            recurrent_kernel=tensors.recurrent_kernel,
            recurrent_bias=tensors.recurrent_bias,
            mask=by_step(tensors.mask),
            resets=by_step(tensors.resets),
            recurrent_dropout=tensors.recurrent_dropout_masks,
        )
    )  # (time, batch, units)
    return SequenceResult(ops.transpose(result, (1, 0, 2)), result[-1])


def run_loops(
    loops: Loops, call: SequenceCall, tensors: SequenceTensors
) -> SequenceResult:
    """The same with the loops, which the framework can differentiate in every way."""
    differentiable = autodiff.on(call.surroundings.backend).differentiable

    def states(operands: Operands) -> Tensor:
        *arrays, mask, resets, dropout = operands
        (states,) = differentiable(loops, arrays, (mask, resets, *dropout))
        return states

    return run(states, tensors, call.go_backwards)


def _sum_of_products(states: Tensor, terms: Tensor) -> Tensor:
    """Σ over time and batch of stateᵀ term: `(units, k)`."""
    rows = ops.reshape(states, (-1, states.shape[-1]))
    return ops.transpose(rows) @ ops.reshape(terms, (-1, terms.shape[-1]))
