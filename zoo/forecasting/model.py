"""Window -> GRU over rows or segments -> the horizon, in one pass."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

import keras_gru
from zoo.forecasting.config import QUANTILES, Config
from zoo.training.carrying import LSTM
from zoo.training.seeds import RECURRENT, drawn

SMALLEST = 1e-5  # of a deviation, where a window does not move


def build(config: Config, batch_size: int | None = None, seed: int = 0) -> keras.Model:
    """Build the model: window (batch, look_back, series) -> forecast.

    .. code-block:: text

        x = (window - level) / scale                            (batch, time, series)
        plain:     h = GRU(x)                                   (batch, units)
                   y = W dropout(h) + b                         (batch, steps, series)
        segments, of each series c by itself, with s rows in a segment:
                   e_i = relu(P x[i s : (i + 1) s] + p)         (batch, units)
                   h = GRU(e_1, e_2, ...)                       (batch, units)
                   h_j = GRU step(h, [position_j, channel_c])   (batch, units)
                   y[j s : (j + 1) s] = W dropout(h_j) + b      (batch, s)
        forecast = y * scale + level                            (batch, steps, series)

    Encoder and decoder are one layer. The steps of the decoder do not depend on each
    other: all are one batch. With quantiles a forecast has them behind:
    (batch, steps, series, 9).

    Source: SegRNN, arXiv 2308.11200 v1, with "parallel multi-step forecasting".

    Args:
        config: shapes and rates; `series` must be set.
        batch_size: streams read side by side: the state is then carried from call to
            call, and a window may have any number of rows. None: no carried state, any
            batch.
        seed: decides the dropout masks.

    Raises:
        ValueError: `series` is not set; a batch size for a model that must see its
            whole window at once.

    Example:
        >>> build(Config(units=8, horizon=24, series=3)).output_shape
        (None, 24, 3)
    """
    if config.series < 1:
        raise ValueError(f"config.series={config.series}; expected at least 1")
    if batch_size is not None and not streams(config):
        raise ValueError(
            f"batch_size={batch_size} with model={config.model!r}, "
            f"normalisation={config.normalisation!r}: such a model needs its whole "
            f"window at once and carries no state; expected None"
        )
    time = config.look_back if batch_size is None else None
    window = keras.Input((time, config.series), batch_size=batch_size, name="window")
    level, scale = _level_and_scale(window, config)
    x = window if level is None else (window - level) / scale
    layer = _recurrent(config, seed, stateful=batch_size is not None)
    dropout = keras.layers.Dropout(config.dropout, seed=drawn(seed, 1), name="dropout")
    forecast = (_plain if config.model == "plain" else _segments)(
        x, layer, dropout, config
    )  # (batch, steps, series, outputs)
    if level is not None:
        forecast = forecast * ops.expand_dims(scale, -1) + ops.expand_dims(level, -1)
    if config.outputs == 1:
        forecast = ops.squeeze(forecast, -1)
    return keras.Model(window, forecast, name="forecasting")


def streams(config: Config) -> bool:
    """Whether a state carried from row to row gives what the whole window gives.

    A window is normalised by its last row or its mean: every row that was read would
    be another one once the next has come. Segments begin at the window's first row.
    """
    return config.model == "plain" and config.normalisation == "none"


class Queries(keras.layers.Layer):
    """What the decoder is asked: which segment of which series.

    Args:
        count: segments.
        series: series.
        units: width; one half tells the segment, the other the series.

    Call arguments:
        state: (batch * series, units); its numbers do not matter.

    Returns:
        (batch * series * count, 1, units).
    """

    def __init__(self, count: int, series: int, units: int, name: str) -> None:
        super().__init__(name=name)
        self.count, self.series, self.units = count, series, units

    def get_config(self) -> dict[str, Any]:
        own = {"count": self.count, "series": self.series, "units": self.units}
        return {**own, "name": self.name}

    def build(self, input_shape: Any) -> None:
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.positions, self.channels = (
            self.add_weight(
                shape=(rows, self.units // 2),
                initializer=normal,
                name=f"{name}_embeddings",  # they have no weight decay
            )
            for name, rows in (("position", self.count), ("series", self.series))
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (None, 1, self.units)

    def call(self, state: Any) -> Any:
        shape = (1, self.series, self.count, self.units // 2)
        table = ops.concatenate(
            [
                ops.broadcast_to(self.positions[None, None], shape),
                ops.broadcast_to(self.channels[None, :, None], shape),
            ],
            axis=-1,
        )
        batch = ops.zeros_like(ops.reshape(state, (-1, self.series, 1, self.units)))
        return ops.reshape(batch + table, (-1, 1, self.units))


def _level_and_scale(window: Any, config: Config) -> tuple[Any, Any]:
    """What is taken from a window, each (batch, 1, series)."""
    if config.normalisation == "none":
        return None, None
    if config.normalisation == "last":
        level = window[:, -1:]
        return level, ops.ones_like(level)
    level = ops.mean(window, axis=1, keepdims=True)
    variance = ops.mean(ops.square(window - level), axis=1, keepdims=True)
    return level, ops.sqrt(variance + SMALLEST)


def _recurrent(config: Config, seed: int, stateful: bool) -> Any:
    options: dict[str, Any] = {
        "units": config.units,
        "return_state": True,
        "stateful": stateful,
        "recurrent_dropout": config.recurrent_dropout,
        "seed": drawn(seed, RECURRENT),
        "name": config.layer,
    }
    if config.layer == "lstm":
        return (LSTM if stateful else keras.layers.LSTM)(**options)
    return keras_gru.GRU(**options, **keras_gru.VARIANTS[config.variant])


def _plain(x: Any, layer: Any, dropout: Any, config: Config) -> Any:
    """(batch, time, series) -> (batch, steps, series, outputs)."""
    shape = (config.steps, config.series, config.outputs)
    state = dropout(layer(x)[0])
    flat = keras.layers.Dense(config.steps * config.series * config.outputs, name="out")
    return keras.layers.Reshape(shape, name="horizon")(flat(state))


def _segments(x: Any, layer: Any, dropout: Any, config: Config) -> Any:
    """(batch, time, series) -> (batch, steps, series, outputs)."""
    size, series, units = config.segment, config.series, config.units
    rows = min(size, config.steps)  # of a forecast segment
    count = -(-config.steps // size)
    x = ops.transpose(x, (0, 2, 1))  # each series is a row of the batch
    x = ops.reshape(x, (-1, config.look_back // size, size))
    embedding = keras.layers.Dense(units, activation="relu", name="segment")
    state = layer(embedding(x))[1:]  # (batch * series, units); of an LSTM two
    queries = Queries(count, series, units, name="queries")(state[0])
    repeated = [ops.repeat(one, count, axis=0) for one in state]
    decoded = layer(queries, initial_state=repeated)[0]
    out = keras.layers.Dense(rows * config.outputs, name="out")(dropout(decoded))
    # A segment's rows stand together, the quantiles of a row too.
    out = ops.reshape(out, (-1, series, count * rows, config.outputs))
    return ops.transpose(out[:, :, : config.steps], (0, 2, 1, 3))


def loss(config: Config) -> Any:
    """(target, forecast) -> (batch,): the mean over rows and series of what is known.

    .. code-block:: text

        mae:     |y - f|
        mse:     (y - f)²
        pinball: mean over quantiles q of max(q (y - f_q), (q - 1) (y - f_q))

    A target that is NaN is not known.
    """

    def mean(target: Any, forecast: Any) -> Any:
        if config.head == "quantiles":
            target = ops.expand_dims(target, -1)
        known = ops.logical_not(ops.isnan(target))
        error = ops.where(known, target, 0.0) - forecast
        if config.head == "quantiles":
            quantiles = ops.convert_to_tensor(QUANTILES, error.dtype)
            error = ops.maximum(quantiles * error, (quantiles - 1.0) * error)
            error = ops.mean(error, axis=-1, keepdims=True)
        elif config.loss == "mae":
            error = ops.abs(error)
        else:
            error = ops.square(error)
        axes = tuple(range(1, len(error.shape)))
        total = ops.sum(ops.where(known, error, 0.0), axis=axes)
        count = ops.sum(ops.cast(known, error.dtype), axis=axes)
        return total / ops.maximum(count, 1.0)

    return mean
