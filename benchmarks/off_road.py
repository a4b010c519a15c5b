"""Off the plain road: beside the layer replaced, through a Keras model.

Recurrent dropout, low precision, another activation, XLA, both directions, one step at
a time, short sequences: each row is a Keras model with `keras.layers.GRU` and the same
with ours, called in turn through `predict_on_batch` and `train_on_batch`. What is told
is how many times faster ours is, in the median. The last rows are the first training
step of a fresh process, in seconds.

A row of one backend is measured in a process of its own, `python -m benchmarks.off_road
ROW`, which prints it as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.contenders import BACKENDS
from benchmarks.grids import Grid
from benchmarks.processes import WorkerFailed

SHAPE = (64, 100, 128, 256)  # batch, time, features, units
SECONDS = 12.0  # at least three calls of each, and then no more than this a mode
STEPS = 20  # in a row, where a call is one step of microseconds

# Arguments of the layer, and beside them what is about the model.
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "recurrent_dropout 0.2": {"recurrent_dropout": 0.2},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "activation gelu": {"activation": "gelu"},
    "jit_compile=True": {"jit_compile": True},
    "Bidirectional": {"bidirectional": True},
    "a stateful step": {"stateful": True, "shape": (1, 1, 128, 256)},
    # Ours packed into rows with resets, Keras' padded and masked.
    "sequences of 5 to 50 steps": {"short": True},
}
FIRST_STEPS = {f"first step, {n:,} steps": n for n in (200, 2_000, 20_000)}
ROWS = (*CASES, *FIRST_STEPS)

Found = dict[str, float | None]
"""`{"inference": …, "training": …}`, ratios, or `{"keras": …, "ours": …}`, seconds."""


def measure(row: str, backend: str) -> Found:
    """A row on a backend.

    Raises:
        WorkerFailed: its process did.
    """
    found: Found = {}
    for which in ("keras", "ours") if row in FIRST_STEPS else ("both",):
        command = [sys.executable, "-m", "benchmarks.off_road", row, which]
        settings = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise WorkerFailed(f"{row}, {backend}: the process said: {last}")
        found |= json.loads(done.stdout.splitlines()[-1])
    return found


def grids(rows: dict[str, dict[str, Found]]) -> list[Grid]:
    """The tables of what was measured: row → backend → what was found."""
    titles = (
        (CASES, "Times faster than keras.layers.GRU", "inference / training"),
        (FIRST_STEPS, "Seconds of a fresh process", "keras.layers.GRU / ours"),
    )
    told = []
    for names, title, figures in titles:
        measured = {name: rows[name] for name in names if name in rows}
        backends = [b for b in BACKENDS if any(b in one for one in measured.values())]
        grid = Grid(title, [figures, *backends], texts=1)
        for name, found in measured.items():
            cells = [found.get(backend, {}).values() for backend in backends]
            texts = [" / ".join(f"{v:.2f}" for v in cell if v) for cell in cells]
            grid.lines.append([name, *(text or "–" for text in texts)])
        told += [grid] if measured else []
    return told


def _model(case: dict[str, Any], ours: bool) -> Any:
    """A GRU and a Dense on it, compiled."""
    import keras

    import keras_gru

    arguments = dict(case)
    batch, timesteps, features, units = arguments.pop("shape", SHAPE)
    keras.config.set_dtype_policy(arguments.pop("policy", "float32"))
    jit = arguments.pop("jit_compile", keras.backend.backend() == "jax")
    both, short = (arguments.pop(name, False) for name in ("bidirectional", "short"))
    layer = (keras_gru if ours else keras.layers).GRU(
        units, return_sequences=short, **arguments
    )
    if both:
        layer = (keras_gru if ours else keras.layers).Bidirectional(layer)
    if short:
        inputs = [keras.Input((None, features)), keras.Input((None,), dtype="bool")]
        states = layer(inputs[0], **{"resets" if ours else "mask": inputs[1]})
    else:
        inputs = keras.Input(batch_shape=(batch, timesteps, features))
        states = layer(inputs)
    found = keras.Model(inputs, keras.layers.Dense(1)(states))
    found.compile("sgd", "mse", jit_compile=jit)
    return found


def _data(case: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Inputs and targets of Keras' model, then of ours."""
    import numpy as np

    import keras_gru

    rng = np.random.default_rng(0)
    batch, timesteps, features, _ = case.get("shape", SHAPE)
    if not case.get("short"):
        x = rng.normal(size=(batch, timesteps, features)).astype("float32")
        return [(x, np.zeros((batch, 1), "float32"))] * 2
    lengths = rng.integers(5, 51, batch * timesteps // 27)
    sequences = [rng.normal(size=(n, features)).astype("float32") for n in lengths]
    padded = np.zeros((len(lengths), lengths.max(), features), "float32")
    used = np.arange(lengths.max()) < lengths[:, None]
    padded[used] = np.concatenate(sequences)
    packed = keras_gru.pack_sequences(sequences, timesteps)
    inputs = ([padded, used], [packed.sequences, packed.resets])
    return [(both, np.zeros((*both[1].shape, 1), "float32")) for both in inputs]


def _ratios(case: dict[str, Any]) -> Found:
    """Keras' time over ours, by mode; None where the backend has no such case."""
    import keras

    found: Found = {"inference": None, "training": None}
    if case.get("jit_compile") and keras.backend.backend() == "torch":
        return found
    data = _data(case)
    models = [_model(case, ours=False), _model(case, ours=True)]
    modes: dict[str, Callable[[Any, Any, Any], Any]] = {
        "inference": lambda model, x, _: model.predict_on_batch(x),
        "training": lambda model, x, y: model.train_on_batch(x, y),
    }
    repeats = 1
    if case.get("stateful"):
        del modes["training"]
        repeats = STEPS
    for mode, call in modes.items():
        times: list[list[float]] = [[], []]
        for model, given in zip(models, data, strict=True):
            call(model, *given)
            call(model, *given)
        begun = time.perf_counter()
        while len(times[0]) < 3 or (
            time.perf_counter() - begun < SECONDS and len(times[0]) < 60
        ):
            for model, given, spent in zip(models, data, times, strict=True):
                start = time.perf_counter()
                for _ in range(repeats):
                    call(model, *given)
                spent.append(time.perf_counter() - start)
        found[mode] = median(times[0]) / median(times[1])
    return found


def _first_step(timesteps: int, which: str) -> Found:
    """Seconds of the first `fit` on one batch in a process that has done nothing."""
    import keras
    import numpy as np

    import keras_gru

    x = np.zeros((2, timesteps, 8), "float32")
    layer = (keras_gru if which == "ours" else keras.layers).GRU(16)
    model = keras.Sequential([keras.layers.Masking(), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    start = time.perf_counter()
    model.fit(x, np.zeros((2, 1), "float32"), verbose=0)
    return {which: time.perf_counter() - start}


def _main(row: str, which: str) -> None:
    first = FIRST_STEPS.get(row)
    found = _ratios(CASES[row]) if first is None else _first_step(first, which)
    print(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
