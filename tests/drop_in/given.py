"""What most uses are given: sizes, numbers, a mask, a small model."""

from __future__ import annotations

import keras
import numpy as np

# One size for nearly all: JAX compiles every operation anew for another.
BATCH, TIME, FEATURES, UNITS = 4, 6, 3, 5
_rng = np.random.default_rng(0)
X = _rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
Y = _rng.normal(size=(BATCH, 1)).astype("float32")
H = _rng.normal(size=(BATCH, UNITS)).astype("float32")
TOKENS = np.array(
    [[3, 1, 4, 1, 5, 0], [2, 6, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [7, 0, 0, 0, 0, 0]]
)
MASK = np.array(TOKENS > 0)
MASK[0, 2] = False  # a hole; every first step is used
PADDED = np.where(MASK[..., None], X, 0).astype("float32")


def everything(layers, **options):
    """A layer that returns all there is."""
    return layers.GRU(UNITS, return_sequences=True, return_state=True, **options)


def built(layers, **options):
    layer = layers.GRU(UNITS, **options)
    layer.build(X.shape)
    return layer


def small_model(layers, *, time=TIME, batch=None, **options):
    """One GRU and a Dense of one unit."""
    return keras.Sequential(
        [
            keras.Input((time, FEATURES), batch_size=batch),
            layers.GRU(UNITS, **options),
            layers.Dense(1),
        ]
    )


def compiled(model, optimizer="sgd", loss="mse", **options):
    model.compile(optimizer, loss, **options)
    return model


def trained(model, x=X, y=Y, epochs=1, batch_size=2, **options):
    """The losses of each epoch and the weights after them."""
    history = model.fit(
        x, y, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0, **options
    ).history
    return history, model.get_weights()


def fitted(layers, *, optimizer="sgd", compile=None, fit=None, **options):
    """A small model with these options of the layer, compiled and trained."""
    model = compiled(small_model(layers, **options), optimizer, **(compile or {}))
    return trained(model, **(fit or {}))
