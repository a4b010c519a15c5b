"""The language model's search space on Ray Tune: the same, with two workers.

``pip install -e ".[ray,tune,zoo]"``, then ``python examples/sweep_on_ray.py``. Any
`keras_tuner.HyperModel`, or a function ``build(hp)``, takes the program's place.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras_tuner

from keras_gru.tuning import on_ray
from zoo.sweep_model import ProgramModel

OUT = sys.argv[1] if len(sys.argv) > 1 else "sweeps/ray"
settings = {"dataset": "stdlib", "backend": os.environ["KERAS_BACKEND"]}

if __name__ == "__main__":
    results = on_ray.run(
        ProgramModel("language_model", settings, size="tiny"),
        objective=keras_tuner.Objective("nats", "min"),
        out=OUT,
        trials=8,
        workers=2,
        epochs=1,
    )
    for result in results:
        print(result.error or f"{result.metrics['nats']:.4f}", result.config)
    best = results.get_best_result()
    print(f"best: {best.metrics['nats']:.4f} nats with {best.config} -> {best.path}")
