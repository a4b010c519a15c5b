"""The C++ GRU on torch tensors, without copies."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from keras_gru.autodiff import Arrays
from keras_gru.autodiff.on_torch import differentiable as differentiable
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
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Runs all steps.

    Args:
        options: the convention. As many threads work as torch is set to use.
        arrays: those of `function.Native`.
        mask: `(batch, time)` bool, or None.
        resets: `(batch, time)` bool, or None.
        dropout: factors `(3, batch, units)` of the state by gate, or None.
        return_states: whether the states of all steps are wanted.
        save: whether what the backward pass needs is wanted.

    Returns:
        The states `(batch, time, units)` or None, the final state `(batch, units)`, and
        what is saved or None.
    """
    dense = _dense(arrays)
    sequences, _, _, initial_state, _, _ = dense
    assert sequences is not None
    assert initial_state is not None
    problem = _problem(options, sequences, initial_state)
    batch, timesteps, _ = sequences.shape
    shape = (batch, timesteps, initial_state.shape[1])
    states = sequences.new_empty(shape) if return_states else None
    final_state = torch.empty_like(initial_state)
    saved = sequences.new_empty(library.saved_size(problem)) if save else None
    arguments = (*dense, *_dense((mask, resets, dropout)), states, final_state, saved)
    library.forward(problem, library.Forward(*map(_address, arguments)))
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
    """The gradients of the wanted arrays; the others are None.

    Args:
        options, arrays, mask, resets, dropout: as in the forward pass.
        states, saved: what it returned.
        cotangents: the gradients of the states and of the final state; either may be
            None.
        wanted: of which of the arrays a gradient is wanted.
    """
    sequences, kernel, _, initial_state, recurrent_kernel, _ = dense = _dense(arrays)
    assert sequences is not None
    assert initial_state is not None
    gradients = [
        torch.empty_like(array) if want and array is not None else None
        for array, want in zip(dense, wanted, strict=True)
    ]
    constants, incoming = _dense((mask, resets, dropout)), _dense(cotangents)
    library.backward(
        _problem(options, sequences, initial_state),
        library.Backward(
            *map(
                _address,
                (
                    *(sequences, kernel, initial_state, recurrent_kernel, *constants),
                    *(states, saved, *incoming, *gradients),
                ),
            )
        ),
    )
    return gradients


def _problem(
    options: Options, sequences: Tensor, initial_state: Tensor
) -> library.Problem:
    dtype = str(sequences.dtype).rpartition(".")[2]
    return options.problem(
        dtype, tuple(sequences.shape), initial_state.shape[1], torch.get_num_threads()
    )


def _dense(arrays: Arrays) -> list[Tensor | None]:
    return [None if array is None else array.contiguous() for array in arrays]


def _address(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()
