"""Cross-entropy of target subwords, smoothed for training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.translation.batches import Batches
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


def mean_nats(model: keras.Model, batches: Batches) -> float:
    """Mean negative log-likelihood of the targets' subwords, without smoothing."""
    nats, count = 0.0, 0
    for step in range(batches.steps_per_epoch):
        inputs, targets = batches.batch(step)
        logits = model.predict_on_batch(inputs)  # (batch, time, vocabulary)
        found = keras.losses.sparse_categorical_crossentropy(
            targets, logits, from_logits=True
        )
        counted = targets != PAD
        found = ops.convert_to_numpy(found)[counted]
        nats += float(found.sum(dtype=np.float64))
        count += int(counted.sum())
    return nats / count
