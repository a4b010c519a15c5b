"""What is measured on a GPU: the rows, their numbers, how far off a result may be."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.rows import CONVENTIONS
from tests import oracle
from tests.tolerances import error

SHAPES = (  # batch, time, features, units
    (64, 100, 128, 256),
    (32, 100, 512, 512),
    (128, 512, 256, 1024),
    (256, 50, 64, 64),
    (1, 200, 128, 256),
    (16, 4096, 128, 256),
)
JAX_SHAPES = (SHAPES[0], SHAPES[3])  # XLA compiles each for some seconds
LONGEST_LOOP = 512
"""Time steps past which Keras' Python loop on torch is not waited for."""

ALLOWED = {"float32": 1e-4, "tf32": 5e-2, "bfloat16": 2e-1}
"""The largest error of outputs beside float64: TF32 has 1e-3, bfloat16 8e-3 a step."""

CHECKED = 2
"""Rows of the batch that are held against the oracle."""


class Row(NamedTuple):
    """What is measured. `precision`: float32, tf32 (its products) or bfloat16."""

    framework: str
    shape: tuple[int, int, int, int]
    precision: str
    contender: str
    convention: str
    masked: bool
    mode: str

    @property
    def dtype(self) -> str:
        return "bfloat16" if self.precision == "bfloat16" else "float32"


COLUMNS = (*Row._fields, "kernel", "error", "milliseconds", "graph_milliseconds")


def rows(framework: str) -> Iterator[Row]:
    """All rows of a framework, those to be compared side by side."""
    for shape in SHAPES if framework == "torch" else JAX_SHAPES:
        for precision in ("float32", "tf32", "bfloat16"):
            for mode in ("inference", "training"):
                row = functools.partial(Row, framework, shape, precision)
                yield from _side_by_side(row, precision, mode, framework, shape)


def _side_by_side(
    row: Callable[..., Row],
    precision: str,
    mode: str,
    framework: str,
    shape: tuple[int, int, int, int],
) -> Iterator[Row]:
    full = precision == "float32"
    peer = "torch.nn.GRU" if framework == "torch" else "flax"
    if framework == "jax" and not full:
        return
    yield row(peer, "keep_after", False, mode)
    if framework == "torch":
        yield row("products", "keep_after", False, mode)
    for convention in CONVENTIONS if full else ("keep_after", "keep_before"):
        yield row("keras_gru", convention, False, mode)
    if full:
        yield row("keras_gru", "keep_before", True, mode)
        yield row("keras.layers.GRU", "keep_after", False, mode)
        if framework == "jax" or shape[1] <= LONGEST_LOOP:
            yield row("keras.layers.GRU", "keep_before", False, mode)


class Numbers(NamedTuple):
    """float32 arrays; weights in Keras' layout, keep and replace alike."""

    x: np.ndarray
    mask: np.ndarray | None
    weights: list[np.ndarray]
    expected: np.ndarray  # of the first rows


@functools.lru_cache(maxsize=8)
def numbers(shape: tuple[int, int, int, int], convention: str, masked: bool) -> Numbers:
    batch, timesteps, features, units = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, timesteps, features), "float32")
    weights = [
        rng.standard_normal((features, 3 * units), "float32") / features**0.5,
        rng.standard_normal((units, 3 * units), "float32") / units**0.5,
        rng.standard_normal((2, 3 * units), "float32") / 4,
    ]
    if not CONVENTIONS[convention]["reset_after"]:
        weights[2] = weights[2].sum(0)
    lengths = rng.integers(1, timesteps + 1, batch)
    mask = np.arange(timesteps) < lengths[:, None] if masked else None
    expected = oracle.forward(
        x[:CHECKED].astype("float64"),
        np.zeros((min(CHECKED, batch), units)),
        *(weight.astype("float64") for weight in weights),
        mask=None if mask is None else mask[:CHECKED],
        return_sequences=True,
        **CONVENTIONS[convention],
    ).outputs
    return Numbers(x, mask, weights, expected)


class Built(NamedTuple):
    """A contender made ready: one run, what it returns, which kernel it takes."""

    run: Callable[[], Any]
    outputs: Callable[[], np.ndarray]
    kernel: str = ""
    graph: bool = False  # whether a CUDA graph of it is measured too


def deviation(row: Row, built: Built) -> float:
    expected = numbers(row.shape, row.convention, row.masked).expected
    return error(built.outputs(), expected)


def wrong(row: Row, found: float) -> bool:
    """Whether outputs are too far from the oracle's to be timed; NaN is too."""
    return not found <= ALLOWED[row.precision]


def keras_layer(row: Row, given: Numbers) -> tuple[Any, str]:
    """The layer of a row with the weights of its numbers; the kernel of one of ours."""
    import keras

    import keras_gru

    options: dict[str, Any] = dict(CONVENTIONS[row.convention])
    layer_class = keras_gru.GRU
    if row.contender == "keras.layers.GRU":
        layer_class = keras.layers.GRU
        del options["update_gate"]
    layer = layer_class(row.shape[3], return_sequences=True, dtype=row.dtype, **options)
    layer.build(given.x.shape)
    layer.set_weights(given.weights)
    if row.contender != "keras_gru":
        return layer, ""
    training = row.mode == "training"
    return layer, layer.explain(given.x.shape, row.masked, training).kernel


def read(file: Path) -> list[tuple[Row, dict[str, str]]]:
    """The rows of a file, with what was measured."""
    with file.open(newline="") as stream:
        return [
            (
                Row(
                    entry["framework"],
                    tuple(map(int, entry["shape"].split("x"))),  # type: ignore[arg-type]
                    entry["precision"],
                    entry["contender"],
                    entry["convention"],
                    entry["masked"] == "True",
                    entry["mode"],
                ),
                entry,
            )
            for entry in csv.DictReader(stream)
        ]
