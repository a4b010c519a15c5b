"""The language model's search space on Ray: a cluster's machines instead of this one's.

    python -m examples.sweep_on_ray [FOLDER]

Runs from the root of the checkout, since it imports the zoo. Needs
`pip install -e ".[ray,zoo]"`. Any `keras_tuner.HyperModel`, or a function `build(hp)`,
takes the program's place; `address="auto"` takes the cluster that this machine is in,
and FOLDER, sweeps/ray by default, must then be one that all its machines share. From a
command line: `python -m zoo sweep language_model --engine ray --stopping asha`. With
the environment variable KERAS_GRU_EXAMPLE=quick: one trial, on the text of this file.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras_tuner

from keras_gru import tuning
from zoo.sweeps.model import ProgramModel

OUT = sys.argv[1] if len(sys.argv) > 1 else "sweeps/ray"
QUICK = os.environ.get("KERAS_GRU_EXAMPLE") == "quick"
data = {"dataset": None, "text": __file__} if QUICK else {"dataset": "stdlib"}
settings = {**data, "backend": os.environ["KERAS_BACKEND"]}

if __name__ == "__main__":
    found = tuning.run(
        ProgramModel("language_model", settings, size="tiny"),
        objective=keras_tuner.Objective("nats", "min"),
        out=OUT,
        trials=1 if QUICK else 8,
        workers=2,
        epochs=1 if QUICK else 4,
        stopping="asha",
        engine="ray",
    )
    print(f"best: {found.best.metric:.4f} nats with {found.best.hyperparameters}")
    print(f"report: {found.folder / 'report.html'}")
