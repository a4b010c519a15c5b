"""Many short sequences in few rows, without padding between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True)
class Packed:
    """What `pack_sequences` makes: arguments of a call of `GRU`, and the way back.

    Attributes:
        sequences: `(rows, time, …)`, zeros behind the last sequence of a row.
        resets: `(rows, time)` bool, True where a sequence begins.
        mask: `(rows, time)` bool, True where there is one.
        places: of each sequence, in the order given, `(row, begin, end)`.

    Example:

    >>> import keras_gru, numpy as np
    >>> packed = keras_gru.pack_sequences([np.ones((3, 2)), np.ones((1, 2))])
    >>> isinstance(packed, keras_gru.Packed)
    True
    >>> packed.mask.astype(int).tolist(), packed.resets.astype(int).tolist()
    ([[1, 1, 1], [1, 0, 0]], [[1, 0, 0], [1, 0, 0]])
    """

    sequences: np.ndarray
    resets: np.ndarray
    mask: np.ndarray
    places: tuple[tuple[int, int, int], ...]

    def unpack(self, outputs: Any) -> list[np.ndarray]:
        """The outputs of each sequence.

        Args:
            outputs: `(rows, time, …)`, of a layer with `return_sequences`.

        Raises:
            ValueError: they are of other rows or steps.
        """
        outputs = keras.ops.convert_to_numpy(outputs)
        if outputs.shape[:2] != self.mask.shape:
            raise ValueError(
                f"Argument `outputs` has shape {outputs.shape}. Expected: "
                f"{self.mask.shape}, as the rows that were packed, and any more axes; "
                "give the layer return_sequences=True."
            )
        return [outputs[row, begin:end] for row, begin, end in self.places]


def pack_sequences(sequences: Sequence[Any], timesteps: int | None = None) -> Packed:
    """Puts sequences of any lengths behind one another into rows of one length.

    A padded batch computes as many steps as its longest sequence has in every row; here
    rows are filled, the longest sequences first, each into the first row that has room.
    Results do not depend on what shares a row: `GRU` starts anew at `resets`.

    Args:
        sequences: arrays `(time, …)` that differ in their time only.
        timesteps: length of a row. Default: that of the longest sequence.

    Raises:
        ValueError: there is none, one is empty or longer than a row, or they differ in
            what is not time.

    Example:

    >>> import keras_gru, numpy as np
    >>> words = [np.ones((n, 3), "float32") for n in (2, 5, 3)]
    >>> packed = keras_gru.pack_sequences(words)
    >>> packed.sequences.shape, packed.places
    ((2, 5, 3), ((1, 3, 5), (0, 0, 5), (1, 0, 3)))
    >>> layer = keras_gru.GRU(4, return_sequences=True)
    >>> outputs = layer(packed.sequences, resets=packed.resets, mask=packed.mask)
    >>> [one.shape for one in packed.unpack(outputs)]
    [(2, 4), (5, 4), (3, 4)]
    """
    arrays = [np.asarray(one) for one in sequences]
    if not arrays:
        raise ValueError(
            "Argument `sequences` has no sequence. Expected: at least one."
        )
    longest = max(len(one) for one in arrays)
    timesteps = longest if timesteps is None else timesteps
    for index, one in enumerate(arrays):
        if not 0 < len(one) <= timesteps or one.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"Argument `sequences` has an array of shape {one.shape} at {index}. "
                f"Expected: 1 to {timesteps} steps of shape {arrays[0].shape[1:]}."
            )
    filled: list[int] = []  # steps of each row
    places = [(0, 0, 0)] * len(arrays)
    for index in sorted(range(len(arrays)), key=lambda i: -len(arrays[i])):
        length = len(arrays[index])
        room = (row for row, at in enumerate(filled) if at + length <= timesteps)
        row = next(room, len(filled))
        if row == len(filled):
            filled.append(0)
        places[index] = (row, filled[row], filled[row] + length)
        filled[row] += length
    shape = (len(filled), timesteps)
    packed = np.zeros((*shape, *arrays[0].shape[1:]), np.result_type(*arrays))
    resets, mask = np.zeros(shape, bool), np.zeros(shape, bool)
    for one, (row, begin, end) in zip(arrays, places, strict=True):
        packed[row, begin:end], mask[row, begin:end] = one, True
        resets[row, begin] = True
    return Packed(packed, resets, mask, tuple(places))
