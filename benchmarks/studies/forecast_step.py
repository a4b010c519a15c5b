"""A step of the forecaster beside the same model on `keras.layers.GRU`.

Both have the same weights and are called in turn, in one process; what is told are
medians, and how many times faster ours is.
"""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median
from typing import Any

import keras
import numpy as np

import keras_gru
from zoo.forecasting.config import SIZES, Config
from zoo.forecasting.model import build, loss

SHAPES = ((96, 96), (96, 720), (720, 96), (720, 720))  # look-back, horizon
SERIES = 7
CALLS = 7


def beside(config: Config) -> dict[str, tuple[float, float]]:
    """Mode -> seconds of `keras.layers.GRU` and of ours, medians of `CALLS`."""
    ours = build(config)
    theirs = keras.models.clone_model(ours, clone_function=_of_keras)
    theirs.set_weights(ours.get_weights())
    rng = np.random.default_rng(0)
    shapes = ((config.look_back, SERIES), (config.horizon, SERIES))
    x, y = (
        rng.normal(size=(config.batch_size, *shape)).astype("float32")
        for shape in shapes
    )
    difference = np.abs(theirs.predict_on_batch(x) - ours.predict_on_batch(x)).max()
    if difference > 1e-4:
        raise AssertionError(f"the two models differ by {difference}")
    for model in (theirs, ours):
        model.compile("adam", loss(config))
    found = {}
    for mode in ("inference", "training"):
        seconds: tuple[list[float], list[float]] = ([], [])
        for call in range(CALLS + 2):  # the first two compile
            for model, spent in zip((theirs, ours), seconds, strict=True):
                begun = time.perf_counter()
                if mode == "training":
                    model.train_on_batch(x, y)
                else:
                    model.predict_on_batch(x)
                if call > 1:
                    spent.append(time.perf_counter() - begun)
        found[mode] = (median(seconds[0]), median(seconds[1]))
    return found


def _of_keras(layer: keras.Layer) -> keras.Layer:
    """Keras' own layer in the place of ours, any other as it is."""
    config: dict[str, Any] = layer.get_config()
    if isinstance(layer, keras_gru.GRU):
        own = keras.layers.GRU(1).get_config()
        return keras.layers.GRU.from_config({name: config[name] for name in own})
    return layer.__class__.from_config(config)


def run(size: str) -> str:
    """A table in Markdown, of one size and each of `SHAPES`; times as Keras / ours."""
    lines = [
        "| look-back → horizon | inference, ms | times | training, ms | times |",
        "|---|---|---|---|---|",
    ]
    for look_back, horizon in SHAPES:
        config = replace(
            SIZES[size], look_back=look_back, horizon=horizon, series=SERIES
        )
        cells = [f"{look_back} → {horizon}"]
        for theirs, ours in beside(config).values():
            cells += [f"{theirs * 1e3:.0f} / {ours * 1e3:.0f}", f"{theirs / ours:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
