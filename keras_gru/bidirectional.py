"""Bidirectional, with the masks of its states mended, and with resets."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gru")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional`, for stateful layers that return states too.

    Its call takes `resets` as that of `GRU` does: both directions start anew at the
    same borders, each at its own side of them.

    Under a mask, Keras' own raises a TypeError for `stateful=True,
    return_state=True`; in every other case the two are the same, and `GRU` works
    in both.

    Example:

    >>> import keras_gru, numpy as np
    >>> layer = keras_gru.Bidirectional(keras_gru.GRU(4, return_sequences=True))
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 8)
    """

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        *,
        resets: Any = None,
    ) -> Any:
        """As Keras' own; `resets` are `(batch, time)` bool."""
        if resets is None:
            return super().call(sequences, initial_state, mask, training)
        if initial_state is None:
            both: list[Any] = [None, None]
        else:
            half = len(initial_state) // 2
            both = [initial_state[:half], initial_state[half:]]
        found = [
            layer(
                sequences,
                initial_state=state,
                mask=mask,
                training=training,
                resets=resets,
            )
            for layer, state in zip(
                (self.forward_layer, self.backward_layer), both, strict=True
            )
        ]
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*found[0][1:], *found[1][1:])
            found = [one[0] for one in found]
        ahead, back = (ops.cast(one, self.compute_dtype) for one in found)
        if self.return_sequences:
            back = ops.flip(back, axis=1)
        if self.merge_mode is None:
            return (ahead, back, *states)
        merged = {
            "concat": lambda: ops.concatenate([ahead, back], axis=-1),
            "sum": lambda: ahead + back,
            "ave": lambda: (ahead + back) / 2,
            "mul": lambda: ahead * back,
        }[self.merge_mode]()
        return (merged, *states) if states else merged

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
