"""Subwords -> bidirectional GRU -> attention of a GRU decoder -> logits.

The attention stands behind the first decoder GRU, not inside its recurrence: in
training that GRU reads the whole target in one call, and the attention of all target
positions is a pair of batched products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

import keras_gru
from zoo.training.seeds import RECURRENT, drawn
from zoo.translation.config import Config
from zoo.translation.subwords import NEVER, PAD

Layers: TypeAlias = Mapping[str, keras.layers.Layer]
# Runs a decoder layer on inputs from a state: its outputs and the state after them.
Advance: TypeAlias = Callable[[keras.layers.Layer, Any, Any], tuple[Any, Any]]


@keras.saving.register_keras_serializable(package="keras_gru")
class SharedEmbedding(keras.layers.Layer):
    """One table for the subwords of both languages and for the softmax.

    Forward, `√units · E[id]`; with `reverse=True`, the logits `h Eᵀ + b` of vectors.

    Source: Press and Wolf 2017, arXiv 1608.05859 v3.
    """

    def __init__(self, vocabulary_size: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            shape=(self.vocabulary_size, self.units),
            initializer=keras.initializers.RandomNormal(stddev=self.units**-0.5),
            name="embeddings",
        )
        self.bias = self.add_weight(
            shape=(self.vocabulary_size,), initializer="zeros", name="bias"
        )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if reverse:
            return ops.matmul(inputs, ops.transpose(self.embeddings)) + self.bias
        return ops.take(self.embeddings, inputs, axis=0) * self.units**0.5

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "units": self.units,
        }


def build(config: Config, seed: int = 0) -> keras.Model:
    """Build the model: source and shifted target -> logits of the target.

    .. code-block:: text

        m = BiGRU(dropout(E[x]))                    (batch, source, 2 · encoder_units)
        h_t = GRU(h_{t-1}, dropout(E[y_{t-1}]))     (batch, target, decoder_units)
        α_ts = softmax_s(h_t · W m_s / √units)      (batch, target, source)
        c_t = Σ_s α_ts m_s                          (batch, target, 2 · encoder_units)
        g_t = GRU(g_{t-1}, [h_t; c_t])              with decoder_layers > 1
        logits_t = E dropout(tanh(W [g_t; c_t] + d)) + b

    h_0 and g_0 are tanh layers of the mean of m. The attention is "general" of Luong
    et al. 2015, arXiv 1508.04025 v5, with keys computed once a sentence, scaled.

    Args:
        config: shapes and rates; `vocabulary_size` must be set.
        seed: decides the dropout masks.

    Returns:
        A model of (source (batch, source), target (batch, target)), both int32 and
        padded with `PAD`: logits (batch, target, vocabulary).

    Raises:
        ValueError: `vocabulary_size` is not set.

    Example:
        >>> from zoo.translation.config import Config
        >>> build(Config(vocabulary_size=50)).output_shape
        (None, None, 50)
    """
    if config.vocabulary_size < 1:
        raise ValueError(
            f"config.vocabulary_size={config.vocabulary_size}; expected the number of "
            f"subwords"
        )
    layers = {layer.name: layer for layer in _new_layers(config, seed)}

    def dropout(name: str, inputs: Any) -> Any:
        drawn_by = drawn(seed, *name.encode())
        name = f"dropout_{name}"
        return keras.layers.Dropout(config.dropout, seed=drawn_by, name=name)(inputs)

    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    mask = ops.not_equal(source, PAD)
    values = dropout("source", layers["embedding"](source))
    for index in range(1, config.encoder_layers + 1):
        values = layers[f"encoder_{index}"](values, mask=mask)
        values = dropout(f"encoder_{index}", values)  # (…, source, 2 · encoder_units)
    used = ops.expand_dims(ops.cast(mask, values.dtype), -1)
    mean = ops.sum(values * used, axis=1) / ops.maximum(ops.sum(used, axis=1), 1.0)
    places = range(1, config.decoder_layers + 1)
    states = [layers[f"bridge_{index}"](mean) for index in places]
    memory = (values, layers["keys"](values), mask)
    # Nothing looks ahead, so that padding behind a sentence cannot reach it; the mask
    # lets the kernel skip it.
    target_mask = ops.not_equal(target, PAD)

    def whole(decoder: keras.layers.Layer, inputs: Any, state: Any) -> tuple[Any, Any]:
        return decoder(inputs, initial_state=state, mask=target_mask)

    embedded = dropout("target", layers["embedding"](target))
    combined, _, _ = _decode(layers, embedded, states, memory, whole)
    logits = layers["embedding"](dropout("combined", combined), reverse=True)
    return keras.Model((source, target), logits, name="translation")


def _new_layers(config: Config, seed: int) -> list[keras.layers.Layer]:
    """The layers that have weights, and the attention, by the names in the model."""

    def gru(units: int, place: str, name: str, **options: Any) -> keras_gru.GRU:
        return keras_gru.GRU(
            units,
            return_sequences=True,
            recurrent_dropout=config.recurrent_dropout,
            seed=drawn(seed, RECURRENT, *place.encode()),
            name=name,
            **options,
            **keras_gru.VARIANTS[config.variant],
        )

    def dense(units: int, name: str, **options: Any) -> keras.layers.Dense:
        return keras.layers.Dense(units, name=name, **options)

    units, width = config.decoder_units, config.embedding_units
    encoders = [f"encoder_{index}" for index in range(1, config.encoder_layers + 1)]
    places = range(1, config.decoder_layers + 1)
    return [
        SharedEmbedding(config.vocabulary_size, width, name="embedding"),
        *(
            keras_gru.Bidirectional(gru(config.encoder_units, name, "gru"), name=name)
            for name in encoders
        ),
        *(dense(units, f"bridge_{index}", activation="tanh") for index in places),
        dense(units, "keys", use_bias=False),
        *(
            gru(units, name, name, return_state=True)
            for name in (f"decoder_{index}" for index in places)
        ),
        keras.layers.Attention(name="attention"),
        dense(width, "combined", activation="tanh"),
    ]


def _decode(
    layers: Layers,
    embedded: Any,
    states: Sequence[Any],
    memory: tuple[Any, Any, Any],
    advance: Advance,
) -> tuple[Any, list[Any], Any]:
    """From the vectors of the subwords before to the vectors before the softmax.

    Args:
        layers: name -> layer.
        embedded: (batch, target, embedding_units).
        states: of the decoder's layers.
        memory: what the attention reads of the source: values (batch, source,
            2 · encoder_units), keys (batch, source, decoder_units), mask.
        advance: runs a decoder layer.

    Returns:
        Vectors (batch, target, embedding_units), the states after them, the weights of
        the attention (batch, target, source).
    """
    values, keys, mask = memory
    hidden, after = advance(layers["decoder_1"], embedded, states[0])
    queries = hidden * keys.shape[-1] ** -0.5
    context, weights = layers["attention"](
        [queries, values, keys], mask=[None, mask], return_attention_scores=True
    )
    next_states = [after]
    for index, state in enumerate(states[1:], 2):
        inputs = ops.concatenate([hidden, context], axis=-1)
        hidden, after = advance(layers[f"decoder_{index}"], inputs, state)
        next_states.append(after)
    combined = layers["combined"](ops.concatenate([hidden, context], axis=-1))
    return combined, next_states, weights


# The model in use: two models that share its weights.


def encoder_model(model: keras.Model, config: Config) -> keras.Model:
    """Source -> the memory's values, keys and mask, then the decoder's first states."""
    # What the attention was given when the model was built.
    _, values, keys, mask = model.get_layer("attention").input
    bridges = [f"bridge_{index}" for index in range(1, config.decoder_layers + 1)]
    states = [model.get_layer(name).output for name in bridges]
    return keras.Model(model.inputs[0], (values, keys, mask, *states), name="encoder")


def step_model(model: keras.Model, config: Config, hypotheses: int) -> keras.Model:
    """One subword further, for several hypotheses of each sentence.

    The memory is not repeated for each hypothesis: to the attention, hypotheses are
    what target positions are in training.

    Returns:
        A model of (tokens (batch, hypotheses), values, keys, mask, *states), each
        state (batch, hypotheses, decoder_units). It gives the log-probabilities and
        the ids of the 2 · hypotheses most probable next subwords (batch, hypotheses,
        subwords), the attention's weights (batch, hypotheses, source) and the next
        states. What is no part of a translation has log-probability −1e9.
    """
    layers = {layer.name: layer for layer in model.layers}
    units = config.decoder_units
    tokens = keras.Input((hypotheses,), dtype="int32", name="tokens")
    values = keras.Input((None, 2 * config.encoder_units), name="values")
    keys = keras.Input((None, units), name="keys")
    mask = keras.Input((None,), dtype="bool", name="mask")
    states = [
        keras.Input((hypotheses, units), name=f"state_{index}")
        for index in range(1, config.decoder_layers + 1)
    ]

    def one_step(
        decoder: keras.layers.Layer, inputs: Any, state: Any
    ) -> tuple[Any, Any]:
        rows = ops.reshape(inputs, (-1, 1, inputs.shape[-1]))
        _, after = decoder(rows, initial_state=ops.reshape(state, (-1, units)))
        after = ops.reshape(after, (-1, hypotheses, units))
        return after, after

    embedded, memory = layers["embedding"](tokens), (values, keys, mask)
    combined, after, weights = _decode(layers, embedded, states, memory, one_step)
    never = np.zeros(config.vocabulary_size, dtype="float32")
    never[list(NEVER)] = -1e9
    logits = layers["embedding"](combined, reverse=True)
    best, ids = ops.top_k(
        ops.log_softmax(logits) + never, min(2 * hypotheses, config.vocabulary_size)
    )
    inputs = (tokens, *memory, *states)
    return keras.Model(inputs, (best, ids, weights, *after), name="step")
