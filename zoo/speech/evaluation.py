"""What a model hears, and its accuracy or word error rate."""

from __future__ import annotations

from collections.abc import Sequence

import jiwer
import keras
import numpy as np

from zoo.speech.augment import Spoken
from zoo.speech.batches import padded, targets_of, with_tail
from zoo.speech.config import Config
from zoo.speech.decoding import decode
from zoo.speech.features import Features
from zoo.speech.model import blank_logits, loss

BATCH = 50


def logits_of(
    model: keras.Model, sequences: Sequence[np.ndarray], config: Config
) -> list[np.ndarray]:
    """Run the model over sequences (time, width): (classes,) or (time, classes) each.

    They are read side by side, the short with the short.
    """
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    results: list[np.ndarray] = [np.zeros(0)] * len(sequences)
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        inputs = padded([sequences[index] for index in part], config.pad_to)
        logits = np.asarray(model.predict_on_batch(inputs))
        for row, index in enumerate(part):
            whole = logits[row]
            results[index] = (
                whole if config.task == "digits" else whole[: len(sequences[index])]
            )
    return results


def recognise(
    model: keras.Model, examples: Sequence[Spoken], features: Features, config: Config
) -> tuple[list[list[int]], dict[str, float]]:
    """Recognise examples.

    Returns:
        The digits heard in each; nats a recording, and accuracy (digits) or wer
        (strings).
    """
    sequences = [features.of(with_tail(one.samples, config)) for one in examples]
    logits = logits_of(model, sequences, config)
    heard = [[one.digit for one in decode(each, config)] for each in logits]
    nats = mean_nats(logits, examples, config)
    return heard, {"nats": nats, **rates(heard, examples, config)}


def rates(
    heard: Sequence[Sequence[int]], examples: Sequence[Spoken], config: Config
) -> dict[str, float]:
    """The rate of right digits, or the word error rate over all strings.

    .. code-block:: text

        wer = (substitutions + deletions + insertions) / digits that were said
    """
    if config.task == "digits":
        pairs = zip(heard, examples, strict=True)
        right = [tuple(digits) == one.digits for digits, one in pairs]
        return {"accuracy": float(np.mean(right))}
    references = [" ".join(map(str, one.digits)) for one in examples]
    hypotheses = [" ".join(map(str, digits)) for digits in heard]
    return {"wer": float(jiwer.wer(references, hypotheses))}


def mean_nats(
    logits: Sequence[np.ndarray], examples: Sequence[Spoken], config: Config
) -> float:
    """The loss of training, of all examples at once."""
    targets = targets_of(examples, config)
    if config.task == "digits":
        return float(loss(config)(targets, np.stack(logits)))
    longest = max(len(one) for one in logits)
    filled = np.tile(blank_logits(config), (len(logits), longest, 1))
    for row, one in zip(filled, logits, strict=True):
        row[: len(one)] = one
    return float(loss(config)(targets, filled))
