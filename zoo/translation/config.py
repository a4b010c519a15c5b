"""What decides a translation model and its training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Shape of the model and of its training.

    Attributes:
        variant: a name in `keras_gru.VARIANTS`.
        vocabulary_size: most subwords, shared by both languages; the data may give
            fewer, and then decide it.
        embedding_units: width of a subword's vector, also before the softmax.
        encoder_units: width of each direction of the encoder.
        encoder_layers: bidirectional GRU layers.
        decoder_units: width of each decoder GRU.
        decoder_layers: GRU layers of the decoder; the first asks the attention, those
            after it read what it answers.
        dropout: rate after the embedding, after each encoder layer and before the
            softmax.
        recurrent_dropout: rate on the state that a GRU layer reads, with one mask for
            all time steps of a call; above 0 it rules out the faster kernels.
        word_dropout: rate at which subwords are hidden from the model in training, on
            either side.
        label_smoothing: the part of each target's probability that goes to all
            subwords alike.
        batch_tokens: most target positions in a batch, padding included.
        pad_to: widths of batches are multiples of this, so that there are few shapes.
        max_length: most subwords of either sentence in training; longer pairs are
            skipped.
        epochs: passes over the training pairs.
        learning_rate: its highest value, after the warm-up.
        warmup: the part of all steps in which the rate rises to it.
        final_learning_rate: what the cosine falls to, as a part of the highest.
        weight_decay: AdamW's, on matrices; biases and embedding have none.
        clip_norm: greatest norm of the whole gradient.
        beta_2: decay of Adam's second moment.
        averaging: decay of the running average of the weights, which is what is
            validated and kept.
        validations: how often validation figures are taken, evenly over the training.
    """

    variant: str = "keras"
    vocabulary_size: int = 6000
    embedding_units: int = 256
    encoder_units: int = 256
    encoder_layers: int = 1
    decoder_units: int = 256
    decoder_layers: int = 2
    dropout: float = 0.3
    recurrent_dropout: float = 0.0
    word_dropout: float = 0.1
    label_smoothing: float = 0.1
    batch_tokens: int = 1280
    pad_to: int = 4
    max_length: int = 64
    epochs: int = 12
    learning_rate: float = 2e-3
    warmup: float = 0.08
    final_learning_rate: float = 0.01
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    beta_2: float = 0.98
    averaging: float = 0.998
    validations: int = 6


SIZES = {
    "tiny": Config(
        vocabulary_size=600,
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
        vocabulary_size=4000,
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


def parameters(config: Config, reset_after: bool = True) -> int:
    """Count the trainable parameters without importing Keras or building the model.

    A GRU layer of width H over inputs of width D has 3H(D + H) in its kernels and 3H
    in a bias, of which the `reset_after` conventions have two.
    """

    def gru(width: int, units: int) -> int:
        return 3 * units * (width + units + (2 if reset_after else 1))

    memory = 2 * config.encoder_units
    total = config.vocabulary_size * (config.embedding_units + 1)
    width = config.embedding_units
    for _ in range(config.encoder_layers):
        total += 2 * gru(width, config.encoder_units)
        width = memory
    total += gru(config.embedding_units, config.decoder_units)
    total += (config.decoder_layers - 1) * gru(
        config.decoder_units + memory, config.decoder_units
    )
    total += config.decoder_layers * (memory + 1) * config.decoder_units  # bridges
    total += memory * config.decoder_units  # keys
    total += (config.decoder_units + memory + 1) * config.embedding_units  # combined
    return total
