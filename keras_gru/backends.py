"""The few operations that must be a framework's own, for each Keras backend.

`keras.ops` would do for most of them, were it not for float64: on JAX and torch
some of its functions promote to the default float type and so work in float32
inside. The operations here leave the dtype alone. A framework is imported when
its backend is first asked for, and no other one is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import keras

from keras_gru import surroundings
from keras_gru.equations import Activation, Tensor

Advance = Callable[[Tensor, tuple[Tensor, ...]], Tensor]
"""(state, what enters at this step) -> the next state."""


class Backend(Protocol):
    """What `portable` needs of a framework."""

    def activations(self) -> dict[Activation, Activation]:
        """Keras' function -> the framework's own, exact in every dtype."""

    def where(self, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """x where the condition holds, else y; no promotion."""

    def concatenate(self, tensors: list[Tensor]) -> Tensor:
        """Side by side along the last axis."""

    def scan(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        """The states after each step, `(time, ...)`; `steps` are time-major."""

    def unrolled_scan(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        """The same with the loop written out, one copy of the body a step."""


class TensorFlow:
    def __init__(self) -> None:
        import tensorflow as tf

        self.tf = tf

    def activations(self) -> dict[Activation, Activation]:
        tf = self.tf
        return {
            keras.activations.tanh: tf.math.tanh,
            keras.activations.sigmoid: tf.math.sigmoid,
            keras.activations.relu: tf.nn.relu,
            keras.activations.softplus: tf.math.softplus,
            keras.activations.softsign: tf.math.softsign,
        }

    def where(self, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self.tf.where(condition, x, y)

    def concatenate(self, tensors: list[Tensor]) -> Tensor:
        return self.tf.concat(tensors, axis=-1)

    def scan(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        if surroundings.exporting_litert():
            return self._scan_of_litert(advance, state, steps)
        return self.tf.scan(advance, steps, initializer=state)

    def _scan_of_litert(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        """The same without lists of tensors.

        LiteRT has none of its own for a free batch or length, and would need the
        operations of TensorFlow ("Flex") beside its own.
        """
        tf = self.tf
        timesteps = tf.shape(steps[0])[0]

        def body(t: Tensor, state: Tensor, states: Tensor) -> tuple[Tensor, ...]:
            state = advance(state, tuple(tf.gather(step, t) for step in steps))
            return t + 1, state, tf.tensor_scatter_nd_update(states, [[t]], state[None])

        shape = tf.concat([[timesteps], tf.shape(state)], axis=0)
        none = tf.zeros(shape, state.dtype)  # (time, batch, units)
        return tf.while_loop(lambda t, *_: t < timesteps, body, [0, state, none])[2]

    def unrolled_scan(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        return self.tf.stack(_python_loop(advance, state, map(self.tf.unstack, steps)))


class Jax:
    def __init__(self) -> None:
        import jax

        self.jax = jax

    def activations(self) -> dict[Activation, Activation]:
        jax = self.jax
        return {
            keras.activations.tanh: jax.numpy.tanh,
            keras.activations.sigmoid: jax.nn.sigmoid,
            keras.activations.relu: jax.nn.relu,
            keras.activations.softplus: jax.nn.softplus,
            keras.activations.softsign: jax.nn.soft_sign,
        }

    def where(self, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self.jax.numpy.where(condition, x, y)

    def concatenate(self, tensors: list[Tensor]) -> Tensor:
        return self.jax.numpy.concatenate(tensors, axis=-1)

    def scan(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        def body(state: Tensor, step: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            state = advance(state, step)
            return state, state

        return self.jax.lax.scan(body, state, steps)[1]

    def unrolled_scan(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        return self.jax.numpy.stack(_python_loop(advance, state, steps))


class Torch:
    def __init__(self) -> None:
        import torch

        self.torch = torch

    def activations(self) -> dict[Activation, Activation]:
        torch = self.torch
        return {
            keras.activations.tanh: torch.tanh,
            keras.activations.sigmoid: torch.sigmoid,
            keras.activations.relu: torch.nn.functional.relu,
            keras.activations.softplus: torch.nn.functional.softplus,
            keras.activations.softsign: torch.nn.functional.softsign,
            # torch's hardsigmoid has the slope 1/6 of float32 in its gradient.
            keras.activations.hard_sigmoid: (
                lambda x: torch.nn.functional.relu6(x + 3) / 6
            ),
        }

    def where(self, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self.torch.where(condition, x, y)

    def concatenate(self, tensors: list[Tensor]) -> Tensor:
        return self.torch.cat(tensors, dim=-1)

    def scan(
        self, advance: Advance, state: Tensor, steps: tuple[Tensor, ...]
    ) -> Tensor:
        # unbind, not indexing: the gradient of an index is a whole zero tensor,
        # which would make the backward pass quadratic in time.
        unbound = (step.unbind(0) for step in steps)
        return self.torch.stack(_python_loop(advance, state, unbound))

    # torch runs every loop in Python: nothing is left to write out.
    unrolled_scan = scan


def _python_loop(
    advance: Advance, state: Tensor, sequences: Iterable[Iterable[Tensor]]
) -> list[Tensor]:
    """The states after each step; `sequences` iterate over time."""
    states = []
    for step in zip(*sequences, strict=True):
        state = advance(state, step)
        states.append(state)
    return states


BACKENDS: dict[str, type[Backend]] = {
    "tensorflow": TensorFlow,
    "jax": Jax,
    "torch": Torch,
}


_running: dict[str, Backend] = {}


def current() -> Backend:
    """The backend that Keras runs on.

    Raises:
        ValueError: Keras runs on a backend other than tensorflow, jax and torch.
    """
    name = keras.backend.backend()
    if name not in BACKENDS:
        raise ValueError(
            f"keras_gru does not run on the Keras backend {name!r}. Expected one "
            f"of {sorted(BACKENDS)}: set the environment variable KERAS_BACKEND "
            "before keras is imported."
        )
    # Not functools.cache, which torch.compile warns of.
    if name not in _running:
        _running[name] = BACKENDS[name]()
    return _running[name]


def zero_where(condition: Tensor, tensor: Tensor) -> Tensor:
    """The tensor, with zeros where the condition holds."""
    return current().where(condition, keras.ops.zeros_like(tensor), tensor)


def trace() -> Any:
    """Which of JAX's traces the caller runs in, a loop's for one; else None."""
    if keras.backend.backend() != "jax":
        return None
    from jax.extend.core import get_opaque_trace_state

    return get_opaque_trace_state(convention="flax")


def exact(activation: Activation) -> Activation:
    """The framework's own function for a Keras activation; others as they are."""
    return current().activations().get(activation, activation)
