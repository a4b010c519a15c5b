"""Long memory: GRU, LSTM and SimpleRNN on two problems, with their gradients.

    python examples/long_memory.py adding 400 --steps 6000
    python examples/long_memory.py copying 50 200 1000 --steps 2000

adding: two of `length` random numbers are marked, one in each half; the answer is their
sum (Hochreiter and Schmidhuber 1997). Whoever says 1 each time has an error of 1/6, the
variance of the answer.
copying: ten of eight symbols, `length` blanks, a sign, and then the symbols are to be
said again (Arjovsky, Shah and Bengio 2016). Whoever guesses has ln 8 nats a symbol.

Writes PROBLEM.png, a column for each length: the error over the training, and below it
what of a gradient at the last step reaches each step, before the training and after it;
and PROBLEM.csv with the errors.
"""

import argparse
import csv
import math
import os
import sys

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_gru

QUICK = os.environ.get("KERAS_GRU_EXAMPLE") == "quick" or "pytest" in sys.modules
UNITS, BATCH, SYMBOLS, COPIED = 32, 50, 8, 10
LAYERS = {
    "GRU": keras_gru.GRU,
    "LSTM": keras.layers.LSTM,
    "SimpleRNN": keras.layers.SimpleRNN,
}


def adding(rng, count, length):
    """Sequences `(count, length, 2)` and answers `(count, 1)`."""
    x = np.zeros((count, length, 2), "float32")
    x[..., 0] = rng.uniform(size=x.shape[:2])
    half, rows = length // 2, np.arange(count)
    first, second = rng.integers(0, half, count), rng.integers(half, length, count)
    x[rows, first, 1] = x[rows, second, 1] = 1.0
    return x, (x[rows, first, 0] + x[rows, second, 0])[:, None]


def copying(rng, count, length):
    """Sequences `(count, length + 20, 10)` and answers `(count, 10)`, in one-hot."""
    said = rng.integers(0, SYMBOLS, (count, COPIED))
    blank, sign = SYMBOLS, SYMBOLS + 1
    tokens = np.full((count, length + 2 * COPIED), blank)
    tokens[:, :COPIED], tokens[:, -COPIED] = said, sign
    return np.eye(SYMBOLS + 2, dtype="float32")[tokens], said


def model_of(layer, problem, length):
    """A recurrent layer and a Dense on the last step, or on the last ten."""
    if problem == "adding":
        parts, loss = [layer(UNITS), keras.layers.Dense(1)], "mse"
        features, more = 2, 0
    else:
        last = keras.layers.Cropping1D((length + COPIED, 0))
        parts = [layer(UNITS, return_sequences=True), last, keras.layers.Dense(SYMBOLS)]
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        features, more = SYMBOLS + 2, 2 * COPIED
    model = keras.Sequential([keras.Input((length + more, features)), *parts])
    model.compile(keras.optimizers.Adam(2e-3, clipnorm=1.0), loss)
    return model


def train(name, problem, length, steps):
    """The errors on test sequences, and ‖∂h_T / ∂h_t‖ before and after."""
    keras.utils.set_random_seed(1)
    rng, every = np.random.default_rng(1), max(1, steps // 30)
    draw = {"adding": adding, "copying": copying}[problem]
    x, y = draw(np.random.default_rng(0), 200, length)
    model = model_of(LAYERS[name], problem, length)
    flows, errors = {}, []
    flows["before"] = keras_gru.analysis.gradient_flow(model, x[:4])
    for step in range(1, steps + 1):
        model.train_on_batch(*draw(rng, BATCH, length))
        if step % every == 0 or step == steps:
            errors.append((step, float(model.evaluate(x, y, verbose=0))))
            print(f"{problem} {length}, {name}, {step} steps: {errors[-1][1]:.4f}")
    flows["after"] = keras_gru.analysis.gradient_flow(model, x[:4])
    return errors, {
        when: flow.cumulative_norms.mean(axis=0) for when, flow in flows.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("problem", choices=["adding", "copying"])
    parser.add_argument("lengths", type=int, nargs="+")
    parser.add_argument("--steps", type=int, default=2000)
    given = parser.parse_args(["copying", "8", "20", "--steps=6"] if QUICK else None)
    guess = 1 / 6 if given.problem == "adding" else math.log(SYMBOLS)
    unit = "mean squared error" if given.problem == "adding" else "nats a symbol"

    figure = Figure(figsize=(5 * len(given.lengths) + 1, 8), layout="constrained")
    axes = figure.subplots(2, len(given.lengths), squeeze=False)
    with open(f"{given.problem}.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["length", "layer", "step", "error"])
        for length, (curve, flow) in zip(given.lengths, axes.T, strict=True):
            for number, name in enumerate(LAYERS):
                errors, norms = train(name, given.problem, length, given.steps)
                table.writerows([length, name, *error] for error in errors)
                file.flush()
                curve.plot(*zip(*errors, strict=True), color=f"C{number}", label=name)
                for when, norm in norms.items():
                    flow.plot(
                        np.arange(1, len(norm) + 1),
                        np.maximum(norm, 1e-30),
                        color=f"C{number}",
                        linestyle="--" if when == "before" else "-",
                        label=f"{name}, {when}",
                    )
            curve.axhline(guess, color="grey", linewidth=0.8, label="a guess")
            curve.set(title=f"length {length}", yscale="log")
            curve.set(xlabel="training step", ylabel=unit)
            flow.set(yscale="log", xlabel="step t", ylabel="‖∂h_T / ∂h_t‖₂")
            for one in (curve, flow):
                one.legend()
            figure.suptitle(f"The {given.problem} problem, {UNITS} units")
            figure.savefig(f"{given.problem}.png", dpi=110)


if __name__ == "__main__":
    main()
