"""The C++ GRU on torch tensors, without copies."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from keras_gru.autodiff import Arrays, Tensors, on_torch
from keras_gru.equations import Tensor
from keras_gru.native import library
from keras_gru.native.function import ARRAYS, CONSTANTS, Native, each_pass
from keras_gru.native.library import Options


def differentiable(function: Native, arrays: Arrays, constants: Arrays) -> Tensors:
    """The outputs of the pass; inside a graph, by an operator that the graph holds."""
    if torch.compiler.is_compiling():
        from keras_gru.native import torch_operators

        return torch_operators.call(function, arrays, constants)
    return on_torch.differentiable(function, arrays, constants)


def forward(
    options: Sequence[Options],
    arrays: Arrays,
    constants: Arrays,
    return_states: bool,
    save: bool,
) -> tuple[Tensor | None, list[Tensor], list[Tensor | None]]:
    """Runs all steps of one pass, or of two.

    Args:
        options: the convention of each. As many threads work as torch is set to use.
        arrays, constants: those of `function.Native`.
        return_states: whether the states of all steps are wanted.
        save: whether what the backward pass needs is wanted.

    Returns:
        The states `(batch, time, units of all passes)` or None; of each pass the final
        state `(batch, units)`; of each pass what is saved, or None.
    """
    dense, fixed = _dense(arrays), _dense(constants)
    problems = _problems(options, dense)
    sequences, initial_state = dense[0], dense[3]
    assert sequences is not None
    assert initial_state is not None
    batch, timesteps, _ = sequences.shape
    shape = (batch, timesteps, len(options) * initial_state.shape[1])
    states = sequences.new_empty(shape) if return_states else None
    finals = [torch.empty_like(initial_state) for _ in options]
    saved = [
        sequences.new_empty(library.saved_size(problem)) if save else None
        for problem in problems
    ]
    calls = [
        library.Forward(*map(_address, (*given, *more, states, final, kept)))
        for given, more, final, kept in zip(
            each_pass(dense, ARRAYS),
            each_pass(fixed, CONSTANTS),
            finals,
            saved,
            strict=True,
        )
    ]
    library.forward(*zip(problems, calls, strict=True))
    return states, finals, saved


def backward(
    options: Sequence[Options],
    arrays: Arrays,
    constants: Arrays,
    states: Tensor,
    saved: Sequence[Tensor],
    cotangents: Arrays,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the wanted arrays; the others are None.

    Args:
        options, arrays, constants: as in the forward pass.
        states, saved: what it returned.
        cotangents: the gradients of the states and of the final states; each may be
            None.
        wanted: of which of the arrays a gradient is wanted.
    """
    dense, fixed = _dense(arrays), _dense(constants)
    states_gradient, *final_gradients = _dense(cotangents)
    gradients = [
        torch.empty_like(array) if want and array is not None else None
        for array, want in zip(dense, wanted, strict=True)
    ]
    calls = [
        library.Backward(
            *map(
                _address,
                (
                    *(given[0], given[1], given[3], given[4], *more, states, kept),
                    *(states_gradient, final_gradient, *results),
                ),
            )
        )
        for given, more, kept, final_gradient, results in zip(
            each_pass(dense, ARRAYS),
            each_pass(fixed, CONSTANTS),
            saved,
            final_gradients,
            each_pass(gradients, ARRAYS),
            strict=True,
        )
    ]
    library.backward(*zip(_problems(options, dense), calls, strict=True))
    return gradients


def saved_size(options: Options, sequences: Tensor, units: int) -> int:
    """Numbers that are saved for the backward pass, of one row and one step."""
    dtype, features = str(sequences.dtype).rpartition(".")[2], sequences.shape[2]
    return library.saved_size(options.problem(dtype, (1, 1, features), units, 1))


def _problems(options: Sequence[Options], arrays: Arrays) -> list[library.Problem]:
    found = []
    for one, given in zip(options, each_pass(arrays, ARRAYS), strict=True):
        sequences, initial_state = given[0], given[3]
        assert sequences is not None
        assert initial_state is not None
        dtype = str(sequences.dtype).rpartition(".")[2]
        shape, units = tuple(sequences.shape), initial_state.shape[1]
        found.append(one.problem(dtype, shape, units, torch.get_num_threads()))
    return found


def _dense(arrays: Arrays) -> list[Tensor | None]:
    return [None if array is None else array.contiguous() for array in arrays]


def _address(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()
