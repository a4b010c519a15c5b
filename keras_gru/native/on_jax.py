"""The C++ GRU inside JAX programs: a custom call of XLA with its own gradient."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from keras_gru.equations import Tensor
from keras_gru.native import library
from keras_gru.native.library import Options


def refusal() -> str | None:
    """Why JAX, as it stands at this moment, cannot call the library."""
    platform = jax.default_backend()
    if platform != "cpu":
        return f"it runs on the CPU, and JAX computes on {platform!r}"
    return None


def run(
    options: Options,
    sequences: Tensor,
    weights: tuple[Tensor | None, ...],
    mask: Tensor | None,
    return_states: bool,
) -> tuple[Tensor | None, Tensor]:
    """Runs all steps; differentiable once, in reverse, in jit or out of it.

    Args:
        options: the convention.
        sequences: `(batch, time, features)`, or `(batch, time, 3 * units)` where the
            kernel is None and they are projected already.
        weights: kernel, input bias, initial state, recurrent kernel and recurrent
            bias; kernel and biases may be None.
        mask: `(batch, time)` bool, or None.
        return_states: whether the states of all steps are wanted.

    Returns:
        The states `(batch, time, units)` or None, and the final state.
    """
    _register()
    dtype = sequences.dtype
    present = (_absent(dtype) if weight is None else weight for weight in weights)
    used = _absent(bool) if mask is None else mask
    arrays = Arrays._make([sequences, *present, used])
    states, final_state = _gru(options, return_states, arrays)
    return (states if return_states else None), final_state


class Arrays(NamedTuple):
    """The operands of the forward call; without elements: absent."""

    sequences: Tensor
    kernel: Tensor
    input_bias: Tensor
    initial_state: Tensor
    recurrent_kernel: Tensor
    recurrent_bias: Tensor
    mask: Tensor


@functools.cache
def _register() -> None:
    """Makes the two handlers known to XLA, once a process."""
    for name in ("gru_xla_forward", "gru_xla_backward"):
        handler = getattr(library.library(), name)
        capsule = jax.ffi.pycapsule(ctypes.cast(handler, ctypes.c_void_p).value)
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _gru(
    options: Options, return_states: bool, arrays: Arrays
) -> tuple[Tensor, Tensor]:
    states, final_state, _ = _forward(options, arrays, return_states, save=False)
    return states, final_state


@jax.tree_util.register_static
class _Perturbed(tuple[bool, ...]):
    """Which arrays a gradient is wanted of: part of the program, not of its data."""


def _gru_forward(
    options: Options, return_states: bool, arrays: Arrays
) -> tuple[tuple[Tensor, Tensor], Any]:
    # With symbolic zeros each leaf comes with the word whether it is perturbed.
    perturbed = _Perturbed(array.perturbed for array in arrays[:-1])
    values = Arrays(*(array.value for array in arrays))
    states, final_state, saved = _forward(options, values, True, save=True)
    outputs = states if return_states else _absent(states.dtype), final_state
    return outputs, (values, states, saved, perturbed)


def _gru_backward(
    options: Options, return_states: bool, residuals: Any, gradients: Any
) -> tuple[Arrays]:
    arrays, states, saved, perturbed = residuals
    dtype = states.dtype
    incoming = [
        _absent(dtype)
        if isinstance(gradient, jax.custom_derivatives.SymbolicZero)
        else gradient
        for gradient in gradients
    ]
    if not return_states:
        incoming[0] = _absent(dtype)
    shapes = [
        jax.ShapeDtypeStruct(array.shape if wanted else (0,), dtype)
        for array, wanted in zip(arrays[:-1], perturbed, strict=True)
    ]
    operands = (
        *(arrays.sequences, arrays.kernel, arrays.initial_state),
        *(arrays.recurrent_kernel, arrays.mask, states, saved, *incoming),
    )
    results = _call("gru_xla_backward", shapes, operands, options)
    given = (
        result if wanted else None
        for result, wanted in zip(results, perturbed, strict=True)
    )
    return (Arrays._make([*given, None]),)


_gru.defvjp(_gru_forward, _gru_backward, symbolic_zeros=True)


def _forward(
    options: Options, arrays: Arrays, return_states: bool, save: bool
) -> tuple[Tensor, Tensor, Tensor]:
    sequences, initial_state = arrays.sequences, arrays.initial_state
    batch, timesteps, _ = sequences.shape
    dtype, units = sequences.dtype, initial_state.shape[1]
    problem = options.problem(str(dtype), sequences.shape, units, _threads())
    shapes = [
        (batch, timesteps, units) if return_states else (0,),
        (batch, units),
        (library.saved_size(problem) if save else 0,),
    ]
    results = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    states, final_state, saved = _call("gru_xla_forward", results, arrays, options)
    return states, final_state, saved


def _call(
    target: str,
    shapes: Sequence[jax.ShapeDtypeStruct],
    operands: Sequence[Tensor],
    options: Options,
) -> list[Tensor]:
    """The custom call, which tells what to do where JAX would differentiate it."""
    attribute = np.asarray(options.as_integers(_threads()), np.int64)

    @jax.custom_jvp
    def call(*operands: Tensor) -> list[Tensor]:
        custom_call = jax.ffi.ffi_call(target, shapes, vmap_method="sequential")
        results: list[Tensor] = custom_call(*operands, options=attribute)
        return results

    @call.defjvp
    def _(primals: Any, tangents: Any) -> None:
        raise NotImplementedError(library.NO_SECOND_DERIVATIVE)

    results: list[Tensor] = call(*operands)
    return results


def _threads() -> int:
    # XLA on the CPU takes all processors of the process, and so does the call.
    return library.available_processors()


def _absent(dtype: Any) -> Tensor:
    return jnp.zeros((0,), dtype)
