"""TensorFlow: a `Pass` that can be differentiated in every way.

Forward mode is TensorFlow's own: it differentiates the gradient once more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from keras_gru.autodiff import Arrays, Pass, Tensors
from keras_gru.equations import Tensor

ZERO = tf.UnconnectedGradients.ZERO

Differentiate: TypeAlias = Callable[
    [Callable[[list[Tensor]], list[Tensor]], list[Tensor], list[Tensor]], list[Tensor]
]
"""(function, its arguments, gradients of its results) -> gradients of the arguments."""


def differentiable(function: Pass, arrays: Arrays, constants: Arrays) -> Tensors:
    """The outputs of the pass."""
    wanted = [array is not None for array in arrays]

    @tf.custom_gradient
    def run(*tensors: Tensor) -> Any:
        stopped = _spread(_stopped(tensors), wanted)
        outputs, saved = function.forward(stopped, constants, save=function.training)

        def gradient(*cotangents: Tensor) -> Tensors:
            given, results, kept = _spread(tensors, wanted), outputs, saved
            if not function.training:  # nothing was saved, since no gradient was due
                results, kept = function.forward(stopped, constants, save=True)
            return gradients(
                function, given, constants, results, kept, cotangents, wanted
            )

        return outputs, gradient

    outputs: Tensors = run(*_present(arrays))
    return outputs


def gradients(
    function: Pass,
    arrays: Arrays,
    constants: Arrays,
    outputs: Tensors,
    saved: Tensors,
    cotangents: Arrays,
    wanted: Sequence[bool],
) -> Tensors:
    """The gradients of the wanted arrays by `Pass.backward`.

    Their own gradient, of any order, is that of the reference.
    """
    present = tuple(array is not None for array in arrays)
    incoming = tuple(cotangent is not None for cotangent in cotangents)
    split = sum(present)

    @tf.custom_gradient
    def first_order(*tensors: Tensor) -> Any:
        stopped = _stopped(tensors)
        gradients = function.backward(
            _spread(stopped[:split], present),
            constants,
            tuple(_stopped(outputs)),
            tuple(_stopped(saved)),
            _spread(stopped[split:], incoming),
            wanted,
        )

        def gradient(*upstream: Tensor) -> list[Tensor]:
            pattern = function, present, incoming, tuple(wanted)
            given = list(tensors), list(constants), list(upstream)
            if tf.executing_eagerly():
                results: list[Tensor] = _compiled(*pattern)(*given)
                return results
            return _second_order(*pattern, _by_tape, given)

        return _present(gradients), gradient

    results: Tensors = first_order(*_present(arrays), *_present(cotangents))
    return results


def _second_order(
    function: Pass,
    present: Sequence[bool],
    incoming: Sequence[bool],
    wanted: Sequence[bool],
    differentiate: Differentiate,
    given: tuple[list[Tensor], Arrays, list[Tensor]],
) -> list[Tensor]:
    """The gradient of the gradient, by the reference.

    Args:
        function: the pass.
        present, incoming, wanted: which arrays and cotangents there are, and of which
            arrays the gradient was taken.
        differentiate: how to take a gradient here.
        given: the arrays and cotangents that there are, the constants, and the
            gradients of the first gradients.
    """
    tensors, constants, upstream = given
    split = sum(present)

    def first_order(tensors: list[Tensor]) -> list[Tensor]:
        arrays = _spread(tensors[:split], present)

        def outputs(sources: list[Tensor]) -> list[Tensor]:
            following = iter(sources)
            moved = [
                next(following) if want else array
                for array, want in zip(arrays, wanted, strict=True)
            ]
            results = function.reference(moved, constants)
            return [r for r, there in zip(results, incoming, strict=True) if there]

        sources = [array for array, want in zip(arrays, wanted, strict=True) if want]
        return differentiate(outputs, sources, tensors[split:])

    return differentiate(first_order, tensors, upstream)


def _by_tape(
    function: Callable[[list[Tensor]], list[Tensor]],
    sources: list[Tensor],
    upstream: list[Tensor],
) -> list[Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(sources)
        results = function(sources)
    gradients: list[Tensor] = tape.gradient(
        results, sources, upstream, unconnected_gradients=ZERO
    )
    return gradients


def _in_graph(
    function: Callable[[list[Tensor]], list[Tensor]],
    sources: list[Tensor],
    upstream: list[Tensor],
) -> list[Tensor]:
    # New tensors: of those given, one may have been computed from another.
    sources = [tf.identity(source) for source in sources]
    gradients: list[Tensor] = tf.gradients(
        function(sources), sources, upstream, unconnected_gradients=ZERO
    )
    return gradients


@functools.cache
def _compiled(
    function: Pass,
    present: tuple[bool, ...],
    incoming: tuple[bool, ...],
    wanted: tuple[bool, ...],
) -> Any:
    """`_second_order` as a graph of its own, for eager code.

    Eager code would run the loops step by step, and no tape records inside a gradient
    that is taken in forward mode.
    """
    return tf.function(
        lambda *given: _second_order(
            function, present, incoming, wanted, _in_graph, given
        ),
        autograph=False,
        reduce_retracing=True,
    )


def _stopped(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same to compute with: what a `custom_gradient` does inside is still recorded,
    and forward mode would ask for the derivative of each operation."""
    return [tf.stop_gradient(tensor) for tensor in tensors]


def _present(arrays: Arrays) -> list[Tensor]:
    return [array for array in arrays if array is not None]


def _spread(tensors: Sequence[Tensor], there: Sequence[bool]) -> list[Tensor | None]:
    """The tensors in their places, None in the others: undoes `_present`."""
    following = iter(tensors)
    return [next(following) if is_there else None for is_there in there]
