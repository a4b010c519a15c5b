"""What decides a recogniser and its training; the options of its use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.config import (
    Checked,
    Count,
    Depth,
    File,
    NotNegative,
    Rate,
    Share,
    Training,
    Whole,
    Width,
    Words,
)
from zoo.errors import ZooError
from zoo.training.objective import Objective

OBJECTIVE = Objective("nats", like_loss=True)
DIGITS = 10
SAMPLE_RATE = 8_000  # Hz, of everything behind `audio.read`


@dataclass(frozen=True)
class Config(Training):
    """All that decides a recogniser, but for the recordings and the seed.

    Attributes:
        task: digits, one a recording, for a classifier that reads from both ends; or
            strings of 3 to 7, for CTC, read forwards only, so that it can stream.
        mels: bands of the log-mel features.
        stack: frames of 10 ms in one step of the model.
        units: width of each GRU layer, in each direction.
        layers: number of GRU layers.
        dropout: rate after each GRU layer.
        batch_size: recordings read side by side.
        epochs: passes over the training recordings; of strings, an epoch has as many
            strings as there are recordings.
        averaging: the weights that are used are running means over about this part of
            all steps, so that it matters less which step is the last, or the best.
        curriculum: the part of all steps in which training strings grow from one digit
            to the longest: CTC finds short alignments first.
        silent: the part of the training strings in which nothing is said. Without
            them CTC learns to guess a digit before it has heard anything.
        speed: recordings are played at a rate drawn from 1 ± this; the pitch moves too.
        gain: most decibels by which recordings are made louder or quieter.
        frequency_masks: bands of frequency that SpecAugment sets to their mean.
        frequency_width: most mel bands in one of them.
        time_masks: spans of time that SpecAugment sets to their mean.
        time_width: most frames in one of them.
        pad_to: a batch is as many steps long as a multiple of this, so that there are
            few shapes to compile for.
    """

    task: Literal["digits", "strings"] = "digits"
    mels: Width = 40
    stack: Width = 3
    units: Width = 64
    layers: Depth = 1
    dropout: Rate = 0.1
    batch_size: Count = 16
    epochs: Count = 10
    warmup: Share = 0.1
    weight_decay: NotNegative = 0.01
    averaging: Share = 0.04
    curriculum: Share = 0.3
    silent: Share = 0.1
    speed: Rate = 0.12
    gain: NotNegative = 10.0
    frequency_masks: Whole = 1
    frequency_width: Whole = 8
    time_masks: Whole = 1
    time_width: Whole = 8
    pad_to: Count = 32
    validations: Count = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frequency_width > self.mels:
            raise ZooError(
                f"frequency_width={self.frequency_width}; expected at most the "
                f"{self.mels} mel bands"
            )

    @property
    def bidirectional(self) -> bool:
        """Whether each layer reads from both ends: strings are heard as they come."""
        return self.task == "digits"

    @property
    def width(self) -> int:
        """Features of one step."""
        return self.mels * self.stack

    @property
    def classes(self) -> int:
        """The digits; for CTC also the blank, which is class 0."""
        return DIGITS if self.task == "digits" else DIGITS + 1


SIZES = {
    "tiny": Config(units=64, layers=1, epochs=12),
    "small": Config(units=128, layers=2, epochs=12),
    "base": Config(units=192, layers=2, dropout=0.15, epochs=30, validations=12),
}

# Trainable parameters, of a size and a task.
PARAMETERS = {
    "tiny, digits": 72_714,
    "small, digits": 491_018,
    "base, digits": 1_031_434,
    "tiny, strings": 36_427,
    "small, strings": 196_491,
    "base, strings": 405_323,
}


@dataclass(frozen=True)
class Evaluate(Checked):
    """Options of ``zoo evaluate speech``.

    Attributes:
        split: the part of the data to measure on; validation chose the weights.
    """

    split: Literal["test", "validation"] = "test"


@dataclass(frozen=True)
class Predict(Checked):
    """Recognise the digits in audio files; a .npy file holds log-mel frames instead.

    Attributes:
        files: audio of any rate and format, or log-mel frames.
        stream: hear the file 20 ms at a time, and show what was said so far.
        plot: draw the features and the posteriors of the file.
    """

    files: Words = ()
    stream: bool = False
    plot: File | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stream and self.plot:
            raise ZooError("--stream and --plot exclude each other: give one")
        if len(self.files) > 1 and (self.stream or self.plot):
            option = "--stream" if self.stream else "--plot"
            raise ZooError(f"{option} takes one file, {len(self.files)} were given")
        for file in map(Path, self.files):  # told before Keras is started
            if not file.is_file():
                what = "is a folder" if file.is_dir() else "does not exist"
                raise ZooError(f"{file} {what}; expected an audio file")
            if self.stream and file.suffix == ".npy":
                raise ZooError(f"{file} holds no audio; --stream expects an audio file")
