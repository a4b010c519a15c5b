"""Music drawn step by step, the state carried on."""

from __future__ import annotations

import keras
import numpy as np

from zoo.polyphonic_music.config import KEYS, LOWEST, Config
from zoo.polyphonic_music.model import build
from zoo.training.weights import copy_weights


def compose(
    model: keras.Model,
    config: Config,
    prime: np.ndarray,
    steps: int,
    temperature: float,
    seed: int,
) -> np.ndarray:
    """Read `prime`, then draw each step from what the model gives for it.

    Each key is drawn by itself, with the probability σ(logit / temperature).

    Args:
        model: trained, for any batch.
        config: of the model.
        prime: (time, 88), what was played before; none where time is 0.
        steps: how many are drawn.
        temperature: above 0.
        seed: decides what is drawn.

    Returns:
        (time + steps, 88), 1 where a key sounds: the prime, and what was drawn.
    """
    going = build(config, batch_size=1)
    copy_weights(model, going)
    rng = np.random.default_rng(seed)
    roll = np.zeros((len(prime) + steps, KEYS), np.uint8)
    roll[: len(prime)] = prime
    before = np.zeros((1, 1, KEYS), np.float32)  # silence before the first step
    for step in range(len(roll)):
        logits = np.asarray(going.predict_on_batch(before))[0, 0].astype(np.float64)
        if step >= len(prime):
            probability = np.exp(-np.logaddexp(0.0, -logits / temperature))
            roll[step] = rng.random(KEYS) < probability
        before[0, 0] = roll[step]
    return roll


def notes(roll: np.ndarray) -> list[list[int]]:
    """The MIDI numbers of the keys that sound, of each step."""
    return [[LOWEST + int(key) for key in np.flatnonzero(step)] for step in roll]


def chords(roll: np.ndarray) -> list[str]:
    """The same as text, a line a step; a dash where nothing sounds."""
    return [" ".join(map(str, step)) or "-" for step in notes(roll)]
