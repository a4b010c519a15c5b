"""The adding problem: GRU, LSTM and SimpleRNN, learning curves and gradients.

    python examples/adding_problem.py [length] [steps]

Two of `length` random numbers are marked, one in each half; the answer is their sum
(Hochreiter and Schmidhuber 1997; the variance of the answer, 1/6, is the error of
whoever says 1 each time). Writes adding_problem.png: the error over the training beside
what of a gradient at the last step reaches each step, before it and after it.
"""

import os
import sys

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_gru

QUICK = os.environ.get("KERAS_GRU_EXAMPLE") == "quick" or "pytest" in sys.modules
LENGTH, STEPS = (30, 20) if QUICK else (400, 6000)
if len(sys.argv) == 3:
    LENGTH, STEPS = int(sys.argv[1]), int(sys.argv[2])
UNITS, BATCH, EVERY = 32, 50, 10 if QUICK else 200
LAYERS = {
    "GRU": keras_gru.GRU,
    "LSTM": keras.layers.LSTM,
    "SimpleRNN": keras.layers.SimpleRNN,
}


def draw(rng, count):
    """Sequences `(count, LENGTH, 2)` and answers `(count, 1)`."""
    x = np.zeros((count, LENGTH, 2), "float32")
    x[..., 0] = rng.uniform(size=x.shape[:2])
    half, rows = LENGTH // 2, np.arange(count)
    first, second = rng.integers(0, half, count), rng.integers(half, LENGTH, count)
    x[rows, first, 1] = x[rows, second, 1] = 1.0
    return x, (x[rows, first, 0] + x[rows, second, 0])[:, None]


test_x, test_y = draw(np.random.default_rng(0), 200)
figure = Figure(figsize=(11, 4.5), layout="constrained")
curves, flows = figure.subplots(1, 2)
for number, (name, layer) in enumerate(LAYERS.items()):
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    model = keras.Sequential(
        [keras.Input((LENGTH, 2)), layer(UNITS), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(2e-3, clipnorm=1.0), "mse")
    norms = {"before": keras_gru.analysis.gradient_flow(model, test_x[:4])}
    errors = []
    for step in range(STEPS):
        model.train_on_batch(*draw(rng, BATCH))
        if (step + 1) % EVERY == 0:
            errors.append(float(model.evaluate(test_x, test_y, verbose=0)))
            print(f"{name}, {step + 1} steps: mean squared error {errors[-1]:.4f}")
    norms["after"] = keras_gru.analysis.gradient_flow(model, test_x[:4])
    colour = f"C{number}"
    steps = EVERY * np.arange(1, len(errors) + 1)
    curves.plot(steps, errors, color=colour, label=name)
    for when, flow in norms.items():
        flows.plot(
            np.arange(1, LENGTH + 1),
            np.maximum(flow.cumulative_norms.mean(axis=0), 1e-30),
            color=colour,
            linestyle="--" if when == "before" else "-",
            label=f"{name}, {when}",
        )
curves.axhline(1 / 6, color="grey", linewidth=0.8, label="saying 1 each time")
curves.set(yscale="log", xlabel="training step", ylabel="mean squared error")
flows.set(yscale="log", xlabel="step t", ylabel="‖∂h_T / ∂h_t‖₂")
figure.suptitle(f"Adding problem, length {LENGTH}, {UNITS} units")
for axes in (curves, flows):
    axes.legend()
figure.savefig("adding_problem.png", dpi=120)
