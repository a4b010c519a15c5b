"""The language model's search space on Ray Tune: the same, with two workers.

    python -m examples.sweep_on_ray [FOLDER]

Runs from the root of the checkout, since it imports the zoo. Needs
`pip install -e ".[ray,zoo]"`. Any `keras_tuner.HyperModel`, or a function `build(hp)`,
takes the program's place. Writes FOLDER, sweeps/ray by default. With the environment
variable KERAS_GRU_EXAMPLE=quick: one trial, on the text of this file.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras_tuner

from keras_gru.tuning import on_ray
from zoo.sweeps.model import ProgramModel

OUT = sys.argv[1] if len(sys.argv) > 1 else "sweeps/ray"
QUICK = os.environ.get("KERAS_GRU_EXAMPLE") == "quick"
data = {"dataset": None, "text": __file__} if QUICK else {"dataset": "stdlib"}
settings = {**data, "backend": os.environ["KERAS_BACKEND"]}

if __name__ == "__main__":
    results = on_ray.run(
        ProgramModel("language_model", settings, size="tiny"),
        objective=keras_tuner.Objective("nats", "min"),
        out=OUT,
        trials=1 if QUICK else 8,
        workers=2,
        epochs=1,
    )
    for result in results:
        print(result.error or f"{result.metrics['nats']:.4f}", result.config)
    best = results.get_best_result()
    print(f"best: {best.metrics['nats']:.4f} nats with {best.config} -> {best.path}")
