"""Cross-entropy of target subwords, smoothed for training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.translation.subwords import PAD


def smoothed_cross_entropy(smoothing: float) -> Callable[[Any, Any], Any]:
    """The loss: mean over the target's subwords, padding left out, in nats.

    The true distribution gives 1 − ε to the target and spreads ε over the vocabulary;
    with log p = logits − log Σ exp logits, a position's cross-entropy is

        −log p[target] + ε (logits[target] − mean(logits))

    Args:
        smoothing: ε in [0, 1).

    Returns:
        A function of targets (batch, time) and logits (batch, time, vocabulary).

    Source: Szegedy et al. 2016, arXiv 1512.00567 v3, section 7.
    """

    def loss(targets: Any, logits: Any) -> Any:
        targets = ops.cast(targets, "int32")  # Keras hands targets on as floats
        nats = keras.losses.sparse_categorical_crossentropy(
            targets, logits, from_logits=True
        )  # (batch, time)
        if smoothing > 0:
            chosen = ops.take_along_axis(logits, ops.expand_dims(targets, -1), axis=-1)
            nats += smoothing * (ops.squeeze(chosen, -1) - ops.mean(logits, axis=-1))
        counted = ops.cast(ops.not_equal(targets, PAD), nats.dtype)
        return ops.sum(nats * counted) / ops.maximum(ops.sum(counted), 1.0)

    return loss


def summed_nats(targets: np.ndarray, logits: Any) -> tuple[float, int]:
    """Negative log-likelihood of the targets without smoothing, and their number."""
    counted = targets != PAD
    nats = keras.losses.sparse_categorical_crossentropy(
        targets, logits, from_logits=True
    )
    summed = keras.ops.convert_to_numpy(nats)[counted].sum(dtype=np.float64)
    return float(summed), int(counted.sum())
