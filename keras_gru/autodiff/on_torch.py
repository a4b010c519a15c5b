"""torch: a `Pass` that can be differentiated in every way.

Two autograd functions, the pass and its gradient. Each has a rule for reverse mode, for
forward mode and for `vmap`, so that `create_graph=True` and all of `torch.func` work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch.autograd import forward_ad

from keras_gru.autodiff import Arrays, Pass, Tensors
from keras_gru.equations import Tensor

Function: TypeAlias = Callable[..., Tensors]


def differentiable(function: Pass, arrays: Arrays, constants: Arrays) -> Tensors:
    """The outputs of the pass."""
    save = torch.is_grad_enabled() and any(
        array is not None and array.requires_grad for array in arrays
    )
    if not save and not _transformed():
        outputs, _ = function.forward(arrays, constants, False)
    else:
        outputs, _ = _run(function, save, arrays, constants)
    return outputs


def _transformed() -> bool:
    """Whether `torch.func` or forward mode may look at this call, also without a grad.

    Torch has no public names for this question; without these it may always be so. An
    autograd function costs a single step as much time as its numbers.
    """
    transforms = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)
    return bool(transforms()) or getattr(forward_ad, "_current_level", 0) >= 0


def _run(
    function: Pass, save: bool, arrays: Arrays, constants: Arrays
) -> tuple[Tensors, Tensors]:
    """`function.forward`, differentiable."""
    results = _Run.apply(function, save, len(arrays), *arrays, *constants)
    return results[: function.outputs], results[function.outputs :]


class _Run(torch.autograd.Function):
    """`Pass.forward`; its outputs and what it saves stand side by side."""

    @staticmethod
    def forward(
        function: Pass, save: bool, split: int, *given: Tensor | None
    ) -> Tensors:
        outputs, saved = function.forward(given[:split], given[split:], save)
        return (*outputs, *saved)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensors) -> None:
        ctx.function, _, ctx.split, *given = inputs
        ctx.given, ctx.saved = len(given), len(output) - ctx.function.outputs
        ctx.mark_non_differentiable(*output[ctx.function.outputs :])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*given, *output)
        ctx.save_for_forward(*given)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> Any:
        every = ctx.saved_tensors  # once: a checkpoint computes them again at each look
        given, results = every[: ctx.given], every[ctx.given :]
        arrays, constants = given[: ctx.split], given[ctx.split :]
        count = ctx.function.outputs
        outputs, saved = results[:count], results[count:]
        if not saved:  # nothing told the forward pass that a gradient would be taken
            outputs, saved = _run(ctx.function, True, arrays, constants)
        wanted = ctx.needs_input_grad[3 : 3 + ctx.split]
        gradients = _Gradient.apply(
            ctx.function,
            wanted,
            (len(arrays), len(constants), len(outputs), len(saved)),
            *(*arrays, *constants, *outputs, *saved, *cotangents[:count]),
        )
        following = iter(gradients)
        return (
            *(None,) * 3,
            *(next(following) if want else None for want in wanted),
            *(None for _ in constants),
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Any:
        given = ctx.saved_tensors[: ctx.given]
        reference = _present(
            lambda *arrays: ctx.function.reference(arrays, given[ctx.split :]),
            given[: ctx.split],
        )
        moved = _jvp(*reference, _filled(given[: ctx.split], tangents[3:]))
        return (*moved, *(None,) * ctx.saved)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _one_by_one(_Run, info.batch_size, in_dims, inputs)


class _Gradient(torch.autograd.Function):
    """`Pass.backward`, of the wanted arrays; its derivatives are the reference's."""

    @staticmethod
    def forward(
        function: Pass, wanted: Sequence[bool], sizes: Any, *given: Tensor | None
    ) -> Tensors:
        arrays, constants, outputs, saved, cotangents = _split(given, sizes)
        gradients = function.backward(
            arrays, constants, outputs, saved, cotangents, wanted
        )
        return tuple(
            gradient
            for gradient, want in zip(gradients, wanted, strict=True)
            if want and gradient is not None
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensors) -> None:
        ctx.function, ctx.wanted, ctx.sizes, *given = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*given)
        ctx.save_for_forward(*given)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> Any:
        arrays, constants, outputs, saved, cotangents = _split(
            ctx.saved_tensors, ctx.sizes
        )
        reference, given = _Gradient.reference(
            ctx, arrays, constants, outputs, cotangents
        )
        with_zeros = [
            torch.zeros_like(first) if second is None else second
            for first, second in zip(reference(*given), upstream, strict=True)
        ]
        second_order = iter(_vjp(reference, given, tuple(with_zeros)))
        return (
            *(None,) * 3,
            *(None if array is None else next(second_order) for array in arrays),
            *(None for _ in (*constants, *outputs, *saved)),
            *(None if given is None else next(second_order) for given in cotangents),
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Any:
        arrays, constants, outputs, _, cotangents = _split(ctx.saved_tensors, ctx.sizes)
        moved, *_, moved_cotangents = _split(tangents[3:], ctx.sizes)
        return _jvp(
            *_Gradient.reference(ctx, arrays, constants, outputs, cotangents),
            _filled((*arrays, *cotangents), (*moved, *moved_cotangents)),
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _one_by_one(_Gradient, info.batch_size, in_dims, inputs)

    @staticmethod
    def reference(
        ctx: Any,
        arrays: Arrays,
        constants: Arrays,
        outputs: Tensors,
        cotangents: Arrays,
    ) -> tuple[Function, list[Tensor]]:
        """(arrays, cotangents) -> the same gradients, and these arguments."""

        def gradients(*given: Tensor | None) -> Tensors:
            arrays, cotangents = given[: ctx.sizes[0]], given[ctx.sizes[0] :]
            function, present = _present(
                lambda *arrays: ctx.function.reference(arrays, constants), arrays
            )
            incoming = tuple(
                torch.zeros_like(output) if cotangent is None else cotangent
                for output, cotangent in zip(outputs, cotangents, strict=True)
            )
            found = iter(_vjp(function, present, incoming))
            return tuple(
                gradient
                for want, gradient in (
                    (want, next(found))
                    for want, array in zip(ctx.wanted, arrays, strict=True)
                    if array is not None
                )
                if want
            )

        return _present(gradients, (*arrays, *cotangents))


def _split(given: Sequence[Any], sizes: Sequence[int]) -> list[tuple[Any, ...]]:
    """Cuts a flat sequence into parts of these sizes and the rest."""
    following = iter(given)
    parts = [tuple(next(following) for _ in range(size)) for size in sizes]
    return [*parts, tuple(following)]


def _present(function: Function, arguments: Arrays) -> tuple[Function, list[Tensor]]:
    """The function of the arguments that are there, and those.

    `torch.func` takes tensors only.
    """
    there = [argument is not None for argument in arguments]

    def of_present(*given: Tensor) -> Tensors:
        following = iter(given)
        return function(*(next(following) if is_there else None for is_there in there))

    return of_present, [argument for argument in arguments if argument is not None]


def _filled(arguments: Arrays, tangents: Arrays) -> list[Tensor]:
    """The tangents of the arguments that are there; zeros where there is no tangent."""
    return [
        torch.zeros_like(argument) if tangent is None else tangent
        for argument, tangent in zip(arguments, tangents, strict=False)
        if argument is not None
    ]


def _vjp(function: Function, arguments: Sequence[Tensor], cotangents: Tensors) -> Any:
    _, gradient = torch.func.vjp(function, *arguments)
    return gradient(cotangents)


def _jvp(
    function: Function, arguments: Sequence[Tensor], tangents: Sequence[Tensor]
) -> Any:
    """Forward mode, by reverse mode twice: torch's own does not nest.

    The gradient is linear in the cotangents, and its derivative by them, applied to the
    tangents, is J t.
    """
    outputs, gradient = torch.func.vjp(function, *arguments)
    cotangents = tuple(torch.zeros_like(output) for output in outputs)
    return _vjp(lambda *given: gradient(given), cotangents, tuple(tangents))


def _one_by_one(function: Any, size: int, in_dims: Any, inputs: Any) -> Any:
    """Under `vmap`: the slices one after the other, each through the kernel."""
    slices = [
        function.apply(
            *(
                given if dim is None else given.select(dim, index)
                for given, dim in zip(inputs, _aligned(in_dims, inputs), strict=True)
            )
        )
        for index in range(size)
    ]
    stacked = tuple(map(torch.stack, zip(*slices, strict=True)))
    return stacked, (0,) * len(stacked)


def _aligned(in_dims: Any, inputs: Any) -> list[int | None]:
    """The dimension of each tensor; of what is none, None."""
    return [
        dim if isinstance(given, torch.Tensor) else None
        for dim, given in zip(in_dims, inputs, strict=True)
    ]
