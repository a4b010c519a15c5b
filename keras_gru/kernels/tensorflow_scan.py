"""TensorFlow: two `while_loop`s, forward and backward, with a gradient of their own.

The loops are graphs of their own (`tf.function`), so that eager code runs them
without a step of Python, and a compiled model (`jit_compile=True`) compiles them
with the rest.
"""

from __future__ import annotations

import functools
from typing import Any

from keras_gru import autodiff, equations
from keras_gru.equations import GateValues, Tensor
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import (
    Loops,
    Operands,
    Recurrence,
    Trace,
    present,
    spread,
)

DERIVATIVES = autodiff.ONCE

ABILITIES = recurrence.abilities("tensorflow")

refusal = ABILITIES.lacks


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    loops = Loops(Recurrence.of(call), _walk, _walk_back, call.training)
    return recurrence.run_loops(loops, call, tensors)


def _walk(recurrence: Recurrence, operands: Operands, save: bool) -> Trace:
    forward, _ = _passes(operands.h0.shape[-1])
    trace: Trace = forward(recurrence, operands, save)
    return trace


def _walk_back(
    recurrence: Recurrence,
    operands: Operands,
    trace: Trace,
    previous: Tensor,
    d_states: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    _, backward = _passes(operands.h0.shape[-1])
    d_h0, terms = backward(recurrence, operands, trace, previous, d_states)
    return d_h0, tuple(terms)


@functools.cache
def _passes(units: int) -> tuple[Any, Any]:
    """The forward and the backward pass; TensorFlow imported late.

    A pair for each number of units: relaxing shapes must not forget that one.
    """
    import tensorflow as tf

    def scan(
        step: Any, state: Tensor, inputs: list[Tensor], count: int, reverse: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """The last state, and the `count` outputs of each step stacked over time."""
        timesteps = tf.shape(inputs[0])[0]
        arrays = [
            tf.TensorArray(x.dtype, timesteps, element_shape=x.shape[1:]).unstack(x)
            for x in inputs
        ]
        results = tuple(
            tf.TensorArray(state.dtype, timesteps, element_shape=state.shape)
            for _ in range(count)
        )

        def body(t: Tensor, state: Tensor, results: Any) -> Any:
            now = timesteps - 1 - t if reverse else t
            state, outputs = step(state, *(array.read(now) for array in arrays))
            return (
                t + 1,
                state,
                tuple(r.write(now, o) for r, o in zip(results, outputs, strict=True)),
            )

        _, state, results = tf.while_loop(
            lambda t, *_: t < timesteps,
            body,
            (tf.constant(0), state, results),
            maximum_iterations=timesteps,
        )
        return state, [result.stack() for result in results]

    # A pass traced once serves every call of the same convention and shapes.
    @tf.function(autograph=False, reduce_retracing=True)
    def forward(recurrence: Recurrence, operands: Operands, save: bool) -> Trace:
        body = recurrence.forward_body(operands)

        def step(h: Tensor, z: Tensor, r: Tensor, n: Tensor, *told: Tensor) -> Any:
            h, values = body(h, (z, r, n), *spread(operands.told, told))
            return h, (h, *present(values))[:count]

        # Cut before the loop: XLA reads a block of one array in each step as slowly as
        # it multiplies.
        inputs = [*equations.split_gates(operands.x), *present(operands.told)]
        count = (5 if recurrence.reset_after else 4) if save else 1
        _, (states, *values) = scan(step, operands.h0, inputs, count, reverse=False)
        return Trace(states, GateValues(*values, *[None] * (5 - count)))

    @tf.function(autograph=False, reduce_retracing=True)
    def backward(
        recurrence: Recurrence,
        operands: Operands,
        trace: Trace,
        previous: Tensor,
        d_states: Tensor,
    ) -> Any:
        body = recurrence.backward_body(operands)
        count = 4 if recurrence.reset_after else 3
        count += operands.learned_state is not None
        optional = (*trace.values, trace.products, *operands.told)

        def step(d: Tensor, d_state: Tensor, h: Tensor, *given: Tensor) -> Any:
            z, r, n, recurrent_n, *told = spread(optional, given)
            return body(d + d_state, h, GateValues(z, r, n, recurrent_n), *told)

        inputs = [d_states, previous, *present(optional)]
        return scan(step, tf.zeros_like(operands.h0), inputs, count, reverse=True)

    return forward, backward
