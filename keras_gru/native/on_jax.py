"""The C++ GRU inside JAX programs: a custom call of XLA."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from keras_gru.autodiff import Arrays
from keras_gru.autodiff.on_jax import differentiable as differentiable
from keras_gru.equations import Tensor
from keras_gru.native import library
from keras_gru.native.function import ARRAYS, CONSTANTS, each_pass
from keras_gru.native.library import Options


def forward(
    options: Sequence[Options],
    arrays: Arrays,
    constants: Arrays,
    return_states: bool,
    save: bool,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Runs all steps; arguments and results are those of `on_torch.forward`.

    What is not wanted has no elements.
    """
    sequences, initial_state = arrays[0], arrays[3]
    assert sequences is not None
    assert initial_state is not None
    batch, timesteps, _ = sequences.shape
    dtype, units, passes = sequences.dtype, initial_state.shape[1], len(options)
    sizes = [
        library.saved_size(
            one.problem(str(dtype), given[0].shape, units, _threads())  # type: ignore[union-attr]
        )
        for one, given in zip(options, each_pass(arrays, ARRAYS), strict=True)
    ]
    shapes = [
        (batch, timesteps, passes * units) if return_states else (0,),
        *[(batch, units)] * passes,
        *((size if save else 0,) for size in sizes),
    ]
    results = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    operands = [
        operand
        for given, more in zip(
            each_pass(arrays, ARRAYS), each_pass(constants, CONSTANTS), strict=True
        )
        for operand in (*_all(given, dtype), *_constants(more, dtype))
    ]
    states, *others = _call("gru_xla_forward", results, operands, options)
    return states, others[:passes], others[passes:]


def backward(
    options: Sequence[Options],
    arrays: Arrays,
    constants: Arrays,
    states: Tensor,
    saved: Sequence[Tensor],
    cotangents: Arrays,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the wanted arrays; arguments as those of `on_torch.backward`."""
    dtype = states.dtype
    shapes = [
        jax.ShapeDtypeStruct(array.shape if want and array is not None else (0,), dtype)
        for array, want in zip(arrays, wanted, strict=True)
    ]
    operands = []
    for given, more in zip(
        each_pass(arrays, ARRAYS), each_pass(constants, CONSTANTS), strict=True
    ):
        sequences, kernel, _, initial_state, recurrent_kernel, _ = _all(given, dtype)
        operands += [sequences, kernel, initial_state, recurrent_kernel]
        operands += _constants(more, dtype)
    operands += [states, *saved, *_all(cotangents, dtype)]
    gradients = _call("gru_xla_backward", shapes, operands, options)
    return [
        gradient if want and array is not None else None
        for gradient, array, want in zip(gradients, arrays, wanted, strict=True)
    ]


@functools.cache
def _register() -> None:
    """Makes the two handlers known to XLA, once a process."""
    for name in ("gru_xla_forward", "gru_xla_backward"):
        handler = getattr(library.library(), name)
        capsule = jax.ffi.pycapsule(ctypes.cast(handler, ctypes.c_void_p).value)
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")


def _call(
    target: str,
    shapes: Sequence[jax.ShapeDtypeStruct],
    operands: Sequence[Tensor],
    options: Sequence[Options],
) -> list[Tensor]:
    _register()
    custom_call = jax.ffi.ffi_call(target, shapes, vmap_method="sequential")
    integers = [one.as_integers(_threads()) for one in options]
    results: list[Tensor] = custom_call(
        *operands, options=np.asarray(integers, np.int64).ravel()
    )
    return results


def _threads() -> int:
    # XLA on the CPU takes all processors of the process, and so does the call.
    return library.available_processors()


def _constants(constants: Arrays, dtype: Any) -> list[Tensor]:
    mask, resets, dropout = constants
    return [*_all((mask, resets), bool), _there(dropout, dtype)]


def _all(arrays: Arrays, dtype: Any) -> list[Tensor]:
    return [_there(array, dtype) for array in arrays]


def _there(array: Tensor | None, dtype: Any) -> Tensor:
    """The array, or one without elements, which stands for None."""
    return jnp.zeros((0,), dtype) if array is None else array
