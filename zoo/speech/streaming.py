"""Hear a string of digits while it is spoken."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import numpy as np

from zoo.speech.batches import TAIL
from zoo.speech.config import SAMPLE_RATE, Config
from zoo.speech.decoding import GreedyDecoder, Heard
from zoo.speech.features import Features, FeatureStream
from zoo.speech.model import build, reset_carried_state
from zoo.training.weights import copy_weights

PIECE = int(0.02 * SAMPLE_RATE)  # 20 ms


class Streaming:
    """A unidirectional model that hears one waveform, piece by piece.

    The GRU layers carry their state from step to step (`stateful=True`), the features
    keep the samples of windows that are not whole, the decoder the last class. So the
    digits so far are those that the waveform up to there gives when it is read at once.
    """

    def __init__(self, model: keras.Model, features: Features, config: Config) -> None:
        """Take the weights of a trained model.

        Args:
            model: built by `zoo.speech.model.build` for any batch.
            features: of its run.
            config: of its run.

        Raises:
            ValueError: the model recognises single digits.
        """
        if config.task != "strings":
            raise ValueError(
                f"task={config.task!r}; expected a model of strings: others read the "
                f"waveform from both ends"
            )
        self._model = build(config, batch_size=1)
        copy_weights(model, self._model)
        self._features = features

    def listen(self) -> Listening:
        """Begin a new waveform; one that was begun before is forgotten."""
        reset_carried_state(self._model)
        return Listening(self._model, FeatureStream(self._features))


@dataclass
class Listening:
    """A waveform that is being heard.

    Attributes:
        logits: of each step so far, (classes,) each.
        heard: the digits so far.
    """

    model: keras.Model
    stream: FeatureStream
    decoder: GreedyDecoder = field(default_factory=GreedyDecoder)
    logits: list[np.ndarray] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)

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
