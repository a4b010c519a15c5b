"""What decides a language model and its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from zoo.config import FROM_DATA, Count, Depth, Rate, Training, Whole, Width
from zoo.errors import ZooError
from zoo.training.objective import Objective

OBJECTIVE = Objective("nats", like_loss=True)


@dataclass(frozen=True)
class Config(Training):
    """All that decides a language model, but for the text and the seed.

    Attributes:
        layer: the recurrent layer; the last two are Keras' own, to compare with.
        tokens: what the text is cut into: characters, byte pairs, or words.
        vocabulary: how many byte pairs or words.
        vocabulary_size: tokens that the model tells apart; the text decides it.
        embedding_units: width of the vector of a token.
        units: width of each GRU layer.
        layers: number of GRU layers.
        dropout: rate after the embedding and after each GRU layer; or one rate for
            each of these places, layers + 1 of them.
        tied: whether the logits use the embedding's matrix (Press & Wolf 2017, arXiv
            1608.05859), behind a projection of the state to its width.
        batch_size: streams of text read side by side.
        timesteps: characters between two updates (truncated backpropagation); the
            state is carried on, the gradient is not.
        evaluation_streams: streams of validation text read side by side.
        evaluation_warmup: characters that a stream reads before those that count.
        evaluation_timesteps: characters a call of the evaluation; no effect on the
            figures, since the state is carried.
    """

    layer: Literal["gru", "lstm", "simple_rnn"] = "gru"
    tokens: Literal["char", "bpe", "word"] = "char"
    vocabulary: Annotated[int, Field(ge=256, le=1_000_000)] = 2048
    vocabulary_size: Annotated[Whole, FROM_DATA] = 0
    embedding_units: Width = 64
    units: Width = 256
    layers: Depth = 1
    dropout: Rate | tuple[Rate, ...] = 0.1
    tied: bool = False
    batch_size: Count = 32
    timesteps: Count = 64
    evaluation_streams: Count = 64
    evaluation_warmup: Whole = 128
    evaluation_timesteps: Count = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        rates = self.layers + 1
        if isinstance(self.dropout, tuple) and len(self.dropout) != rates:
            raise ZooError(
                f"dropout={self.dropout}; expected {rates} rates: after the "
                f"embedding and after each of {self.layers} GRU layers"
            )

    @property
    def dropouts(self) -> tuple[float, ...]:
        """The rate after the embedding, then after each GRU layer."""
        if isinstance(self.dropout, tuple):
            return self.dropout
        return (self.dropout,) * (self.layers + 1)


SIZES = {
    "tiny": Config(embedding_units=32, units=192, dropout=0.05, epochs=2),
    "small": Config(units=464, epochs=4, validations=4),
    "base": Config(
        embedding_units=128,
        units=512,
        layers=2,
        dropout=(0.1, 0.25, 0.3),
        epochs=8,
        learning_rate=2e-3,
        weight_decay=0.03,
        validations=8,
    ),
}


# Trainable parameters, of Shakespeare's 65 characters.
PARAMETERS = {"tiny": 144_801, "small": 772_145, "base": 2_603_713}
