"""Measure and use a trained recogniser. Keras runs already."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.presets.pretrained import Pretrained
from zoo.presets.saved import Saved
from zoo.speech import audio, plots
from zoo.speech.batches import held_out, with_tail
from zoo.speech.config import SAMPLE_RATE, Config, Predict
from zoo.speech.data import Source
from zoo.speech.decoding import Heard, Recognised, decode, posteriors
from zoo.speech.evaluation import logits_of, recognise
from zoo.speech.features import HOP, Features
from zoo.speech.model import build
from zoo.speech.streaming import PIECE, Listening
from zoo.training.plots import require_format


class Recogniser(Pretrained):
    """Recognises spoken digits.

    Example:
        >>> from zoo.speech.use import Recogniser
        >>> recogniser = Recogniser.from_preset("fsdd-digits")
        >>> [one.text for one in recogniser.predict(["seven.wav"])]  # doctest: +SKIP
        ['7']
    """

    program = "speech"

    def __init__(self, saved: Saved, model: keras.Model) -> None:
        super().__init__(saved, model)
        self.features = Features.of_run(saved.config, saved.extras)

    @staticmethod
    def build(config: Config) -> keras.Model:
        return build(config)

    @property
    def carries_state(self) -> bool:
        """Where it hears piece by piece."""
        return not self.config.bidirectional

    def onnx_models(self) -> dict[str, keras.Model]:
        return {"": keras.Model(self.model.input, {"logits": self.model.output})}

    def predict(self, sounds: Sequence[str | Path | np.ndarray]) -> list[Recognised]:
        """Recognise recordings, side by side.

        Args:
            sounds: each the path of an audio file, or of a .npy file of log-mel frames;
                a waveform (samples,) at 8 kHz, float within ±1; or log-mel frames
                (frames, mels) as `zoo.speech.features.log_mel` makes them.

        Raises:
            ZooError: one cannot be read.
        """
        sequences = [self.read(sound) for sound in sounds]
        return [
            Recognised(
                decode(logits, self.config),
                sequence,
                posteriors(logits),
                self.config.stack * HOP / SAMPLE_RATE,
            )
            for sequence, logits in zip(
                sequences, logits_of(self.model, sequences, self.config), strict=True
            )
        ]

    def read(self, sound: str | Path | np.ndarray) -> np.ndarray:
        """Features (time, width) of a file, a waveform or log-mel frames."""
        name = "the array" if isinstance(sound, np.ndarray) else str(sound)
        if not isinstance(sound, np.ndarray):
            is_array = Path(sound).suffix == ".npy"
            sound = (audio.read_array if is_array else audio.read)(Path(sound))
        if sound.ndim == 2:
            frames = audio.checked_frames(sound, name, self.features)
            return self.features.stacked(self.features.normalised(frames))
        samples = audio.checked_samples(sound, name)
        return self.features.of(with_tail(samples, self.config))

    def model_inputs(self, given: str) -> tuple[np.ndarray, np.ndarray]:
        """A file as features (1, time, width) and their mask (1, time)."""
        features = self.read(given)[None]
        return features, np.ones(features.shape[:2], bool)

    def stream(self, samples: np.ndarray) -> Iterator[tuple[float, list[Heard]]]:
        """Hear a waveform 20 ms at a time.

        Yields:
            Seconds of audio so far, and all digits so far: after each piece, and once
            more behind the silence that ends it.

        Raises:
            ZooError: the model needs the whole waveform.
        """
        if self.config.task != "strings":
            raise ZooError(
                f"{self.saved.name} was trained for --task {self.config.task} and "
                f"reads a recording from both ends; expected a run of --task strings "
                f"to stream"
            )
        listening = Listening(self.model, self.features, self.config)
        for start in range(0, len(samples), PIECE):
            listening.push(samples[start : start + PIECE])
            seconds = min(start + PIECE, len(samples)) / SAMPLE_RATE
            yield seconds, list(listening.heard)
        listening.finish()
        yield len(samples) / SAMPLE_RATE, list(listening.heard)

    def evaluate(
        self, *, split: str = "test", on: Source | None = None, **options: Any
    ) -> dict[str, Any]:
        """Measure accuracy or word error rate on a part of the data.

        Args:
            split: "test", or "validation", which chose the weights.
            on: other recordings than those of the training.

        Returns:
            wer, of one digit a recording also accuracy = 1 - wer, nats a recording,
            dataset, task, split, examples, digits in them, seconds.

        Raises:
            ZooError: the data cannot be had, or have changed.
        """
        source = on or self.saved.source
        examples = held_out(self.saved.load_data(on).split, split, self.config)
        begun = time.perf_counter()
        _, figures = recognise(self.model, examples, self.features, self.config)
        if "accuracy" in figures:  # one word each: every error is a substitution
            figures["wer"] = 1.0 - figures["accuracy"]
        return {
            **figures,
            "dataset": source.dataset,
            "task": self.config.task,
            "split": f"{split}, speaker {source.hold_out}"
            if source.hold_out
            else split,
            "examples": len(examples),
            "digits": sum(len(one.digits) for one in examples),
            "seconds": round(time.perf_counter() - begun, 3),
        }


PRETRAINED = Recogniser


# The command line.


def told(figures: dict[str, Any]) -> str:
    """Figures of `evaluate` in a line."""
    rate = "accuracy" if "accuracy" in figures else "wer"
    return (
        f"{figures['dataset']} {figures['task']}, {figures['split']}: "
        f"{rate} {figures[rate]:.2%}, {figures['nats']:.4f} nats a recording; "
        f"{figures['digits']:,} digits in {figures['examples']:,} recordings, "
        f"{figures['seconds']:.1f} s"
    )


def predict(saved: Saved, options: Predict, as_json: bool) -> dict[str, Any] | None:
    """What ``zoo predict`` does: print the digits of each file, or return them."""
    if options.plot:
        require_format(Path(options.plot), "--plot")
    recogniser = Recogniser.from_saved(saved)
    if options.stream:
        return _stream(recogniser, options.files[0], as_json)
    found = []
    for file in options.files:
        begun = time.perf_counter()
        (recognised,) = recogniser.predict([file])
        seconds = round(time.perf_counter() - begun, 3)
        found.append({"file": file, **recognised.as_json(), "took": seconds})
        text = recognised.text or "(nothing)"
        if not as_json:
            print(f"{file}: {text}")
        if options.plot:
            title = f"{Path(file).name}: {text}"
            mels = recogniser.config.mels
            plots.recognition(recognised, mels, title, Path(options.plot))
    return {"task": recogniser.config.task, "files": found} if as_json else None


def _stream(recogniser: Recogniser, file: str, as_json: bool) -> dict[str, Any] | None:
    """Print the transcript each time it has grown, or return when it grew."""
    rows: list[dict[str, Any]] = []
    for seconds, heard in recogniser.stream(audio.read(Path(file))):
        new = [one.digit for one in heard[len(rows) :]]
        rows += [{"digit": digit, "heard_at": round(seconds, 3)} for digit in new]
        if new and not as_json:
            text = " ".join(str(one.digit) for one in heard)
            print(f"{seconds:6.2f} s  {text}", flush=True)
    if as_json:
        digits = [row["digit"] for row in rows]
        return {"file": file, "digits": digits, "stream": rows}
    if not rows:
        print("(nothing)")
    return None
