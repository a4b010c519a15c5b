"""Keys that sound -> a recurrent layer -> logits of the keys of the next step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

import keras_gru
from zoo.polyphonic_music.config import KEYS, Config
from zoo.training import carrying
from zoo.training.seeds import RECURRENT, drawn


def build(config: Config, batch_size: int | None = None, seed: int = 0) -> keras.Model:
    """Build the model: steps (batch, time, 88) -> logits (batch, time, 88).

    .. code-block:: text

        h_t = GRU(h_{t-1}, dropout(x_{t-1}))      (batch, time, units)
        logits_t = V dropout(h_t) + b             (batch, time, 88)
        p(x_t | x_1 ... x_{t-1}) = Π_k σ(logits_tk)^x_tk (1 - σ(logits_tk))^(1 - x_tk)

    x_0 is silence. Given what came before, the keys of a step are independent.

    Source: Chung et al. 2014, arXiv 1412.3555 v1, section 4.

    Args:
        config: shapes and rates.
        batch_size: pieces that go on side by side. The state is then carried from call
            to call. None: no carried state, any batch.
        seed: decides the dropout masks.

    Example:
        >>> build(Config(units=8)).output_shape
        (None, None, 88)
    """
    steps = keras.Input((None, KEYS), batch_size=batch_size, name="steps")
    sequences = keras.layers.Dropout(
        config.input_dropout, seed=drawn(seed, 0), name="input_dropout"
    )(steps)
    layer = _recurrent(config, seed, stateful=batch_size is not None)
    sequences = layer(sequences)  # (batch, time, units)
    sequences = keras.layers.Dropout(
        config.dropout, seed=drawn(seed, 1), name="dropout"
    )(sequences)
    logits = keras.layers.Dense(KEYS, name="logits")(sequences)
    return keras.Model(steps, logits, name="polyphonic_music")


def _recurrent(config: Config, seed: int, stateful: bool) -> Any:
    options: dict[str, Any] = {
        "units": config.units,
        "return_sequences": True,
        "stateful": stateful,
        "recurrent_dropout": config.recurrent_dropout,
        "seed": drawn(seed, RECURRENT, RECURRENT),
        "name": config.kind,
    }
    if config.kind == "lstm":
        return carrying.LSTM(**options)
    if config.kind == "tanh":
        return carrying.SimpleRNN(**options)
    return keras_gru.GRU(**options, **keras_gru.VARIANTS[config.variant])


def loss(target: Any, logits: Any) -> Any:
    """Nats a step: the mean over all steps that are there, of the sum over the keys.

    .. code-block:: text

        nats_t = Σ_k log(1 + exp(l_tk)) - x_tk l_tk

    A step whose target is NaN is not there.
    """
    known = ops.logical_not(ops.isnan(target))
    nats = ops.softplus(logits) - ops.where(known, target, 0.0) * logits
    nats = ops.where(known, nats, 0.0)
    steps = ops.sum(ops.cast(known, nats.dtype)) / KEYS
    return ops.sum(nats) / ops.maximum(steps, 1.0)
