"""Hear a string of digits while it is spoken."""

from __future__ import annotations

import keras
import numpy as np

from zoo.speech.batches import TAIL
from zoo.speech.config import SAMPLE_RATE, Config
from zoo.speech.decoding import GreedyDecoder, Heard
from zoo.speech.features import Features, FeatureStream
from zoo.speech.model import build
from zoo.training.weights import copy_weights

PIECE = int(0.02 * SAMPLE_RATE)  # 20 ms


class Listening:
    """A waveform that is being heard, piece by piece.

    The GRU layers carry their state from step to step (`stateful=True`), the features
    keep the samples of windows that are not whole, the decoder the last class. So the
    digits so far are those that the waveform up to there gives when it is read at once.

    Args:
        model: trained, of strings: others read the waveform from both ends.
        features: of its run.
        config: of its run.

    Attributes:
        logits: of each step so far, (classes,) each.
        heard: the digits so far.
    """

    def __init__(self, model: keras.Model, features: Features, config: Config) -> None:
        self.model = build(config, batch_size=1)
        copy_weights(model, self.model)
        self.stream = FeatureStream(features)
        self.decoder = GreedyDecoder()
        self.logits: list[np.ndarray] = []
        self.heard: list[Heard] = []

    def push(self, samples: np.ndarray) -> list[Heard]:
        """Hear more samples (samples,); return the digits that they completed."""
        new = []
        for step in self.stream.push(samples):
            # One step a call: one shape, whatever the length of the piece.
            inputs = (step[None, None], np.ones((1, 1), bool))
            logits = np.asarray(self.model.predict_on_batch(inputs))[0]
            self.logits.append(logits[0])
            new += self.decoder.push(logits)
        self.heard += new
        return new

    def finish(self) -> list[Heard]:
        """The waveform ends: hear the silence behind it."""
        return self.push(np.zeros(TAIL, np.float32))
