"""What decides a music model and its training; the options of its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from zoo.config import (
    Checked,
    Count,
    File,
    NotNegative,
    Positive,
    Rate,
    Seed,
    Share,
    Training,
    Whole,
    Width,
)
from zoo.errors import ZooError
from zoo.training.objective import Objective

OBJECTIVE = Objective("nats", like_loss=True)
KEYS = 88  # of a piano
LOWEST = 21  # the MIDI number of its first key, A0


@dataclass(frozen=True)
class Config(Training):
    """All that decides a music model, but for the pieces and the seed.

    Attributes:
        kind: the recurrent layer; lstm and tanh are Keras' own, to compare with.
        units: width of the layer.
        input_dropout: rate on the notes that are read.
        dropout: rate after the layer.
        timesteps: a longer piece is trained on in excerpts of at most so many steps,
            cut elsewhere in each epoch; it is always measured whole.
        transpose: training pieces are moved by up to so many semitones, up or down, in
            each epoch otherwise, as far as the keyboard has the keys.
        batch_size: excerpts read side by side.
        averaging: the weights that are used are running means over about this part of
            all steps.
    """

    kind: Literal["gru", "lstm", "tanh"] = "gru"
    units: Width = 46
    input_dropout: Rate = 0.2
    dropout: Rate = 0.1
    timesteps: Count = 200
    transpose: Annotated[int, Field(ge=0, le=11)] = 0
    batch_size: Count = 8
    epochs: Count = 60
    learning_rate: Positive = 1e-2
    weight_decay: NotNegative = 0.0
    averaging: Share = 0.1
    validations: Count = 20


SIZES = {
    "tiny": Config(),
    "small": Config(units=128, dropout=0.3),
    "base": Config(units=256, dropout=0.5, learning_rate=5e-3),
}

# Trainable parameters.
PARAMETERS = {"tiny": 22_904, "small": 95_064, "base": 288_344}


@dataclass(frozen=True)
class Evaluate(Checked):
    """Options of ``zoo evaluate polyphonic_music``.

    Attributes:
        split: the part of the data to measure on; validation chose the weights.
    """

    split: Literal["test", "validation"] = "test"


@dataclass(frozen=True)
class Predict(Checked):
    """Compose: write a MIDI file, and a picture of its piano roll.

    Attributes:
        steps: how many are composed.
        piece: the music goes on from the beginning of this piece of the test part, the
            first being 0; by default it begins from silence.
        prime: steps of the piece that are read; by default 16.
        temperature: divides the logits; below 1 the likely keys become likelier.
        seed: decides what is drawn.
        seconds: of a step in the MIDI file.
        out: the MIDI file to write; by default the chords are printed.
        plot: the picture to draw.
    """

    steps: Count = 96
    piece: Whole | None = None
    prime: Count | None = None
    temperature: Positive = 1.0
    seed: Seed = 0
    seconds: Annotated[float, Field(ge=0.01, le=10)] = 0.4
    out: File | None = None
    plot: File | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prime is not None and self.piece is None:
            raise ZooError("--prime is of a --piece; give its number")
