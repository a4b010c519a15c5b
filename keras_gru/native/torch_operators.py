"""The C++ GRU as operators of torch, which graphs can hold.

Dynamo cannot trace a call through ctypes, and a graph would have to break there. An
operator it takes as it is: the graph asks its `register_fake` for shapes, with sizes
that may be symbols, and its `register_autograd` for the gradient. Outside of a graph
`_Run` of `autodiff.on_torch` calls the library, for an operator can have no rule for
forward mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import torch

from keras_gru import native
from keras_gru.autodiff import Arrays, Tensors
from keras_gru.equations import Tensor
from keras_gru.native import on_torch
from keras_gru.native.function import ARRAYS, CONSTANTS, Native
from keras_gru.native.library import OPTIONS, Options

ARRAY_NAMES = (
    "Tensor sequences",
    "Tensor? kernel",
    "Tensor? input_bias",
    "Tensor initial_state",
    "Tensor recurrent_kernel",
    "Tensor? recurrent_bias",
)
CONSTANT_NAMES = ("Tensor? mask", "Tensor? resets", "Tensor? dropout")
PASSES = 2  # at most; of a second one that is not there all is None


def _second(names: tuple[str, ...]) -> list[str]:
    return [f"{name.replace('Tensor ', 'Tensor? ')}_2" for name in names]


_GIVEN = ", ".join(
    [
        *(*ARRAY_NAMES, *_second(ARRAY_NAMES)),
        *(*CONSTANT_NAMES, *_second(CONSTANT_NAMES)),
        "float[] options",
    ]
)
ALL_ARRAYS, ALL_TENSORS = PASSES * ARRAYS, PASSES * (ARRAYS + CONSTANTS)


def call(function: Native, arrays: Arrays, constants: Arrays) -> Tensors:
    """The outputs of the passes, in the graph that is being made.

    What the backward pass needs is saved where a gradient is due. An exported program
    saves it only if it was exported for training: a gradient is computed anew there.
    """
    due = torch.is_grad_enabled() and any(
        array is not None and array.requires_grad for array in arrays
    )
    save = due and (function.training or not torch.compiler.is_exporting())
    # The threads are those of the machine that runs it.
    options = [float(n) for one in function.options for n in one.as_numbers(threads=0)]
    results = gru(
        *_padded(arrays, ALL_ARRAYS),
        *_padded(constants, ALL_TENSORS - ALL_ARRAYS),
        options,
        function.return_states,
        save,
    )
    outputs = results[0 if function.return_states else 1 : 1 + len(function.options)]
    # They are contiguous. But Keras attaches a mask, and Dynamo lets nothing be
    # attached to what comes straight from a list.
    return tuple(output.contiguous() for output in outputs)


def _padded(tensors: Arrays, count: int) -> list[Tensor | None]:
    return [*tensors, *(None,) * (count - len(tensors))]


def _passes(
    given: Sequence[Any], options: Sequence[float]
) -> tuple[list[Options], Arrays, Arrays]:
    """The options, the arrays and the constants of the passes that are there."""
    each = [
        Options.from_numbers(options[at : at + OPTIONS])
        for at in range(0, len(options), OPTIONS)
    ]
    constants = given[ALL_ARRAYS:ALL_TENSORS]
    return each, given[: len(each) * ARRAYS], constants[: len(each) * CONSTANTS]


@torch.library.custom_op(
    "keras_gru::gru",
    mutates_args=(),
    schema=f"({_GIVEN}, bool return_states, bool save) -> Tensor[]",
)
def gru(*given: Any) -> list[Tensor]:
    """The states, of each pass the final state, of each what is saved.

    What is not asked for has no elements.
    """
    *_, numbers, return_states, save = given
    options, arrays, constants = _passes(given, numbers)
    states, finals, saved = on_torch.forward(
        options, arrays, constants, return_states or save, save
    )
    return [
        finals[0].new_empty(0) if one is None else one
        for one in (states, *finals, *saved)
    ]


@gru.register_fake
def _(*given: Any) -> list[Tensor]:
    *_, numbers, return_states, save = given
    options, arrays, _ = _passes(given, numbers)
    sequences, initial_state = arrays[0], arrays[3]
    assert sequences is not None
    assert initial_state is not None
    batch, timesteps, _ = sequences.shape
    units, empty = initial_state.shape[1], sequences.new_empty
    both = (batch, timesteps, len(options) * units)
    saved = [
        batch * timesteps * on_torch.saved_size(one, x, units) if save else 0
        for one, x in zip(options, arrays[::ARRAYS], strict=True)
    ]
    return [
        empty(both if return_states or save else (0,)),
        *(empty((batch, units)) for _ in options),
        *map(empty, saved),
    ]


@torch.library.custom_op(
    "keras_gru::gru_gradient",
    mutates_args=(),
    schema=f"({_GIVEN}, Tensor[] states_and_saved, Tensor? states_gradient, "
    "Tensor? final_gradient, Tensor? final_gradient_2, bool[] wanted) -> Tensor[]",
)
def gru_gradient(*given: Any) -> list[Tensor]:
    """The gradients of the wanted arrays, in their order."""
    numbers, (states, *saved), *cotangents, wanted = given[ALL_TENSORS:]
    options, arrays, constants = _passes(given, numbers)
    found = on_torch.backward(
        options,
        arrays,
        constants,
        states,
        saved,
        cotangents[: 1 + len(options)],
        wanted[: len(arrays)],
    )
    return [gradient for gradient in found if gradient is not None]


@gru_gradient.register_fake
def _(*given: Any) -> list[Tensor]:
    return [
        array.new_empty(array.shape)
        for array, want in zip(given[:ALL_ARRAYS], given[-1], strict=True)
        if want
    ]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Sequence[Tensor]) -> None:
    *tensors, ctx.options, ctx.return_states, ctx.saves = inputs
    passes = len(ctx.options) // OPTIONS
    kept = [output[0], *output[1 + passes :]]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*kept[1:])
    ctx.save_for_backward(*tensors, *kept)


def _backward(ctx: Any, cotangents: Sequence[Tensor | None]) -> Any:
    every = ctx.saved_tensors
    tensors, kept = every[:ALL_TENSORS], list(every[ALL_TENSORS:])
    passes = len(ctx.options) // OPTIONS
    if not ctx.saves:
        again = gru(*tensors, ctx.options, ctx.return_states, True)
        kept = [again[0], *again[1 + passes :]]
    states_gradient, *finals = cotangents[: 1 + passes]
    wanted = list(ctx.needs_input_grad[:ALL_ARRAYS])
    found = iter(
        gru_gradient(
            *tensors,
            ctx.options,
            kept,
            states_gradient if ctx.return_states else None,
            *_padded(finals, PASSES),
            wanted,
        )
    )
    return (
        *(next(found) if want else None for want in wanted),
        *(None,) * (ALL_TENSORS - ALL_ARRAYS + 3),
    )


gru.register_autograd(_backward, setup_context=_remember)

# Dynamo cannot look for a library itself: a graph takes the answer as it is.
torch.compiler.assume_constant_result(native.missing)


def draw_dropout_mask(
    like: Tensor, rate: float, generator: keras.random.SeedGenerator
) -> Tensor:
    """Keras' next mask of a seed, of the shape and dtype of `like`, in a graph.

    The generator moves on as in `generator.next()`, which Dynamo cannot trace.
    """
    seed = generator.state.value.clone()
    generator.state.assign(seed + torch.tensor([0, 1], dtype=seed.dtype))
    mask: Tensor = dropout_mask(like.detach(), rate, seed)
    return mask


class _Drawn(keras.random.SeedGenerator):
    """A seed that is drawn already."""

    _initial_seed = 0  # anything but None, for which Keras takes torch's own generator

    def __init__(self, seed: Tensor) -> None:
        self.seed = seed

    def next(self, ordered: bool = True) -> Tensor:
        return self.seed


@torch.library.custom_op(
    "keras_gru::dropout_mask",
    mutates_args=(),
    schema="(Tensor like, float rate, Tensor seed) -> Tensor",
)
def dropout_mask(like: Tensor, rate: float, seed: Tensor) -> Tensor:
    """Keras' mask of this seed: it draws with a `torch.Generator`; a graph has none."""
    ones = torch.ones_like(like, memory_format=torch.contiguous_format)
    mask: Tensor = keras.random.dropout(ones, rate, seed=_Drawn(seed))
    return mask


@dropout_mask.register_fake
def _(like: Tensor, rate: float, seed: Tensor) -> Tensor:
    return like.new_empty(like.shape)
