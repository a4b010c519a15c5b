"""Any mask, for a kernel that knows none: drop the masked steps, run, put them back.

A frozen state is a step that is not there. So the used steps of each row are moved
to the front, whatever lies between them; the kernel runs over the result; and the
state after a step is the kernel's after as many steps as were used up to there –
the initial state where that is none, so that wholly masked rows need no care.
"""

from __future__ import annotations

import keras
from keras import ops

from keras_gru.equations import Tensor


def compact(sequences: Tensor, mask: Tensor) -> Tensor:
    """Moves the used steps to the front, in order.

    Args:
        sequences: `(batch, time, features)`.
        mask: `(batch, time)` bool, True = use.

    Returns:
        `(batch, time, features)`; what stands behind the used steps is not to be
        used.
    """
    timesteps = ops.shape(sequences)[1]
    position = ops.arange(timesteps, dtype="int32")[None, :]
    # Distinct keys: the order of equal ones would be the sort's own affair.
    order = ops.argsort(ops.where(mask, position, position + timesteps), axis=1)
    return _take_steps(sequences, order)


def expand(states: Tensor, initial_state: Tensor, mask: Tensor) -> Tensor:
    """The states after each step of the masked sequence, `(batch, time, units)`.

    Args:
        states: after each step of the compacted sequence, `(batch, time, units)`.
        initial_state: `(batch, units)`.
        mask: as given to `compact`.
    """
    used_so_far = ops.cumsum(ops.cast(mask, "int32"), axis=1)  # (batch, time)
    with_initial = ops.concatenate([initial_state[:, None, :], states], axis=1)
    return _take_steps(with_initial, used_so_far)


def restarts(resets: Tensor, mask: Tensor | None, go_backwards: bool) -> Tensor:
    """The steps that are processed from a state of zeros.

    Args:
        resets: `(batch, time)` bool, True where a sequence begins.
        mask: as given to `compact`, or None. A masked step begins none.
        go_backwards: whether the last time step is processed first. The step before a
            beginning, in time, is then the first one of its sequence.

    Returns:
        `(batch, time)` bool.
    """
    if mask is not None:
        resets = ops.logical_and(resets, mask)
    if not go_backwards:
        return resets
    if mask is not None:
        resets = compact(resets[:, :, None], mask)[:, :, 0]
    # Not ops.pad: it makes an object with a new name, and torch.compile a new graph.
    none = ops.zeros_like(resets[:, :1])
    next_begins = ops.concatenate([resets[:, 1:], none], axis=1)
    if mask is None:
        return next_begins
    ended = ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1  # of the compacted steps
    found = _take(next_begins, ops.maximum(ended, 0))
    return ops.logical_and(found, mask)


def _take_steps(sequences: Tensor, steps: Tensor) -> Tensor:
    """`sequences[b, steps[b, t]]`: `(batch, time, features)`."""
    batch, timesteps = ops.shape(steps)
    index = ops.broadcast_to(steps[:, :, None], (batch, timesteps, sequences.shape[-1]))
    return _take(sequences, index)


def _take(tensor: Tensor, index: Tensor) -> Tensor:
    """`ops.take_along_axis` along time, of one shape but for time."""
    if keras.backend.backend() != "torch":
        return ops.take_along_axis(tensor, index, axis=1)
    import torch

    # torch.take_along_dim would fix all sizes in a graph.
    return torch.gather(tensor, 1, index.long())
