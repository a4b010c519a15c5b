"""JAX: a `Pass` that can be differentiated in every way.

Its rule for forward mode computes the outputs with the pass and binds their tangents to
a primitive, `gru_tangent`. In forward mode the primitive is the derivative of the
reference; in reverse mode JAX transposes it, and the transpose is `Pass.backward`. Both
may be differentiated again, by the reference.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
from jax import numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from keras_gru.autodiff import Arrays, Pass, Tensors
from keras_gru.equations import Tensor


@functools.partial(jax.jit, static_argnums=0)
def differentiable(function: Pass, arrays: Arrays, constants: Arrays) -> Tensors:
    """The outputs of the pass. Compiled, so that eager calls trace no loop anew."""
    return _outputs(function, tuple(arrays), tuple(constants))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _outputs(function: Pass, arrays: Arrays, constants: Arrays) -> Tensors:
    return function.forward(arrays, constants, save=False)[0]


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _outputs_and_saved(
    function: Pass, arrays: Arrays, constants: Arrays
) -> tuple[Tensors, Tensors]:
    return function.forward(arrays, constants, save=True)


def _outputs_rule(function: Pass, primals: Any, tangents: Any) -> Any:
    outputs, saved = _outputs_and_saved(function, *primals)
    return outputs, _tangents(function, primals, outputs, saved, tangents[0])


def _outputs_and_saved_rule(function: Pass, primals: Any, tangents: Any) -> Any:
    outputs, saved = _outputs_and_saved(function, *primals)
    moved = _tangents(function, primals, outputs, saved, tangents[0])
    # What is saved is read by `backward` alone, whose derivative does not ask for it.
    return (outputs, saved), (moved, jax.tree.map(jnp.zeros_like, saved))


_outputs.defjvp(_outputs_rule, symbolic_zeros=True)
_outputs_and_saved.defjvp(_outputs_and_saved_rule, symbolic_zeros=True)


def _tangents(
    function: Pass, primals: Any, outputs: Tensors, saved: Tensors, tangents: Arrays
) -> Tensors:
    """The tangents of the outputs, bound to the primitive."""
    moving = tuple(
        index
        for index, tangent in enumerate(tangents)
        if tangent is not None and not isinstance(tangent, SymbolicZero)
    )
    if not moving:
        return tuple(map(jnp.zeros_like, outputs))
    operands, tree = jax.tree.flatten((*primals, outputs, saved))
    return tuple(
        _tangent.bind(
            *operands,
            *(tangents[index] for index in moving),
            function=function,
            tree=tree,
            moving=moving,
        )
    )


_tangent = Primitive("gru_tangent")
_tangent.multiple_results = True


def _by_reference(
    *operands: Tensor, function: Pass, tree: Any, moving: tuple[int, ...]
) -> Tensors:
    """The tangents of the outputs, by the reference."""
    split = tree.num_leaves
    arrays, constants, _, _ = tree.unflatten(operands[:split])
    _, tangents = jax.jvp(
        _reference(function, arrays, constants, moving),
        tuple(arrays[index] for index in moving),
        tuple(operands[split:]),
    )
    return tangents


def _reference(
    function: Pass, arrays: Arrays, constants: Arrays, moving: Sequence[int]
) -> Any:
    """The reference, as a function of the arrays of the indices `moving` alone."""

    def outputs(*moved: Tensor) -> Tensors:
        given = list(arrays)
        for index, array in zip(moving, moved, strict=True):
            given[index] = array
        return function.reference(given, constants)

    return outputs


def _shapes(*operands: Any, tree: Any, **_: Any) -> Any:
    _, _, outputs, _ = tree.unflatten(operands[: tree.num_leaves])
    return outputs


def _differentiate_again(primals: Any, tangents: Any, **parameters: Any) -> Any:
    tangents = [ad.instantiate_zeros(tangent) for tangent in tangents]
    function = functools.partial(_by_reference, **parameters)
    return jax.jvp(function, tuple(primals), tuple(tangents))


def _transpose(
    cotangents: Any,
    *operands: Any,
    function: Pass,
    tree: Any,
    moving: tuple[int, ...],
) -> list[Tensor | None]:
    arrays, constants, outputs, saved = tree.unflatten(operands[: tree.num_leaves])
    incoming = tuple(
        None if isinstance(cotangent, ad.Zero) else cotangent
        for cotangent in cotangents
    )
    gradients = _gradient(function, moving, arrays, constants, outputs, saved, incoming)
    return [None] * tree.num_leaves + list(gradients)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _gradient(
    function: Pass,
    moving: tuple[int, ...],
    arrays: Arrays,
    constants: Arrays,
    outputs: Tensors,
    saved: Tensors,
    cotangents: Arrays,
) -> Tensors:
    """The gradients of the arrays of the indices `moving`."""
    wanted = [index in moving for index in range(len(arrays))]
    gradients = function.backward(arrays, constants, outputs, saved, cotangents, wanted)
    return tuple(gradients[index] for index in moving)


@_gradient.defjvp
def _gradient_rule(
    function: Pass, moving: tuple[int, ...], primals: Any, tangents: Any
) -> Any:
    arrays, constants, outputs, _, cotangents = primals

    def by_reference(arrays: Arrays, cotangents: Arrays) -> Tensors:
        _, gradient = jax.vjp(
            _reference(function, arrays, constants, moving),
            *(arrays[index] for index in moving),
        )
        return gradient(
            tuple(
                jnp.zeros_like(output) if cotangent is None else cotangent
                for output, cotangent in zip(outputs, cotangents, strict=True)
            )
        )

    _, moved = jax.jvp(by_reference, (arrays, cotangents), (tangents[0], tangents[4]))
    return _gradient(function, moving, *primals), moved


def _one_by_one(operands: Any, dimensions: Any, **parameters: Any) -> Any:
    """Under `vmap`: as with the calls of the C++ kernel, one after the other."""
    stacked = [
        jnp.moveaxis(operand, dimension, 0)
        for operand, dimension in zip(operands, dimensions, strict=True)
        if dimension is not None
    ]

    def one(slices: list[Tensor]) -> list[Tensor]:
        mapped = iter(slices)
        given = [
            operand if dimension is None else next(mapped)
            for operand, dimension in zip(operands, dimensions, strict=True)
        ]
        return _tangent.bind(*given, **parameters)

    results = jax.lax.map(one, stacked)
    return results, [0] * len(results)


_tangent.def_impl(_by_reference)
_tangent.def_abstract_eval(_shapes)
mlir.register_lowering(_tangent, mlir.lower_fun(_by_reference, multiple_results=True))
ad.primitive_jvps[_tangent] = _differentiate_again
ad.primitive_transposes[_tangent] = _transpose
batching.primitive_batchers[_tangent] = _one_by_one
