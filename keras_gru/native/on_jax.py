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
from keras_gru.native.library import Options


def forward(
    options: Options,
    arrays: Arrays,
    mask: Tensor | None,
    resets: Tensor | None,
    dropout: Tensor | None,
    return_states: bool,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs all steps; arguments and results are those of `on_torch.forward`.

    What is not wanted has no elements.
    """
    sequences, _, _, initial_state, _, _ = arrays
    assert sequences is not None
    assert initial_state is not None
    batch, timesteps, _ = sequences.shape
    dtype, units = sequences.dtype, initial_state.shape[1]
    problem = options.problem(str(dtype), sequences.shape, units, _threads())
    shapes = [
        (batch, timesteps, units) if return_states else (0,),
        (batch, units),
        (library.saved_size(problem) if save else 0,),
    ]
    results = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    flags = _all((mask, resets), bool)
    operands = (*_all(arrays, dtype), *flags, _there(dropout, dtype))
    states, final_state, saved = _call("gru_xla_forward", results, operands, options)
    return states, final_state, saved


def backward(
    options: Options,
    arrays: Arrays,
    mask: Tensor | None,
    resets: Tensor | None,
    dropout: Tensor | None,
    states: Tensor,
    saved: Tensor,
    cotangents: Arrays,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the wanted arrays; arguments as those of `on_torch.backward`."""
    dtype = states.dtype
    sequences, kernel, _, initial_state, recurrent_kernel, _ = _all(arrays, dtype)
    shapes = [
        jax.ShapeDtypeStruct(array.shape if want and array is not None else (0,), dtype)
        for array, want in zip(arrays, wanted, strict=True)
    ]
    operands = (
        *(sequences, kernel, initial_state, recurrent_kernel),
        *(*_all((mask, resets), bool), _there(dropout, dtype)),
        *(states, saved, *_all(cotangents, dtype)),
    )
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
    options: Options,
) -> list[Tensor]:
    _register()
    custom_call = jax.ffi.ffi_call(target, shapes, vmap_method="sequential")
    results: list[Tensor] = custom_call(
        *operands, options=np.asarray(options.as_integers(_threads()), np.int64)
    )
    return results


def _threads() -> int:
    # XLA on the CPU takes all processors of the process, and so does the call.
    return library.available_processors()


def _all(arrays: Arrays, dtype: Any) -> list[Tensor]:
    return [_there(array, dtype) for array in arrays]


def _there(array: Tensor | None, dtype: Any) -> Tensor:
    """The array, or one without elements, which stands for None."""
    return jnp.zeros((0,), dtype) if array is None else array
