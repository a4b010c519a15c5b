"""Characters or pieces -> embedding -> GRU layers -> logits of the next one."""

from __future__ import annotations

import math
from typing import Any

import keras

import keras_gru
from zoo.language_model.config import Config
from zoo.training import carrying
from zoo.training.seeds import RECURRENT, drawn


def build(
    config: Config,
    batch_size: int | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build the model: characters (batch, time) -> logits (batch, time, vocabulary).

    .. code-block:: text

        e_t = dropout(E[c_t])                      (batch, time, embedding_units)
        h_t = dropout(GRU(h_{t-1}, e_t))           (batch, time, units), each layer
        logits_t = V h_t + b                       (batch, time, vocabulary)

    With `config.tied`, logits_t = E (P h_t + p), and what the first layer reads is
    √embedding_units E[c_t], since E begins so much smaller.

    Args:
        config: shapes and rates; `vocabulary_size` must be set.
        batch_size: streams read side by side. The state is then carried from call to
            call until `reset_carried_state`. None: no carried state, any batch.
        seed: decides the dropout masks.

    Raises:
        ValueError: `vocabulary_size` is not set.

    Example:
        >>> from zoo.language_model.config import Config
        >>> build(Config(vocabulary_size=65, units=8)).output_shape
        (None, None, 65)
    """
    if config.vocabulary_size < 1:
        raise ValueError(
            f"config.vocabulary_size={config.vocabulary_size}; expected the number of "
            f"pieces in the data's vocabulary"
        )
    characters = keras.Input(
        shape=(None,), batch_size=batch_size, dtype="int32", name="characters"
    )
    kind = keras.layers.ReversibleEmbedding if config.tied else keras.layers.Embedding
    embedding = kind(
        config.vocabulary_size,
        config.embedding_units,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=config.embedding_units**-0.5 if config.tied else 1.0
        ),
        name="embedding",
    )
    sequences = embedding(characters)  # (batch, time, embedding_units)
    if config.tied:
        scale = math.sqrt(config.embedding_units)
        sequences = keras.layers.Rescaling(scale, name="scaled")(sequences)
    sequences = _dropout(config, seed, 0)(sequences)
    for index in range(1, config.layers + 1):
        layer = _recurrent(config, seed, index, stateful=batch_size is not None)
        sequences = layer(sequences)  # (batch, time, units)
        sequences = _dropout(config, seed, index)(sequences)
    if config.tied:
        projection = keras.layers.Dense(config.embedding_units, name="projection")
        logits = embedding(projection(sequences), reverse=True)
    else:
        logits = keras.layers.Dense(config.vocabulary_size, name="logits")(sequences)
    return keras.Model(characters, logits, name="language_model")


def _recurrent(
    config: Config, seed: int, index: int, stateful: bool
) -> keras.layers.Layer:
    """Recurrent layer `index` of the stack: (batch, time, units)."""
    options: dict[str, Any] = {
        "units": config.units,
        "return_sequences": True,
        "stateful": stateful,
        "recurrent_dropout": config.recurrent_dropout,
        "seed": drawn(seed, index, RECURRENT),
        "name": f"{config.layer}_{index}",
    }
    if config.layer == "lstm":
        return (carrying.LSTM if stateful else keras.layers.LSTM)(**options)
    if config.layer == "simple_rnn":
        return carrying.SimpleRNN(**options)
    return keras_gru.GRU(**options, **keras_gru.VARIANTS[config.variant])


def reset_carried_state(model: keras.Model) -> None:
    """Zero the state that each recurrent layer carries: a new text begins."""
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()


def _dropout(config: Config, seed: int, index: int) -> keras.layers.Dropout:
    """Dropout after the embedding (index 0) or after a GRU layer."""
    return keras.layers.Dropout(
        config.dropouts[index], seed=drawn(seed, index), name=f"dropout_{index}"
    )
