"""What decides a translation model and its training, and how it searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from zoo.config import (
    FROM_DATA,
    Checked,
    Count,
    Depth,
    File,
    NotNegative,
    Positive,
    Rate,
    Share,
    Training,
    Whole,
    Width,
)
from zoo.training.objective import Objective

OBJECTIVE = Objective("bleu", maximise=True)
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Config(Training):
    """All that decides a translation model, but for the sentences and the seed.

    Attributes:
        vocabulary: most subwords, shared by both languages.
        vocabulary_size: subwords that there are; few sentences give fewer.
        embedding_units: width of a subword's vector, also before the softmax.
        encoder_units: width of each direction of the encoder.
        encoder_layers: bidirectional GRU layers.
        decoder_units: width of each decoder GRU.
        decoder_layers: GRU layers of the decoder; the attention stands between the
            first and those after it.
        dropout: rate after the embedding, after each encoder layer and before the
            softmax.
        word_dropout: rate at which subwords are hidden from the model in training, on
            either side.
        label_smoothing: the part of each target's probability that goes to all
            subwords alike.
        batch_tokens: most target positions in a batch, padding included.
        pad_to: widths of batches are multiples of this, so that there are few shapes.
        max_length: most subwords of either sentence in training; longer pairs are
            skipped.
        averaging: decay of the running average of the weights, which is what is
            validated and kept.
    """

    vocabulary: Annotated[int, Field(ge=260, le=1_000_000)] = 6000
    vocabulary_size: Annotated[Whole, FROM_DATA] = 0
    embedding_units: Width = 256
    encoder_units: Width = 256
    encoder_layers: Depth = 1
    decoder_units: Width = 256
    decoder_layers: Depth = 2
    dropout: Rate = 0.3
    word_dropout: Rate = 0.1
    label_smoothing: Rate = 0.1
    batch_tokens: Count = 1280
    pad_to: Count = 4
    max_length: Count = 64
    epochs: Count = 12
    learning_rate: Positive = 2e-3
    warmup: Share = 0.08
    weight_decay: NotNegative = 0.01
    beta_2: Rate = 0.98
    averaging: Rate = 0.998
    validations: Count = 6


SIZES = {
    "tiny": Config(
        vocabulary=600,
        embedding_units=64,
        encoder_units=64,
        decoder_units=96,
        decoder_layers=1,
        dropout=0.1,
        word_dropout=0.0,
        batch_tokens=512,
        pad_to=8,
        epochs=6,
        learning_rate=5e-3,
        averaging=0.98,
    ),
    "small": Config(
        vocabulary=4000,
        embedding_units=128,
        encoder_units=128,
        decoder_units=192,
        decoder_layers=1,
        dropout=0.2,
        epochs=8,
        learning_rate=3e-3,
    ),
    "base": Config(),
}

# Trainable parameters, of a full vocabulary.
PARAMETERS = {"tiny": 174_648, "small": 1_055_584, "base": 4_104_816}


@dataclass(frozen=True)
class Search(Checked):
    """How a translation is searched for.

    Attributes:
        beam: hypotheses of a sentence that go on side by side; 1 is greedy search.
        length_penalty: scores are divided by length to this power; 0 favours short
            translations.
    """

    beam: Annotated[int, Field(ge=1, le=64)] = 5
    length_penalty: Annotated[float, Field(ge=0, le=10)] = 1.0


@dataclass(frozen=True)
class Evaluate(Search):
    """Measure BLEU and chrF of a model's translations.

    Attributes:
        split: which held-out sentences to translate.
    """

    split: Literal["test", "validation"] = "test"


@dataclass(frozen=True)
class Predict(Search):
    """Translate standard input, line by line.

    Attributes:
        attention: draw what each subword of the first translation looked at, as a PNG.
    """

    attention: File | None = None
