"""A translation "tiny" that is smaller still: seconds on every backend."""

from __future__ import annotations

from zoo.translation.config import Config

TINY_TRANSLATION = Config(
    vocabulary=300,
    embedding_units=6,
    encoder_units=5,
    decoder_units=7,
    decoder_layers=1,
    dropout=0.2,
    word_dropout=0.1,
    batch_tokens=200,
    pad_to=8,
    max_length=40,
    epochs=2,
    learning_rate=0.01,
    averaging=0.9,
    validations=2,
)
