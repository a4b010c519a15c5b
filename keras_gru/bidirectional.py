"""Bidirectional, with the masks of its states mended."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_gru")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional`, for stateful layers that return states too.

    Under a mask, Keras' own raises a TypeError for `stateful=True,
    return_state=True`; in every other case the two are the same, and `GRU` works
    in both.

    Example:

    >>> import keras_gru, numpy as np
    >>> layer = keras_gru.Bidirectional(keras_gru.GRU(4, return_sequences=True))
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 8)
    """

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """The mask of the outputs, then None for each state."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        output_mask = mask if self.return_sequences else None
        masks = [output_mask] if self.merge_mode else [output_mask, output_mask]
        if self.return_state:
            states = (*self.forward_layer.state_size, *self.backward_layer.state_size)
            masks += [None] * len(states)
        return masks if len(masks) > 1 else masks[0]
