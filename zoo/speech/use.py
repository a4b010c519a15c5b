"""Measure and use what a run has learnt."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ZooError
from zoo.speech import audio
from zoo.speech.config import Config
from zoo.speech.data import with_tail
from zoo.speech.features import HOP, SAMPLE_RATE, Features
from zoo.speech.train import Trained, examples, features_of

if TYPE_CHECKING:
    from zoo.speech.decoding import Heard


@dataclass(frozen=True)
class Recognised:
    """What was heard in one recording.

    Attributes:
        heard: the digits in their order.
        features: what the model saw, (time, width).
        posteriors: probabilities: of the digits (10,), or at each step of blank and
            digits (time, 11).
        seconds_a_step: how long a step of the features is.
    """

    heard: list[Heard]
    features: np.ndarray
    posteriors: np.ndarray
    seconds_a_step: float

    @property
    def text(self) -> str:
        """The digits, such as "7 3 1"."""
        return " ".join(str(one.digit) for one in self.heard)

    def as_json(self) -> dict[str, Any]:
        """Digits, their probabilities and, of strings, when they were decided on."""
        facts: dict[str, Any] = {
            "digits": [one.digit for one in self.heard],
            "probabilities": [round(one.probability, 6) for one in self.heard],
        }
        if self.posteriors.ndim == 2:
            facts["seconds"] = [self.second(one) for one in self.heard]
        return facts

    def second(self, one: Heard) -> float:
        """When a digit was decided on: the end of its step."""
        return round((one.step + 1) * self.seconds_a_step, 3)


class Recogniser:
    """Recognises whole recordings with a trained model.

    Example:
        >>> recogniser = zoo.load("fsdd-digits").predict  # doctest: +SKIP
        >>> [one.text for one in recogniser(["seven.wav"])]  # doctest: +SKIP
        ['7']
    """

    def __init__(self, trained: Trained) -> None:
        self.config = trained.config
        self.features = features_of(trained.extras, trained.config)
        self.model = trained.model()

    def __call__(self, sounds: Sequence[str | Path | np.ndarray]) -> list[Recognised]:
        """Recognise recordings, side by side.

        Args:
            sounds: each the path of an audio file, or of a .npy file of log-mel frames;
                a waveform (samples,) at 8 kHz, float within ±1; or log-mel frames
                (frames, mels) as `zoo.speech.features.log_mel` makes them.

        Raises:
            ZooError: one cannot be read.
        """
        return self.recognise([self.read(sound) for sound in sounds])

    def read(self, sound: str | Path | np.ndarray) -> np.ndarray:
        """Features (time, width) of one recording."""
        return read(sound, self.features, self.config)

    def recognise(self, sequences: Sequence[np.ndarray]) -> list[Recognised]:
        """Recognise features (time, width)."""
        from zoo.speech.decoding import softmax
        from zoo.speech.evaluation import decode, logits_of

        return [
            Recognised(
                decode(logits, self.config),
                sequence,
                softmax(logits),
                self.config.stack * HOP / SAMPLE_RATE,
            )
            for sequence, logits in zip(
                sequences, logits_of(self.model, sequences, self.config), strict=True
            )
        ]


def read(
    sound: str | Path | np.ndarray, features: Features, config: Config
) -> np.ndarray:
    """Features (time, width) of a file, a waveform or log-mel frames.

    Raises:
        ZooError: it cannot be read, or is of another form.
    """
    name = "the array" if isinstance(sound, np.ndarray) else str(sound)
    if not isinstance(sound, np.ndarray):
        path = Path(sound)
        sound = audio.read_array(path) if path.suffix == ".npy" else audio.read(path)
    if sound.ndim == 2:
        frames = audio.checked_frames(sound, name, features)
        return features.stacked(features.normalised(frames))
    return features.of(with_tail(audio.checked_samples(sound, name), config))


def evaluate(trained: Trained, split: str = "test") -> dict[str, Any]:
    """Figures of a run's best weights on a part of its data. Keras must run.

    Args:
        trained: the run.
        split: "test", or "validation", which chose the weights.

    Returns:
        wer, of one digit a recording also accuracy = 1 - wer, nats a recording,
        dataset, task, split, examples, digits in them, seconds.

    Raises:
        ZooError: the run is damaged, or its data have changed.
    """
    from zoo.speech.evaluation import figures, recognise

    config = trained.config
    spoken = examples(trained.data().split, split, config.task)
    model = trained.model()
    begun = time.perf_counter()
    features = features_of(trained.extras, config)
    logits, said = recognise(model, spoken, features, config)
    measured = figures(logits, said, spoken, config)
    if "accuracy" in measured:  # one word each: every error is a substitution
        measured["wer"] = 1.0 - measured["accuracy"]
    hold_out = trained.settings.hold_out
    return {
        **measured,
        "dataset": str(trained.settings.dataset),
        "task": config.task,
        "split": f"{split}, speaker {hold_out}" if hold_out else split,
        "examples": len(spoken),
        "digits": sum(len(one.digits) for one in spoken),
        "seconds": round(time.perf_counter() - begun, 3),
    }


def stream(
    trained: Trained, samples: np.ndarray
) -> Iterator[tuple[float, list[Heard]]]:
    """Hear a waveform 20 ms at a time. Keras must run.

    Args:
        trained: a run of `--task strings`.
        samples: (samples,) at 8 kHz.

    Yields:
        Seconds of audio so far, and all digits so far: after each piece, and once more
        behind the silence that ends it.

    Raises:
        ZooError: the model needs the whole waveform.
    """
    if trained.config.task != "strings":
        raise ZooError(
            f"{trained.name} was trained for --task {trained.config.task} and reads a "
            f"recording from both ends; expected a run of --task strings to stream"
        )
    from zoo.speech.streaming import PIECE, Streaming

    streaming = Streaming(
        trained.model(), features_of(trained.extras, trained.config), trained.config
    )
    listening = streaming.listen()
    for start in range(0, len(samples), PIECE):
        listening.push(samples[start : start + PIECE])
        seconds = min(start + PIECE, len(samples)) / SAMPLE_RATE
        yield seconds, list(listening.heard)
    listening.finish()
    yield len(samples) / SAMPLE_RATE, list(listening.heard)
