"""Train a GRU on sums: which of two sequences of numbers adds up to more?

    python examples/first_steps.py

Change `VARIANT` to any name of `keras_gru.VARIANTS`, or the backend with the
environment variable KERAS_BACKEND (tensorflow, jax, torch).
"""

import keras
import numpy as np

import keras_gru

VARIANT = "chung2014"

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
pairs = rng.normal(size=(4096, 20, 2)).astype("float32")  # (batch, time, features)
labels = pairs[..., 0].sum(axis=1) > pairs[..., 1].sum(axis=1)

model = keras.Sequential(
    [
        keras.Input((None, 2)),
        keras_gru.GRU(32, **keras_gru.VARIANTS[VARIANT]),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
adam = keras.optimizers.Adam(0.01)
model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
model.fit(pairs, labels, epochs=3, validation_split=0.1, verbose=2)
print(model.layers[0].explain((None, 20, 2), training=True))
