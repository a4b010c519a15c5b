"""What decides a recogniser and its training; the options of its use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from zoo.config import (
    Checked,
    Count,
    Decay,
    File,
    NotNegative,
    OneOf,
    Positive,
    Range,
    Rate,
    Share,
    Variant,
    Whole,
    Words,
)
from zoo.errors import ZooError
from zoo.training.objective import Objective

OBJECTIVE = Objective("nats", like_loss=True)
DIGITS = 10
SAMPLE_RATE = 8_000  # Hz, of everything behind `audio.read`
# One spoken digit a recording: a classifier. 3 to 7 digits a recording: CTC.
TASKS = ("digits", "strings")
SPLITS = ("test", "validation")


@dataclass(frozen=True)
class Config(Checked):
    """All that decides a recogniser, but for the recordings and the seed.

    Attributes:
        variant: a name in `keras_gru.VARIANTS`.
        task: digits, one a recording, for a classifier that reads from both ends; or
            strings of 3 to 7, for CTC, read forwards only, so that it can stream.
        mels: bands of the log-mel features.
        stack: frames of 10 ms in one step of the model.
        units: width of each GRU layer, in each direction.
        layers: number of GRU layers.
        dropout: rate after each GRU layer.
        recurrent_dropout: rate on the state that a GRU layer reads, with one mask for
            all time steps of a call; above 0 it rules out the faster kernels.
        batch_size: recordings read side by side.
        epochs: passes over the training recordings; of strings, an epoch has as many
            strings as there are recordings.
        learning_rate: its highest value, after the warm-up.
        warmup: the part of all steps in which the rate rises to it.
        final_learning_rate: what the cosine falls to, as a part of the highest.
        weight_decay: AdamW's, on matrices; biases have none.
        clip_norm: greatest norm of the whole gradient.
        beta_2: decay of Adam's second moment.
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
        validations: how often the validation figures are taken, evenly.
    """

    variant: Variant = "keras"
    task: Annotated[str, OneOf(TASKS)] = "digits"
    mels: Count = 40
    stack: Count = 3
    units: Count = 64
    layers: Count = 1
    dropout: Rate = 0.1
    recurrent_dropout: Rate = 0.0
    batch_size: Count = 16
    epochs: Count = 10
    learning_rate: Positive = 5e-3
    warmup: Share = 0.1
    final_learning_rate: Share = 0.01
    weight_decay: NotNegative = 0.01
    clip_norm: Positive = 1.0
    beta_2: Decay = 0.99
    averaging: Share = 0.04
    curriculum: Share = 0.3
    silent: Share = 0.1
    speed: Annotated[float, Range(least=0, below=1)] = 0.12
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

    split: Annotated[str, OneOf(SPLITS)] = "test"


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
