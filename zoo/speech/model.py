"""Features -> GRU layers -> a digit, or a digit or none at each step."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

import keras_gru
from zoo.speech.batches import BLANK
from zoo.speech.config import Config
from zoo.training.seeds import RECURRENT, drawn

# Logits of a padded step: blank for certain. e**-60 is nothing beside 1 in float32.
CERTAIN = 30.0


def build(config: Config, batch_size: int | None = None, seed: int = 0) -> keras.Model:
    """Build the model: features (batch, time, width), mask (batch, time) -> logits.

    .. code-block:: text

        h_t = dropout(GRU(h_{t-1}, x_t))        (batch, time, units), each layer
        digits:   logits = V mean_t(h_t) + b    (batch, 10)
        strings:  logits_t = V h_t + b          (batch, time, 11), class 0 the blank

    `keras.losses.CTC` takes no lengths. So a string's logits say "blank" for certain
    at padded steps: the loss over all steps is then that over the steps before them.

    Args:
        config: shapes and rates.
        batch_size: waveforms heard side by side, piece by piece. The state is then
            carried from call to call. None: no carried state, any batch.
        seed: decides the dropout masks.

    Raises:
        ValueError: a batch size for a bidirectional model, which cannot stream.

    Example:
        >>> from zoo.speech.config import Config
        >>> build(Config(task="strings")).output_shape
        (None, None, 11)
    """
    if batch_size is not None and config.bidirectional:
        raise ValueError(
            f"batch_size={batch_size} with task={config.task!r}: such a model reads a "
            f"waveform from its end too and carries no state; expected None"
        )
    features = keras.Input((None, config.width), batch_size=batch_size, name="features")
    mask = keras.Input((None,), batch_size=batch_size, dtype="bool", name="mask")
    sequences = features
    for index in range(1, config.layers + 1):
        layer: keras.Layer = keras_gru.GRU(
            config.units,
            return_sequences=True,
            stateful=batch_size is not None,
            recurrent_dropout=config.recurrent_dropout,
            seed=drawn(seed, index, RECURRENT),
            name=f"gru_{index}",
            **keras_gru.VARIANTS[config.variant],
        )
        if config.bidirectional:
            layer = keras_gru.Bidirectional(layer, name=f"bidirectional_{index}")
        sequences = layer(sequences, mask=mask)  # (batch, time, units)
        sequences = _dropout(config, seed, index)(sequences)
    if config.task == "digits":
        sequences = keras.layers.GlobalAveragePooling1D(name="mean")(
            sequences, mask=mask
        )  # (batch, units)
    logits = keras.layers.Dense(config.classes, name="logits")(sequences)
    if config.task == "strings":
        logits = ops.where(ops.expand_dims(mask, -1), logits, blank_logits(config))
    return keras.Model((features, mask), logits, name="speech")


def blank_logits(config: Config) -> np.ndarray:
    """The logits of a padded step, (classes,)."""
    logits = np.full(config.classes, -CERTAIN, np.float32)
    logits[BLANK] = CERTAIN
    return logits


def loss(config: Config) -> keras.losses.Loss:
    """Mean nats a recording: cross-entropy of the digit, or CTC of the string.

    Source: Graves et al. 2006, "Connectionist temporal classification", ICML.
    """
    if config.task == "digits":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.CTC()


def _dropout(config: Config, seed: int, index: int) -> keras.layers.Dropout:
    """Dropout after a GRU layer."""
    return keras.layers.Dropout(
        config.dropout, seed=drawn(seed, index), name=f"dropout_{index}"
    )
