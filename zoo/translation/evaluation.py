"""How good translations are: the loss of training, and the figures of validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from zoo.translation.data import Buckets
from zoo.translation.subwords import PAD


def smoothed_cross_entropy(smoothing: float) -> Callable[[Any, Any], Any]:
    """The loss: mean over the target's subwords, padding left out, in nats.

    The true distribution gives 1 − ε to the target and spreads ε over the vocabulary;
    with log p = logits − log Σ exp logits, a position's cross-entropy is

        −log p[target] + ε (logits[target] − mean(logits))

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


def mean_nats(model: keras.Model, buckets: Buckets) -> float:
    """Mean negative log-likelihood of the targets' subwords, without smoothing."""
    nats, count = 0.0, 0
    for step in range(buckets.steps_per_epoch):
        inputs, targets = buckets.batch(step)
        logits = model.predict_on_batch(inputs)  # (batch, time, vocabulary)
        found = keras.losses.sparse_categorical_crossentropy(
            targets, logits, from_logits=True
        )
        counted = targets != PAD
        found = ops.convert_to_numpy(found)[counted]
        nats += float(found.sum(dtype=np.float64))
        count += int(counted.sum())
    return nats / count


def bleu_and_chrf(
    translations: Sequence[str], references: Sequence[str]
) -> dict[str, Any]:
    """Corpus BLEU and chrF2 against one reference a sentence.

    Returns:
        bleu and chrf, from 0 to 100, and signature: sacrebleu's of both, which say
        how they were taken.

    Source: Post 2018, arXiv 1804.08771 v2; Popović 2015 (chrF).
    """

    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": bleu.corpus_score(translations, [list(references)]).score,
        "chrf": chrf.corpus_score(translations, [list(references)]).score,
        "signature": f"BLEU|{bleu.get_signature()} chrF2|{chrf.get_signature()}",
    }


def accuracy(translations: Sequence[str], references: Sequence[str]) -> float:
    """The part of sentences that are the reference, letter by letter."""
    pairs = list(zip(translations, references, strict=True))
    return sum(found == expected for found, expected in pairs) / len(pairs)
