"""Accuracy or word error rate of a model on examples."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from zoo.speech import decoding
from zoo.speech.augment import Spoken
from zoo.speech.config import Config
from zoo.speech.data import heard, padded, targets_of
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
        # A last batch that is not full is filled up: one shape less to compile.
        filled = part + [part[-1]] * (min(BATCH, len(order)) - len(part))
        inputs = padded([sequences[index] for index in filled], config.pad_to)
        logits = np.asarray(model.predict_on_batch(inputs))
        for row, index in enumerate(part):
            whole = logits[row]
            results[index] = (
                whole if config.task == "digits" else whole[: len(sequences[index])]
            )
    return results


def recognised(logits: np.ndarray, config: Config) -> list[int]:
    """The digits that a model's logits say."""
    if config.task == "digits":
        return [int(logits.argmax())]
    return decoding.greedy(logits)


def figures(
    model: keras.Model, examples: Sequence[Spoken], features: Features, config: Config
) -> dict[str, float]:
    """nats a recording, and accuracy (digits) or wer (strings)."""
    sequences = [features.of(heard(one.samples, config)) for one in examples]
    logits = logits_of(model, sequences, config)
    said = [recognised(one, config) for one in logits]
    return {"nats": _nats(logits, examples, config), **rates(said, examples, config)}


def rates(
    said: Sequence[Sequence[int]], examples: Sequence[Spoken], config: Config
) -> dict[str, float]:
    """The rate of right digits, or the word error rate over all strings."""
    if config.task == "digits":
        right = [
            list(one) == list(example.digits)
            for one, example in zip(said, examples, strict=True)
        ]
        return {"accuracy": float(np.mean(right))}
    import jiwer

    return {
        "wer": float(
            jiwer.wer(
                [decoding.text(example.digits) for example in examples],
                [decoding.text(tuple(one)) for one in said],
            )
        )
    }


def _nats(
    logits: Sequence[np.ndarray], examples: Sequence[Spoken], config: Config
) -> float:
    """The loss of training, of all examples at once."""
    targets = targets_of(examples, config)
    if config.task == "digits":
        return float(loss(config)(targets, np.stack(logits)))
    longest = max(len(one) for one in logits)
    filled = [
        np.concatenate([one, np.tile(blank_logits(config), (longest - len(one), 1))])
        for one in logits
    ]
    return float(loss(config)(targets, np.stack(filled)))
