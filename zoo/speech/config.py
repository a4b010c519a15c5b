"""What decides a recogniser and its training."""

from __future__ import annotations

from dataclasses import dataclass, replace

DIGITS = 10
TASKS = {
    "digits": "one spoken digit a recording: a classifier",
    "strings": "3 to 7 digits a recording: CTC, unidirectional, can stream",
}
DEFAULT_TASK = "digits"


@dataclass(frozen=True)
class Config:
    """Shape of the model, of what is done to the waveforms, and of the training.

    Attributes:
        variant: a name in `keras_gru.VARIANTS`.
        task: a name in `TASKS`.
        bidirectional: each layer reads from both ends, `units` from either.
        mels: bands of the log-mel features.
        stack: frames of 10 ms in one step of the model.
        units: width of each GRU layer.
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
            all steps: so which step ends the training, or is chosen, matters less.
        curriculum: the part of all steps in which training strings grow from one digit
            to the longest: CTC finds short alignments first.
        silent: the part of the training strings in which nothing is said. Where each
            says something, guessing a digit before anything is heard does not cost
            much, and CTC, once it has learned that, does not unlearn it.
        speed: recordings are played at a rate drawn from 1 ± this (pitch moves too).
        gain: most decibels by which recordings are made louder or quieter.
        frequency_masks, frequency_width: SpecAugment, bands set to their mean.
        time_masks, time_width: SpecAugment, frames set to their mean.
        pad_to: batches are as many steps long as a multiple of this, so that a
            compiler meets few shapes.
        validations: how often the validation figures are taken, evenly.
    """

    variant: str = "keras"
    task: str = DEFAULT_TASK
    bidirectional: bool = True
    mels: int = 40
    stack: int = 3
    units: int = 64
    layers: int = 1
    dropout: float = 0.1
    recurrent_dropout: float = 0.0
    batch_size: int = 16
    epochs: int = 10
    learning_rate: float = 5e-3
    warmup: float = 0.1
    final_learning_rate: float = 0.01
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    beta_2: float = 0.99
    averaging: float = 0.04
    curriculum: float = 0.3
    silent: float = 0.1
    speed: float = 0.12
    gain: float = 10.0
    frequency_masks: int = 1
    frequency_width: int = 8
    time_masks: int = 1
    time_width: int = 8
    pad_to: int = 32
    validations: int = 8

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


def for_task(config: Config, task: str) -> Config:
    """A size for one of the tasks: strings are heard while they are spoken."""
    return replace(config, task=task, bidirectional=task == "digits")


def parameters(config: Config, reset_after: bool = True) -> int:
    """Count the trainable parameters without importing Keras or building the model.

    A GRU layer of width H over inputs of width D has 3H(D + H) in its kernels and 3H
    in a bias, of which the `reset_after` conventions have two.
    """
    biases = 2 if reset_after else 1
    directions = 2 if config.bidirectional else 1
    total, width = 0, config.width
    for _ in range(config.layers):
        total += directions * 3 * config.units * (width + config.units + biases)
        width = directions * config.units
    return total + config.classes * (width + 1)
