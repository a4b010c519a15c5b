"""``python -m benchmarks.off_road``: beside the layer replaced, off the plain road.

Recurrent dropout, low precision, another activation, XLA, both directions, one step at
a time: each case is a Keras model with `keras.layers.GRU` and the same with ours,
called in turn through `predict_on_batch` and `train_on_batch`, one process a backend.
What is told is how many times faster ours is, in the median. ``--first`` measures the
first training step of a fresh process instead, in seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click

BACKENDS = ("tensorflow", "jax", "torch")
SHAPE = (64, 100, 128, 256)  # batch, time, features, units
SECONDS = 12.0  # at least three calls of each, and then no more than this a case
LENGTHS = (200, 2_000, 20_000)

# Arguments of the layer, and beside them what is about the model.
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "recurrent_dropout 0.2": {"recurrent_dropout": 0.2},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "activation gelu": {"activation": "gelu"},
    "jit_compile=True": {"jit_compile": True},
    "Bidirectional": {"bidirectional": True},
    "a stateful step": {"stateful": True, "shape": (1, 1, 128, 256)},
}


def model(case: dict[str, Any], ours: bool) -> Any:
    """A GRU and a Dense on it, compiled."""
    import keras

    import keras_gru

    arguments = dict(case)
    batch, timesteps, features, units = arguments.pop("shape", SHAPE)
    keras.config.set_dtype_policy(arguments.pop("policy", "float32"))
    jit = arguments.pop("jit_compile", keras.backend.backend() == "jax")
    both = arguments.pop("bidirectional", False)
    kind = keras_gru.GRU if ours else keras.layers.GRU
    layer = kind(units, **arguments)
    if both:
        layer = (keras_gru if ours else keras.layers).Bidirectional(layer)
    inputs = keras.Input(batch_shape=(batch, timesteps, features))
    found = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    found.compile("sgd", "mse", jit_compile=jit)
    return found


def ratios(name: str) -> dict[str, float | None]:
    """Keras' time over ours, by mode; None where the backend has no such case."""
    import keras
    import numpy as np

    case = CASES[name]
    if case.get("jit_compile") and keras.backend.backend() == "torch":
        return {"inference": None, "training": None}
    batch, timesteps, features, _ = case.get("shape", SHAPE)
    x = np.random.default_rng(0).normal(size=(batch, timesteps, features))
    x = x.astype("float32")
    y = np.zeros((batch, 1), "float32")
    models = [model(case, ours=False), model(case, ours=True)]
    found: dict[str, float | None] = {"training": None}
    modes: list[tuple[str, Callable[[Any], Any]]] = [
        ("inference", lambda one: one.predict_on_batch(x))
    ]
    if not case.get("stateful"):
        modes.append(("training", lambda one: one.train_on_batch(x, y)))
    for mode, call in modes:
        times: list[list[float]] = [[], []]
        for one in models:
            call(one)
            call(one)
        begun = time.perf_counter()
        while len(times[0]) < 3 or (
            time.perf_counter() - begun < SECONDS and len(times[0]) < 60
        ):
            for one, spent in zip(models, times, strict=True):
                start = time.perf_counter()
                call(one)
                spent.append(time.perf_counter() - start)
        found[mode] = median(times[0]) / median(times[1])
    return found


def first_step(timesteps: int, ours: bool) -> float:
    """Seconds of the first `fit` on one batch in a process that has done nothing."""
    import keras
    import numpy as np

    import keras_gru

    x = np.zeros((2, timesteps, 8), "float32")
    layer = (keras_gru.GRU if ours else keras.layers.GRU)(16)
    one = keras.Sequential([keras.layers.Masking(), layer, keras.layers.Dense(1)])
    one.compile("sgd", "mse")
    start = time.perf_counter()
    one.fit(x, np.zeros((2, 1), "float32"), verbose=0)
    return time.perf_counter() - start


def _in_process(backend: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.off_road", "--child", *arguments]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise click.ClickException(f"{backend} {arguments}: the process said: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def table(rows: dict[str, dict[str, Any]], heads: tuple[str, ...]) -> str:
    """Markdown; a cell is one figure, or inference / training."""

    def cell(value: Any) -> str:
        if isinstance(value, dict):
            value = [value["inference"], value["training"]]
        figures = value if isinstance(value, list) else [value]
        told = ["–" if one is None else f"{one:.2f}" for one in figures]
        return "–" if set(told) == {"–"} else " / ".join(told)

    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, cells in rows.items():
        lines.append(f"| {name} | {' | '.join(cell(cells[head]) for head in heads)} |")
    return "\n".join(lines)


@click.command()
@click.option("--case", "names", type=click.Choice(list(CASES)), multiple=True)
@click.option("--backend", "on", type=click.Choice(BACKENDS), multiple=True)
@click.option("--first", is_flag=True, help="The first step of a fresh process.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--child", nargs=2, hidden=True)
def main(
    names: tuple[str, ...],
    on: tuple[str, ...],
    first: bool,
    out: Path | None,
    child: tuple[str, str] | None,
) -> None:
    """Times keras.layers.GRU, off the plain road."""
    if child is not None:
        what, argument = child
        if what == "ratios":
            click.echo(json.dumps(ratios(argument)))
        else:
            click.echo(json.dumps(first_step(int(argument), what == "ours")))
        return
    from benchmarks import machine

    backends = on or BACKENDS
    rows: dict[str, dict[str, Any]] = {}
    wanted = list(LENGTHS) if first else list(names or CASES)
    for name in wanted:
        label = f"first step, {name:,} time steps" if first else str(name)
        rows[label] = {}
        for backend in backends:
            if first:
                kinds = ("keras", "ours")
                found = [_in_process(backend, kind, str(name)) for kind in kinds]
            else:
                found = _in_process(backend, "ratios", str(name))
            rows[label][backend] = found
            click.echo(f"{label}, {backend}: {found}", err=True)
    click.echo(table(rows, tuple(backends)))
    if out is not None:
        told = {"machine": machine.describe(), "rows": rows}
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
