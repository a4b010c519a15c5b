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

from keras_gru import autodiff, backends, equations, gradients, normalization
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
        resets: `(time, batch, 1)` bool, True = the state starts anew before the step;
            or None.
        recurrent_dropout: none or one mask `(batch, units)` a gate.
        learned_state: what resets start from, `(units,)`; None for zeros.
        gain: γ of the recurrent products, `(3 * units,)`, or None.
        zoneout: `(time, batch, units)`, 1 where the unit keeps its old state, else 0;
            or None.
    """

    x: Tensor
    h0: Tensor
    recurrent_kernel: Tensor
    recurrent_bias: Tensor | None
    mask: Tensor | None
    resets: Tensor | None
    recurrent_dropout: tuple[Tensor, ...]
    learned_state: Tensor | None = None
    gain: Tensor | None = None
    zoneout: Tensor | None = None

    @property
    def told(self) -> Arrays:
        """What the bodies of both loops are told of each step."""
        return self.mask, self.resets, self.zoneout


class Trace(NamedTuple):
    """What the backward pass reads of the forward pass.

    Attributes:
        states: after each step, `(time, batch, units)`.
        values: of each step, `(time, batch, units)` each.
        products: with layer normalisation the recurrent products before it,
            `(time, batch, 3 * units)`, which are taken anew; else None.
    """

    states: Tensor
    values: GateValues
    products: Tensor | None = None


class Gradients(NamedTuple):
    """The gradients of `Operands`, of the same shapes; None where there is none."""

    x: Tensor
    h0: Tensor
    recurrent_kernel: Tensor
    recurrent_bias: Tensor | None
    learned_state: Tensor | None
    gain: Tensor | None


@dataclass(frozen=True)
class Recurrence:
    """The convention and the bodies of both loops."""

    reset_after: bool
    update_gate: str
    activation: Activation
    recurrent_activation: Activation
    recurrent_dropout: bool
    zoneout: float = 0.0
    layer_normalization: bool = False

    @classmethod
    def of(cls, call: SequenceCall) -> Recurrence:
        """That of a call."""
        return cls(
            reset_after=call.reset_after,
            update_gate=call.update_gate,
            activation=call.activation,
            recurrent_activation=call.recurrent_activation,
            recurrent_dropout=call.recurrent_dropout,
            zoneout=call.zoneout,
            layer_normalization=call.layer_normalization,
        )

    def states(self, operands: Operands, unroll: bool = False) -> Tensor:
        """The states after each step, `(time, batch, units)`, by the plain loop."""
        body = self.forward_body(operands)

        def advance(h: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
            x, *told = inputs
            return body(h, x, *spread(operands.told, told))[0]

        framework = backends.current()
        scan = framework.unrolled_scan if unroll else framework.scan
        return scan(advance, operands.h0, (operands.x, *present(operands.told)))

    def forward_body(
        self, operands: Operands
    ) -> Callable[..., tuple[Tensor, GateValues]]:
        """(state, x, what is told) of one step -> the state after it and its gates."""
        gates = functools.partial(
            equations.gates,
            recurrent_kernel=self._cut(operands.recurrent_kernel),
            recurrent_bias=self._cut_row(operands.recurrent_bias)
            if self.layer_normalization
            else self._cut(operands.recurrent_bias),
            activation=backends.exact(self.activation),
            recurrent_activation=backends.exact(self.recurrent_activation),
            reset_after=self.reset_after,
            recurrent_dropout=operands.recurrent_dropout,
            normalize=normalization.normalizers(
                operands.gain, reset_after=self.reset_after
            ),
        )
        where = backends.current().where

        def body(
            h: Tensor,
            x: Tensor,
            mask: Tensor | None,
            reset: Tensor | None,
            kept: Tensor | None,
        ) -> tuple[Tensor, GateValues]:
            h = _start_anew(h, reset, operands.learned_state)
            values = gates(x, h)
            new = equations.update(values.z, h, values.n, self.update_gate)
            if self.zoneout:
                new = equations.zone_out(new, h, self._kept(kept))
            return (new if mask is None else where(mask, new, h)), values

        return body

    def backward_body(
        self, operands: Operands
    ) -> Callable[..., tuple[Tensor, tuple[Tensor, ...]]]:
        """(gradient of the state after a step, state before it, gates, its products
        if they are normalised, what is told).

        -> the gradient of the state before it, and what `collect` wants stacked: those
        of z, r, n and, with the reset after it, of U_n h + c_n; that of the learnt
        state if there is one.
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
            products: Tensor | None,
            mask: Tensor | None,
            reset: Tensor | None,
            kept: Tensor | None,
        ) -> tuple[Tensor, tuple[Tensor, ...]]:
            share = self._kept(kept)
            d_new = d * (1 - share) if self.zoneout else d
            d_h, *rest = gradient(
                d_new, h, values, unnormalize=self._unnormalize(operands, products)
            )
            if self.zoneout:
                d_h = d_h + d * share
            terms = present(rest)
            if mask is not None:
                zeros = ops.zeros_like(d)
                d_h = framework.where(mask, d_h, d)
                terms = [framework.where(mask, term, zeros) for term in terms]
            if operands.learned_state is not None:
                terms.append(framework.where(reset, d_h, ops.zeros_like(d_h)))
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
        d_learned = None
        if operands.learned_state is not None:
            terms, d_learned = terms[:-1], ops.sum(terms[-1], axis=(0, 1))
        d_z, d_r, d_n, *d_recurrent_n = terms
        recurrent = [d_z, d_r, *(d_recurrent_n or [d_n])]
        d_c = d_gain = None
        if operands.recurrent_bias is not None:
            d_c = concatenate([ops.sum(term, axis=(0, 1)) for term in recurrent])
        if operands.gain is not None:
            cut = self._cut_row
            rows = zip(
                cut(concatenate(recurrent)),
                cut(trace.products),
                cut(operands.gain),
                strict=True,
            )
            d_rows, d_gains = zip(
                *(normalization.gradient(*row) for row in rows), strict=True
            )
            recurrent = list(equations.split_gates(concatenate(list(d_rows))))
            d_gain = ops.sum(concatenate(list(d_gains)), axis=(0, 1))

        states = self._entering(operands, previous, trace.values.r)
        if len(states) == 1:
            recurrent = [concatenate(recurrent)]
        d_u = [_sum_of_products(*pair) for pair in zip(states, recurrent, strict=True)]
        d_x = concatenate([d_z, d_r, d_n])
        return Gradients(d_x, d_h0, _joined(d_u), d_c, d_learned, d_gain)

    def products(self, operands: Operands, previous: Tensor, r: Tensor) -> Tensor:
        """What the layer normalisation was given at each step: `Trace.products`."""
        states = self._entering(operands, previous, r)
        u = operands.recurrent_kernel
        blocks = (u,) if len(states) == 1 else equations.split_gates(u)
        return _joined([_product(*pair) for pair in zip(states, blocks, strict=True)])

    def _entering(
        self, operands: Operands, previous: Tensor, r: Tensor
    ) -> list[Tensor]:
        """What U multiplies, `(time, batch, units)`: one for all gates, or one each."""
        states = [previous * mask for mask in operands.recurrent_dropout]
        if self.reset_after:
            return states or [previous]
        s_z, s_r, s_n = states or [previous] * 3
        return [s_z, s_r, s_n * r]

    def _cut(self, weight: Tensor | None) -> tuple[Tensor, ...]:
        return equations.recurrent_blocks(
            weight, reset_after=self.reset_after, per_gate=self.recurrent_dropout
        )

    def _cut_row(self, row: Tensor | None) -> tuple[Tensor, ...]:
        """Cuts `(..., 3 * units)` into the rows that are normalised at a time."""
        return equations.recurrent_blocks(
            row, reset_after=self.reset_after, per_gate=False
        )

    def _kept(self, drawn: Tensor | None) -> Tensor | float:
        return self.zoneout if drawn is None else drawn

    def _unnormalize(
        self, operands: Operands, products: Tensor | None
    ) -> tuple[Activation, ...]:
        """For `gradients.step_gradient`."""
        return tuple(
            functools.partial(_row_gradient, product=product, gain=gain)
            for product, gain in zip(
                self._cut_row(products), self._cut_row(operands.gain), strict=True
            )
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

    Its arrays are the `Operands` that have `Gradients`, its constants the others; its
    one output is the states, `(time, batch, units)`.
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
        values = GateValues(*saved, *[None] * (4 - len(saved)))
        if d_states is None:
            d_states = ops.zeros_like(states)
        previous = ops.concatenate([operands.h0[None], states[:-1]], axis=0)
        previous = _start_anew(previous, operands.resets, operands.learned_state)
        products = None
        if operands.gain is not None:
            products = self.recurrence.products(operands, previous, values.r)
        trace = Trace(states, values, products)
        d_h0, terms = self.walk_back(
            self.recurrence, operands, trace, previous, d_states
        )
        return self.recurrence.collect(operands, trace, previous, d_h0, terms)

    def reference(self, arrays: Arrays, constants: Arrays) -> Tensors:
        return (self.recurrence.states(_operands(arrays, constants)),)


def _operands(arrays: Arrays, constants: Arrays) -> Operands:
    x, h0, u, c, learned_state, gain = arrays
    mask, resets, zoneout, *dropout = constants
    return Operands(
        *(x, h0, u, c, mask, resets),
        recurrent_dropout=tuple(dropout),
        learned_state=learned_state,
        gain=gain,
        zoneout=zoneout,
    )


def _start_anew(
    state: Tensor, resets: Tensor | None, learned_state: Tensor | None = None
) -> Tensor:
    """The state, or its gradient, with zeros or what is learnt where it starts anew."""
    if resets is None:
        return state
    if learned_state is None:
        return backends.zero_where(resets, state)
    return backends.current().where(resets, learned_state, state)


def present(optional: Sequence[Tensor | None]) -> list[Tensor]:
    """Those that there are."""
    return [tensor for tensor in optional if tensor is not None]


def spread(optional: Sequence[object], given: Sequence[Tensor]) -> list[Tensor | None]:
    """What `present` made of `optional`, or a step of each, in its places again."""
    following = iter(given)
    return [None if one is None else next(following) for one in optional]


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
        if flags is None:
            return None
        # Not flags[..., None], which LiteRT has not for bool.
        return time_major(ops.expand_dims(flags, -1), go_backwards)

    zoneout = tensors.zoneout_mask
    result = states(
        Operands(
            x=project_sequences(time_major(tensors.sequences, go_backwards), tensors),
            h0=tensors.initial_state,
            recurrent_kernel=tensors.recurrent_kernel,
            recurrent_bias=tensors.recurrent_bias,
            mask=by_step(tensors.mask),
            resets=by_step(tensors.resets),
            recurrent_dropout=tensors.recurrent_dropout_masks,
            learned_state=None if tensors.resets is None else tensors.learned_state,
            gain=tensors.recurrent_gain,
            zoneout=None if zoneout is None else time_major(zoneout, go_backwards),
        )
    )  # (time, batch, units)
    return SequenceResult(ops.transpose(result, (1, 0, 2)), result[-1])


def run_loops(
    loops: Loops, call: SequenceCall, tensors: SequenceTensors
) -> SequenceResult:
    """The same with the loops, which the framework can differentiate in every way."""
    differentiable = autodiff.on(call.surroundings.backend).differentiable

    def states(operands: Operands) -> Tensor:
        arrays = [getattr(operands, name) for name in Gradients._fields]
        constants = (*operands.told, *operands.recurrent_dropout)
        (states,) = differentiable(loops, arrays, constants)
        return states

    return run(states, tensors, call.go_backwards)


def _row_gradient(d: Tensor, product: Tensor, gain: Tensor) -> Tensor:
    return normalization.gradient(d, product, gain)[0]


def _joined(blocks: list[Tensor]) -> Tensor:
    return blocks[0] if len(blocks) == 1 else backends.current().concatenate(blocks)


def _product(states: Tensor, weight: Tensor) -> Tensor:
    """`(time, batch, units)` times `(units, k)`, as one product of two dimensions."""
    timesteps, batch, units = ops.shape(states)
    product = ops.reshape(states, (-1, units)) @ weight
    return ops.reshape(product, (timesteps, batch, weight.shape[-1]))


def _sum_of_products(states: Tensor, terms: Tensor) -> Tensor:
    """Σ over time and batch of stateᵀ term: `(units, k)`."""
    rows = ops.reshape(states, (-1, states.shape[-1]))
    return ops.transpose(rows) @ ops.reshape(terms, (-1, terms.shape[-1]))
