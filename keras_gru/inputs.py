"""What a call of GRU is given beside the sequences: checked, and in one form."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gru import arguments, keras_private
from keras_gru.equations import Tensor

get_keras_mask = keras_private.get(keras_private.GET_MASK)


def check_initial_state(shape: Any, batch: int | None, units: int) -> None:
    """Raises ValueError unless `shape`, or that in a list, is that of a state."""
    if shape == [] or any(isinstance(size, (list, tuple)) for size in shape):
        if len(shape) != 1:
            raise ValueError(
                "Argument `initial_state` must be one tensor, or a list of "
                f"one: a GRU has one state. Received: {len(shape)} tensors."
            )
        (shape,) = shape
    if arguments.known(shape)[:1] == (1,) and len(shape) == 2:
        batch = 1
    arguments.shape("initial_state", shape, (batch, units), "(batch, units)")


def standardize_mask(mask: Any, sequences: Tensor) -> Tensor | None:
    """The mask as `(batch, time)` bool, or None."""
    if keras.tree.is_nested(mask):
        (mask,) = mask
    if mask is None:
        # Keras looks for a mask on the input only where the call has one
        # tensor: beside an initial state it would be lost.
        mask = get_keras_mask(sequences)
    if mask is None:
        return None
    mask = ops.cast(ops.convert_to_tensor(mask), "bool")
    if len(mask.shape) == 3 and arguments.known(mask.shape)[-1] in (1, None):
        mask = ops.squeeze(mask, axis=-1)
    batch, timesteps, _ = arguments.known(sequences.shape)
    one_for_all = len(mask.shape) == 2 and arguments.known(mask.shape)[0] == 1
    expected = (1 if one_for_all else batch, timesteps)
    arguments.shape("mask", mask.shape, expected, "(batch, time)")
    if not one_for_all or batch == 1:
        return mask
    return ops.broadcast_to(mask, ops.shape(sequences)[:2])


def standardize_resets(resets: Any, sequences: Tensor) -> Tensor:
    """The resets as `(batch, time)` bool."""
    resets = ops.cast(ops.convert_to_tensor(resets), "bool")
    batch, timesteps, _ = arguments.known(sequences.shape)
    arguments.shape("resets", resets.shape, (batch, timesteps), "(batch, time)")
    return resets
