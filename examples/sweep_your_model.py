"""Sweep a model of your own: width, convention and rates of a GRU.

    python examples/sweep_your_model.py

Needs `pip install -e ".[tensorflow,tune]"`. Writes the folder sweep-your-model. With
the environment variable KERAS_GRU_EXAMPLE=quick: two trials of one epoch.
"""

import os

import keras
import numpy as np

from keras_gru import tuning

QUICK = os.environ.get("KERAS_GRU_EXAMPLE") == "quick"

# Which of two noisy waves has the higher pitch? (batch, time, features) -> (batch, 1)
rng = np.random.default_rng(0)
pitch = rng.uniform(0.2, 1.0, (600, 1, 2))
x = np.sin(pitch * np.arange(40)[:, None]) + rng.normal(0, 0.3, (600, 40, 2))
y = pitch[:, :, 0] > pitch[:, :, 1]


def build(hp):
    model = keras.Sequential(
        [
            keras.Input((40, 2)),
            tuning.gru(hp, units=(8, 32), dropout=(0.0, 0.3)),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    adam = keras.optimizers.Adam(hp.Float("rate", 1e-3, 3e-2, sampling="log"))
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    return model


if __name__ == "__main__":
    found = tuning.run(
        build,
        fit={"x": x, "y": y, "validation_split": 0.25, "verbose": 0},
        objective="val_accuracy",
        epochs=1 if QUICK else 5,
        trials=2 if QUICK else 6,
        out="sweep-your-model",
    )
    print(found.best.metric, found.best.hyperparameters)
    found.model().summary()
