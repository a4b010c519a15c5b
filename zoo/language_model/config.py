"""What decides a language model and its training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Shape of the model and of its training.

    Attributes:
        variant: a name in `keras_gru.VARIANTS`.
        vocabulary_size: characters, or pieces, told apart; the data decide it.
        embedding_units: width of the vector of one.
        units: width of each GRU layer.
        layers: number of GRU layers.
        dropout: rate after the embedding and after each GRU layer; or one rate for
            each of these places, layers + 1 of them.
        recurrent_dropout: rate on the state that a GRU layer reads, with one mask for
            all time steps of a call; above 0 it rules out the faster kernels.
        tied: whether the logits use the embedding's matrix (Press & Wolf 2017, arXiv
            1608.05859), behind a projection of the state to its width.
        batch_size: streams of text read side by side.
        timesteps: characters between two updates (truncated backpropagation); the
            state is carried on, the gradient is not.
        epochs: passes over the training text.
        learning_rate: its highest value, after the warm-up.
        warmup: the part of all steps in which the rate rises to it.
        final_learning_rate: what the cosine falls to, as a part of the highest.
        weight_decay: AdamW's, on matrices; biases and embedding have none.
        clip_norm: greatest norm of the whole gradient.
        beta_2: decay of Adam's second moment.
        validations: how often the validation loss is taken, evenly over the training.
        evaluation_streams: streams of validation text read side by side.
        evaluation_warmup: characters that a stream reads before those that count.
        evaluation_timesteps: characters a call of the evaluation; no effect on the
            figures, since the state is carried.
    """

    variant: str = "keras"
    vocabulary_size: int = 0
    embedding_units: int = 64
    units: int = 256
    layers: int = 1
    dropout: float | tuple[float, ...] = 0.1
    recurrent_dropout: float = 0.0
    tied: bool = False
    batch_size: int = 32
    timesteps: int = 64
    epochs: int = 1
    learning_rate: float = 5e-3
    warmup: float = 0.05
    final_learning_rate: float = 0.01
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    beta_2: float = 0.99
    validations: int = 5
    evaluation_streams: int = 64
    evaluation_warmup: int = 128
    evaluation_timesteps: int = 256

    @property
    def dropouts(self) -> tuple[float, ...]:
        """The rate after the embedding, then after each GRU layer.

        Raises:
            ValueError: there is not one rate for each place.
        """
        if not isinstance(self.dropout, tuple):
            return (self.dropout,) * (self.layers + 1)
        if len(self.dropout) != self.layers + 1:
            raise ValueError(
                f"dropout={self.dropout}; expected {self.layers + 1} rates: after the "
                f"embedding and after each of {self.layers} GRU layers"
            )
        return self.dropout


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


def parameters(config: Config, reset_after: bool = True) -> int:
    """Count the trainable parameters without importing Keras or building the model.

    A GRU layer of width H over inputs of width D has 3H(D + H) in its kernels and 3H
    in a bias, of which the `reset_after` conventions have two.
    """
    biases = 2 if reset_after else 1
    total = config.vocabulary_size * config.embedding_units
    width = config.embedding_units
    for _ in range(config.layers):
        total += 3 * config.units * (width + config.units + biases)
        width = config.units
    if config.tied:
        return total + (width + 1) * config.embedding_units
    return total + config.vocabulary_size * (width + 1)
