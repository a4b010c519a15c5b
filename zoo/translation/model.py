"""Subwords -> bidirectional GRU -> attention of a GRU decoder -> logits.

The attention stands behind the first decoder GRU, not inside its recurrence: in
training that GRU reads the whole target in one call, and the attention of all target
positions is a pair of batched products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_gru
from zoo.training.seeds import RECURRENT, drawn
from zoo.translation.config import Config
from zoo.translation.subwords import NEVER, PAD


@keras.saving.register_keras_serializable(package="keras_gru")
class SharedEmbedding(keras.layers.Layer):
    """One table for the subwords of both languages and for the softmax.

    Forward, `√units · E[id]`; with `reverse=True`, the logits `h Eᵀ + b` of vectors.

    Args:
        vocabulary_size: rows of the table.
        units: width of a vector.

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


@keras.saving.register_keras_serializable(package="keras_gru")
class Attention(keras.layers.Layer):
    """What each target position reads of the source.

    .. code-block:: text

        α_ts = softmax_s(q_t · k_s / √units)      (batch, target, source)
        c_t  = Σ_s α_ts m_s                       (batch, target, memory)

    Call arguments:
        queries: `(batch, target, units)`.
        keys: `(batch, source, units)`.
        memory: `(batch, source, memory)`.
        mask: `(batch, source)`, True at subwords; elsewhere α is zero.

    Returns:
        c and α.

    Source: "general" of Luong et al. 2015, arXiv 1508.04025 v5, with keys k_s = W m_s
    computed once a sentence and scores scaled.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True  # its mask is an argument like any other

    def compute_mask(self, *arguments: Any, **keywords: Any) -> None:
        return None

    def call(self, queries: Any, keys: Any, memory: Any, mask: Any) -> Any:
        scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))
        scores = scores * keys.shape[-1] ** -0.5  # (batch, target, source)
        # Finite, so that a row that is all padding gives no NaN.
        scores = ops.where(ops.expand_dims(mask, 1), scores, -1e9)
        weights = ops.softmax(scores, axis=-1)
        return ops.matmul(weights, memory), weights


@dataclass(frozen=True)
class Memory:
    """What the decoder reads of the source: tensors, symbolic or not.

    Attributes:
        values: `(batch, source, 2 · encoder_units)`.
        keys: `(batch, source, decoder_units)`.
        mask: `(batch, source)`.
    """

    values: Any
    keys: Any
    mask: Any


@dataclass(frozen=True)
class Layers:
    """The layers of one translation model; two models made of them share weights.

    Attributes:
        config: their shapes.
        seed: decides the dropout masks.
        embedding, encoders, bridges, keys, decoders, attention, combined: see `build`.
    """

    config: Config
    seed: int
    embedding: SharedEmbedding
    encoders: list[keras_gru.Bidirectional]
    bridges: list[keras.layers.Dense]
    keys: keras.layers.Dense
    decoders: list[keras_gru.GRU]
    attention: Attention
    combined: keras.layers.Dense

    @classmethod
    def new(cls, config: Config, seed: int) -> Layers:
        """Layers with new weights."""
        units = config.decoder_units

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

        def encoder(name: str) -> keras_gru.Bidirectional:
            inner = gru(config.encoder_units, name, "gru")
            return keras_gru.Bidirectional(inner, name=name)

        def decoder(name: str) -> keras_gru.GRU:
            return gru(units, name, name, return_state=True)

        decoder_places = range(1, config.decoder_layers + 1)
        return cls(
            config,
            seed,
            SharedEmbedding(
                config.vocabulary_size, config.embedding_units, name="embedding"
            ),
            [encoder(f"encoder_{i}") for i in range(1, config.encoder_layers + 1)],
            [
                keras.layers.Dense(units, activation="tanh", name=f"bridge_{i}")
                for i in decoder_places
            ],
            keras.layers.Dense(units, use_bias=False, name="keys"),
            [decoder(f"decoder_{i}") for i in decoder_places],
            Attention(name="attention"),
            keras.layers.Dense(
                config.embedding_units, activation="tanh", name="combined"
            ),
        )

    @classmethod
    def of(cls, model: keras.Model, config: Config) -> Layers:
        """The layers of a model that `build` made."""
        find = model.get_layer
        decoder_places = range(1, config.decoder_layers + 1)
        return cls(
            config,
            0,
            find("embedding"),
            [find(f"encoder_{i}") for i in range(1, config.encoder_layers + 1)],
            [find(f"bridge_{i}") for i in decoder_places],
            find("keys"),
            [find(f"decoder_{i}") for i in decoder_places],
            find("attention"),
            find("combined"),
        )

    def dropout(self, name: str) -> keras.layers.Dropout:
        return keras.layers.Dropout(
            self.config.dropout,
            seed=drawn(self.seed, *name.encode()),
            name=f"dropout_{name}",
        )

    def encode(self, source: Any) -> tuple[Memory, list[Any]]:
        """Subwords `(batch, source)` -> the memory and the decoder's first states."""
        mask = ops.not_equal(source, PAD)
        values = self.dropout("source")(self.embedding(source))
        for index, encoder in enumerate(self.encoders, 1):
            values = encoder(values, mask=mask)  # (batch, source, 2 · encoder_units)
            values = self.dropout(f"encoder_{index}")(values)
        used = ops.expand_dims(ops.cast(mask, values.dtype), -1)
        mean = ops.sum(values * used, axis=1) / ops.maximum(ops.sum(used, axis=1), 1.0)
        states = [bridge(mean) for bridge in self.bridges]
        return Memory(values, self.keys(values), mask), states

    def read(
        self, hidden: Any, states: list[Any], memory: Memory, advance: Any
    ) -> tuple[Any, list[Any], Any]:
        """From the first decoder's outputs to the vectors before the softmax.

        Args:
            hidden: outputs of the first decoder layer, `(batch, target, units)`.
            states: states of the layers after it, each `(batch, units)`.
            memory: what the encoder made.
            advance: runs one of those layers: (layer, inputs, state) -> outputs and
                the next state.

        Returns:
            Vectors `(batch, target, embedding_units)`, the next states of the layers
            after the first, the attention's weights `(batch, target, source)`.
        """
        context, weights = self.attention(
            hidden, memory.keys, memory.values, memory.mask
        )
        next_states = []
        for decoder, state in zip(self.decoders[1:], states, strict=True):
            hidden, state = advance(
                decoder, ops.concatenate([hidden, context], axis=-1), state
            )
            next_states.append(state)
        combined = self.combined(ops.concatenate([hidden, context], axis=-1))
        return combined, next_states, weights


def build(config: Config, seed: int = 0) -> keras.Model:
    """Build the model: source and shifted target -> logits of the target.

    .. code-block:: text

        m = BiGRU(dropout(E[x]))                    (batch, source, 2 · encoder_units)
        h_t = GRU(h_{t-1}, dropout(E[y_{t-1}]))     (batch, target, decoder_units)
        c_t = attention(h_t, m)                     (batch, target, 2 · encoder_units)
        g_t = GRU(g_{t-1}, [h_t; c_t])              with decoder_layers > 1
        logits_t = E dropout(tanh(W [g_t; c_t] + d)) + b

    h_0 and g_0 are tanh layers of the mean of m.

    Args:
        config: shapes and rates; `vocabulary_size` must be the vocabulary's own.
        seed: decides the dropout masks.

    Returns:
        A model of (source (batch, source), target (batch, target)), both int32 and
        padded with `PAD`: logits (batch, target, vocabulary).

    Example:
        >>> from zoo.translation.config import Config
        >>> build(Config(vocabulary_size=50)).output_shape
        (None, None, 50)
    """
    return training_model(Layers.new(config, seed))


def training_model(layers: Layers) -> keras.Model:
    """The whole target at once, each position from the true ones before it."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory, states = layers.encode(source)
    # Nothing looks ahead, so that padding behind a sentence cannot reach it; the mask
    # lets the kernel skip it.
    mask = ops.not_equal(target, PAD)

    def whole(decoder: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
        return decoder(inputs, initial_state=state, mask=mask)

    embedded = layers.dropout("target")(layers.embedding(target))
    hidden, _ = whole(layers.decoders[0], embedded, states[0])
    combined, _, _ = layers.read(hidden, states[1:], memory, whole)
    logits = layers.embedding(layers.dropout("combined")(combined), reverse=True)
    return keras.Model((source, target), logits, name="translation")


def encoder_model(layers: Layers) -> keras.Model:
    """Source -> (values, keys, mask) of the memory, then the first states."""
    source = keras.Input((None,), dtype="int32", name="source")
    memory, states = layers.encode(source)
    return keras.Model(
        source, (memory.values, memory.keys, memory.mask, *states), name="encoder"
    )


def step_model(layers: Layers, hypotheses: int) -> keras.Model:
    """One subword further, for several hypotheses of each sentence.

    The memory is not repeated for each hypothesis: to the attention, hypotheses are
    what target positions are in training.

    Args:
        layers: of a built model.
        hypotheses: hypotheses of a sentence, a fixed number.

    Returns:
        A model of (tokens (batch, hypotheses), values, keys, mask, *states), each
        state (batch, hypotheses, decoder_units). It gives the log-probabilities and
        the ids of the 2 · hypotheses most probable next subwords (batch, hypotheses,
        subwords), the attention's weights (batch, hypotheses, source) and the next
        states. What is no part of a translation has log-probability −1e9.
    """
    config = layers.config
    units = config.decoder_units
    tokens = keras.Input((hypotheses,), dtype="int32", name="tokens")
    values = keras.Input((None, 2 * config.encoder_units), name="values")
    keys = keras.Input((None, units), name="keys")
    mask = keras.Input((None,), dtype="bool", name="mask")
    states = [
        keras.Input((hypotheses, units), name=f"state_{index}")
        for index in range(1, config.decoder_layers + 1)
    ]

    def one_step(decoder: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
        rows = ops.reshape(inputs, (-1, 1, inputs.shape[-1]))
        _, after = decoder(rows, initial_state=ops.reshape(state, (-1, units)))
        after = ops.reshape(after, (-1, hypotheses, units))
        return after, after

    hidden, first = one_step(layers.decoders[0], layers.embedding(tokens), states[0])
    combined, others, weights = layers.read(
        hidden, states[1:], Memory(values, keys, mask), one_step
    )
    never = np.zeros(config.vocabulary_size, dtype="float32")
    never[list(NEVER)] = -1e9
    logits = layers.embedding(combined, reverse=True)
    best, ids = ops.top_k(
        ops.log_softmax(logits) + never, min(2 * hypotheses, config.vocabulary_size)
    )
    return keras.Model(
        (tokens, values, keys, mask, *states),
        (best, ids, weights, first, *others),
        name="step",
    )
