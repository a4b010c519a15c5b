"""``python -m benchmarks.onnx_nodes``: a GRU node beside a loop, in onnxruntime.

Each case is one model as two files: `keras_gru.export_onnx` writes GRU nodes, and
`model.export(format="onnx")` on TensorFlow, that is tf2onnx, `Loop` nodes. Both are
called in turn; what is told is the least time of a call of each, which others on the
machine disturb least, and how many times faster the first is by it. The file of results
has the medians too. They must agree before all else.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import click

SECONDS = 2.0  # a case, and at least five pairs
LARGEST_ERROR = 1e-5
THREADS = 1  # else a machine that others use shows their waiting

# batch, time, features, units; two layers of GRU and a Dense
SHAPES = [
    (1, 1, 64, 128),
    (1, 100, 64, 128),
    (1, 100, 128, 256),
    (32, 100, 64, 128),
    (32, 100, 128, 256),
]
CONVENTIONS = ("keras", "chung2014")


def files(
    shape: tuple[int, int, int, int], convention: str, masked: bool, folder: Path
) -> list[str]:
    """The two files of a case, nodes first."""
    import keras

    import keras_gru

    _, _, features, units = shape
    options = keras_gru.VARIANTS[convention]
    layers = [
        keras.Input((None, features)),
        *([keras.layers.Masking()] if masked else []),
        keras_gru.GRU(units, return_sequences=True, **options),
        keras_gru.GRU(units, **options),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    model(keras.ops.zeros((1, 2, features)))  # Keras exports a model that was called
    paths = [str(folder / f"{kind}.onnx") for kind in ("nodes", "loops")]
    keras_gru.export_onnx(model, paths[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes of a converter about itself
        model.export(paths[1], format="onnx", verbose=False)
    return paths


def measure(
    shape: tuple[int, int, int, int], convention: str, masked: bool
) -> dict[str, Any]:
    """Milliseconds of the quickest call with nodes and with loops, and their ratio."""
    import numpy as np
    import onnxruntime

    from benchmarks.ratios import paired

    batch, timesteps, features, _ = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, timesteps, features)).astype("float32")
    if masked:
        lengths = rng.integers(1, timesteps + 1, batch)
        x[np.arange(timesteps) >= lengths[:, None]] = 0.0
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    with tempfile.TemporaryDirectory() as folder:
        sessions = [
            onnxruntime.InferenceSession(path, options)
            for path in files(shape, convention, masked, Path(folder))
        ]

    def call(session: Any) -> Any:
        return session.run(None, {session.get_inputs()[0].name: x})[0]

    nodes, loops = map(call, sessions)
    error = float(np.abs(nodes - loops).max())
    if not error <= LARGEST_ERROR:
        raise click.ClickException(f"{shape} {convention}: they differ by {error}")
    times: list[list[float]] = [[], []]
    begun = time.perf_counter()
    while len(times[0]) < 5 or time.perf_counter() - begun < SECONDS:
        for session, spent in zip(sessions, times, strict=True):
            start = time.perf_counter()
            call(session)
            spent.append(time.perf_counter() - start)
    node_ms, loop_ms = (1e3 * min(spent) for spent in times)
    return {
        "shape": shape,
        "convention": convention,
        "masked": masked,
        "pairs": len(times[0]),
        "node_ms": node_ms,
        "loop_ms": loop_ms,
        "ratio": loop_ms / node_ms,
        "median_node_ms": 1e3 * float(np.median(times[0])),
        "median_loop_ms": 1e3 * float(np.median(times[1])),
        "median_of_ratios": paired(times[1], times[0]),
        "difference": error,
    }


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False))
def main(out: Path | None) -> None:
    """Times ONNX files with GRU nodes against such with loops."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # tf2onnx is its exporter
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks import machine

    click.echo("| batch, time, features, units | | masked | node, ms | loop, ms | × |")
    click.echo("|---" * 6 + "|")
    rows = []
    for shape in SHAPES:
        for convention in CONVENTIONS:
            for masked in (False, True):
                row = measure(shape, convention, masked)
                rows.append(row)
                click.echo(
                    f"| {', '.join(map(str, shape))} | {convention} "
                    f"| {'yes' if masked else 'no'} | {row['node_ms']:.3g} "
                    f"| {row['loop_ms']:.3g} | {row['ratio']:.2f} |"
                )
    told = {
        "machine": machine.describe(),
        "commit": machine.commit(),
        "threads": THREADS,
        "load": machine.load(),
        "rows": rows,
    }
    click.echo(f"{machine.slug()}, commit {told['commit']}, load {told['load']:.1f}")
    if out is not None:
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
