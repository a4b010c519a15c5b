"""TensorFlow: two `while_loop`s, forward and backward, as one custom gradient.

The loops are graphs of their own (`tf.function`), so that eager code runs them
without a step of Python, and a compiled model (`jit_compile=True`) compiles them
with the rest.
"""

from __future__ import annotations

import functools
from typing import Any

from keras_gru.equations import GateValues, Tensor
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.recurrence import Operands, Recurrence, Trace


def refusal(call: SequenceCall) -> str | None:
    """The reasons of all scans; it runs in graphs, compiled or not, and eagerly."""
    return recurrence.refusal(call, "tensorflow")


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    return recurrence.run(_states, call, tensors)


def _states(recurrence: Recurrence, operands: Operands) -> Tensor:
    import tensorflow as tf

    forward, backward = _passes(operands.h0.shape[-1])
    differentiable = 4 if operands.recurrent_bias is not None else 3

    @tf.custom_gradient
    def states(*arguments: Tensor) -> Any:
        here = Operands(*arguments, *operands[differentiable:])
        trace = forward(recurrence, here)

        def gradient(d_states: Tensor) -> Any:
            return tuple(backward(recurrence, here, trace, d_states)[:differentiable])

        return trace.states, gradient

    return states(*operands[:differentiable])


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
    def forward(recurrence: Recurrence, operands: Operands) -> Trace:
        body = recurrence.forward_body(operands)

        def step(h: Tensor, x: Tensor, mask: Tensor | None = None) -> Any:
            h, values = body(h, x, mask)
            return h, (h, *(v for v in values if v is not None))

        inputs = [operands.x] if operands.mask is None else [operands.x, operands.mask]
        count = 5 if recurrence.reset_after else 4
        _, (states, *values) = scan(step, operands.h0, inputs, count, reverse=False)
        return Trace(states, GateValues(*values, *[None] * (5 - count)))

    @tf.function(autograph=False, reduce_retracing=True)
    def backward(
        recurrence: Recurrence, operands: Operands, trace: Trace, d_states: Tensor
    ) -> Any:
        body = recurrence.backward_body(operands)
        previous = tf.concat([operands.h0[None], trace.states[:-1]], axis=0)
        count = 4 if recurrence.reset_after else 3

        def step(d: Tensor, d_state: Tensor, h: Tensor, *rest: Tensor) -> Any:
            values = GateValues(*rest[:count], *[None] * (4 - count))
            mask = None if operands.mask is None else rest[count]
            return body(d + d_state, h, values, mask)

        inputs = [d_states, previous, *(v for v in trace.values if v is not None)]
        if operands.mask is not None:
            inputs.append(operands.mask)
        d_h0, terms = scan(
            step, tf.zeros_like(operands.h0), inputs, count, reverse=True
        )
        return recurrence.collect(operands, trace, previous, d_h0, tuple(terms))

    return forward, backward
