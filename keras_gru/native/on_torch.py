"""The C++ GRU on torch tensors: a function with its own gradient, no copies."""

from __future__ import annotations

from typing import Any

import torch
from keras.src.backend.torch.core import get_device  # not in the public API

from keras_gru.equations import Tensor
from keras_gru.native import library
from keras_gru.native.library import Options


def refusal() -> str | None:
    """Why torch, as it stands at this moment, cannot call the library."""
    device = str(get_device())
    if device.partition(":")[0] != "cpu":
        return f"it runs on the CPU, and Keras places its tensors on {device!r}"
    return None


def run(
    options: Options,
    sequences: Tensor,
    weights: tuple[Tensor | None, ...],
    mask: Tensor | None,
    return_states: bool,
) -> tuple[Tensor | None, Tensor]:
    """Runs all steps; differentiable once in the sequences and the weights.

    Args:
        options: the convention. As many threads work as torch is set to use.
        sequences: `(batch, time, features)`, or `(batch, time, 3 * units)` where the
            kernel is None and they are projected already.
        weights: kernel, input bias, initial state, recurrent kernel and recurrent
            bias; kernel and biases may be None.
        mask: `(batch, time)` bool, or None.
        return_states: whether the states of all steps are wanted.

    Returns:
        The states `(batch, time, units)` or None, and the final state.
    """
    arrays = (sequences, *weights)
    if torch.is_grad_enabled() and any(
        array is not None and array.requires_grad for array in arrays
    ):
        states, final_state = _Gru.apply(options, mask, *arrays)
        return (states if return_states else None), final_state
    states, final_state, _ = _forward(
        options, mask, _dense(arrays), return_states, save=False
    )
    return states, final_state


class _Gru(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, options: Options, mask: Tensor | None, *arrays: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        dense = _dense(arrays)
        states, final_state, saved = _forward(options, mask, dense, True, save=True)
        assert states is not None
        ctx.options = options
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(mask, *dense, states, saved)
        return states, final_state

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Tensor | None, ...]:
        mask, *arrays, states, saved = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        gradients = _Gradient.apply(
            ctx.options, needed, mask, states, saved, *incoming, *arrays
        )
        return None, None, *gradients


class _Gradient(torch.autograd.Function):
    """A function of its own, so that a second derivative is an error and not 0."""

    @staticmethod
    def forward(
        ctx: Any,
        options: Options,
        needed: tuple[bool, ...],
        mask: Tensor | None,
        states: Tensor,
        saved: Tensor,
        *tensors: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        incoming, arrays = _dense(tensors[:2]), tensors[2:]
        sequences, kernel, _, initial_state, recurrent_kernel, _ = arrays
        assert sequences is not None
        assert initial_state is not None
        gradients = [
            torch.empty_like(array) if need and array is not None else None
            for array, need in zip(arrays, needed, strict=True)
        ]
        (used,) = _dense((mask,))
        library.backward(
            _problem(options, sequences, initial_state),
            library.Backward(
                *map(
                    _address,
                    (
                        *(sequences, kernel, initial_state, recurrent_kernel, used),
                        *(states, saved, *incoming, *gradients),
                    ),
                )
            ),
        )
        return tuple(gradients)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> None:
        raise NotImplementedError(library.NO_SECOND_DERIVATIVE)


def _forward(
    options: Options,
    mask: Tensor | None,
    arrays: list[Tensor | None],
    return_states: bool,
    save: bool,
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    sequences, _, _, initial_state, _, _ = arrays
    assert sequences is not None
    assert initial_state is not None
    problem = _problem(options, sequences, initial_state)
    batch, timesteps, _ = sequences.shape
    shape = (batch, timesteps, initial_state.shape[1])
    states = sequences.new_empty(shape) if return_states else None
    final_state = torch.empty_like(initial_state)
    saved = sequences.new_empty(library.saved_size(problem)) if save else None
    (used,) = _dense((mask,))
    library.forward(
        problem,
        library.Forward(*map(_address, (*arrays, used, states, final_state, saved))),
    )
    return states, final_state, saved


def _problem(
    options: Options, sequences: Tensor, initial_state: Tensor
) -> library.Problem:
    dtype = str(sequences.dtype).rpartition(".")[2]
    return options.problem(
        dtype, tuple(sequences.shape), initial_state.shape[1], torch.get_num_threads()
    )


def _dense(arrays: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    return [None if array is None else array.contiguous() for array in arrays]


def _address(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()
