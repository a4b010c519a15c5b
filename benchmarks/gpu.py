"""`python -m benchmarks.gpu`: the kernels on a GPU, in one visit of some minutes.

Four parts, each in processes of its own: `torch` and `jax` measure, `right` holds every
kernel of torch against the float64 oracle and repeats for the same bits, `sanitizer`
runs the Triton programs under NVIDIA's compute-sanitizer. Every row is written as soon
as it is measured; a second call goes on where the first was broken off.

It needs torch with CUDA and Triton, jax with CUDA, keras, numpy, pytest. What is not
there is named in the results. TensorFlow's kernel for a GPU is cuDNN alone, whose
logic is tested on stand-ins (tests/test_closed_kernels.py).
"""

from __future__ import annotations

import argparse
import csv
import functools
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.rows import CONVENTIONS
from tests import oracle
from tests.tolerances import error

THIS = (sys.executable, "-m", "benchmarks.gpu", "--run")
PARTS = ("torch", "jax", "right", "sanitizer")
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


# On torch.


def build_in_torch(row: Row) -> Built:
    import torch

    tf32 = row.precision != "float32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    given = numbers(row.shape, row.convention, row.masked)
    dtype = getattr(torch, row.dtype)
    x = torch.tensor(given.x, device="cuda", dtype=dtype)
    if row.contender == "products":
        return Built(*_products(x, row), graph=True)
    kernel = ""
    if row.contender == "torch.nn.GRU":
        call, weights = _torch_nn(row, given, dtype)
    else:
        call, weights, kernel = _keras_layer(row, given)
    training = row.mode == "training"

    def outputs() -> np.ndarray:
        with torch.no_grad():
            return call(x, training)[:CHECKED].float().cpu().numpy()

    if not training:

        def infer() -> Any:
            with torch.no_grad():
                return call(x, False)

        return Built(infer, outputs, kernel, "keras.layers" not in row.contender)
    x = x.requires_grad_()
    cotangent = torch.randn(*row.shape[:2], row.shape[3], device="cuda", dtype=dtype)

    def train() -> Any:
        return torch.autograd.grad(call(x, True), [x, *weights], cotangent)

    return Built(train, outputs, kernel, "keras.layers" not in row.contender)


def _keras_layer(row: Row, given: Numbers) -> tuple[Callable[..., Any], list[Any], str]:
    import keras
    import torch

    import keras_gru

    options: dict[str, Any] = dict(CONVENTIONS[row.convention])
    layer_class = keras_gru.GRU
    if row.contender == "keras.layers.GRU":
        layer_class = keras.layers.GRU
        del options["update_gate"]
    layer = layer_class(row.shape[3], return_sequences=True, dtype=row.dtype, **options)
    layer.build(given.x.shape)
    layer.set_weights(given.weights)
    mask = None if given.mask is None else torch.tensor(given.mask, device="cuda")
    kernel = ""
    if row.contender == "keras_gru":
        kernel = layer.explain(
            given.x.shape, mask=row.masked, training=row.mode == "training"
        ).kernel

    def call(x: Any, training: bool) -> Any:
        return layer(x, mask=mask, training=training)

    return call, [v.value for v in layer.trainable_variables], kernel


def _torch_nn(
    row: Row, given: Numbers, dtype: Any
) -> tuple[Callable[..., Any], list[Any]]:
    import torch

    _, _, features, units = row.shape
    module = torch.nn.GRU(features, units, batch_first=True)
    kernel, recurrent_kernel, bias = given.weights
    for name, weight in (
        ("weight_ih_l0", kernel.T),
        ("weight_hh_l0", recurrent_kernel.T),
        ("bias_ih_l0", bias[0]),
        ("bias_hh_l0", bias[1]),
    ):
        z, r, n = np.split(weight, 3)
        joined = np.ascontiguousarray(np.concatenate([r, z, n]))
        getattr(module, name).data = torch.tensor(joined)
    module = module.to("cuda", dtype)
    module.flatten_parameters()
    return lambda x, training: module(x)[0], list(module.parameters())


def _products(x: Any, row: Row) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
    """The limit of a loop over cuBLAS: the products alone, one after the other."""
    import torch

    batch, timesteps, features, units = row.shape
    w, u = (
        torch.randn(k, 3 * units, device="cuda", dtype=x.dtype)
        for k in (features, units)
    )
    h = torch.randn(batch, units, device="cuda", dtype=x.dtype)
    d = torch.randn(batch, 3 * units, device="cuda", dtype=x.dtype)
    room, d_room = torch.empty_like(d), torch.empty_like(h)
    d_x = torch.randn(batch * timesteps, 3 * units, device="cuda", dtype=x.dtype)
    states = torch.randn(batch * timesteps, units, device="cuda", dtype=x.dtype)
    rows = x.reshape(-1, features)

    def run() -> None:
        rows @ w
        for _ in range(timesteps):
            torch.mm(h, u, out=room)
        if row.mode == "training":
            for _ in range(timesteps):
                torch.mm(d, u.T, out=d_room)
            for product in ((rows.T, d_x), (states.T, d_x), (d_x, w.T)):
                torch.mm(*product)

    return run, lambda: numbers(row.shape, row.convention, row.masked).expected


def time_on_cuda(run: Callable[[], Any]) -> float:
    """Median of milliseconds a run, launches included."""
    import torch

    begin = time.perf_counter()
    run()
    torch.cuda.synchronize()
    repeats = max(3, min(30, int(0.1 / (time.perf_counter() - begin))))
    run()
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times)


def graph_of(run: Callable[[], Any]) -> Callable[[], None]:
    """The same launches as one CUDA graph: what the GPU needs without the host."""
    import torch

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def warm(row: Row) -> str:
    """Compiles what a row needs into Triton's cache, in a process of its own."""
    try:
        batch, _, features, units = row.shape
        build_in_torch(row._replace(shape=(batch, 2, features, units))).run()
    except Exception as problem:  # the row itself will say it
        return repr(problem)
    return ""


def measure_torch(done: set[Row], write: Callable[..., None]) -> None:
    left = [row for row in rows("torch") if row not in done]
    ours = [row for row in left if row.contender == "keras_gru"]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(16, machine.cores()), spawn) as pool:
        list(pool.map(warm, ours))
    for row in left:
        built = build_in_torch(row)
        found = deviation(row, built)
        if wrong(row, found):
            write(row, built.kernel, f"{found:.1e}", "wrong", "")
            continue
        milliseconds = time_on_cuda(built.run)
        in_graph = ""
        if built.graph and row.shape[1] <= LONGEST_LOOP:
            try:
                in_graph = f"{time_on_cuda(graph_of(built.run)):.4f}"
            except Exception as problem:  # named in the table
                in_graph = type(problem).__name__
        write(row, built.kernel, f"{found:.1e}", f"{milliseconds:.4f}", in_graph)


def deviation(row: Row, built: Built) -> float:
    expected = numbers(row.shape, row.convention, row.masked).expected
    return error(built.outputs(), expected)


def wrong(row: Row, found: float) -> bool:
    """Whether outputs are too far from the oracle's to be timed; NaN is too."""
    return not found <= ALLOWED[row.precision]


# On JAX.


def measure_jax(done: set[Row], write: Callable[..., None]) -> None:
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    for row in rows("jax"):
        if row in done:
            continue
        built = build_in_jax(row)
        found = deviation(row, built)
        if wrong(row, found):
            write(row, built.kernel, f"{found:.1e}", "wrong", "")
            continue
        times = []
        for _ in range(12):
            begin = time.perf_counter()
            jax.block_until_ready(built.run())
            times.append(time.perf_counter() - begin)
        milliseconds = 1e3 * statistics.median(times[2:])
        write(row, built.kernel, f"{found:.1e}", f"{milliseconds:.4f}", "")


def build_in_jax(row: Row) -> Built:
    import jax
    import keras
    from jax import numpy as jnp

    import keras_gru

    given = numbers(row.shape, row.convention, row.masked)
    x = jnp.asarray(given.x)
    mask = None if given.mask is None else jnp.asarray(given.mask)
    kernel = ""
    weights: Any
    if row.contender == "flax":
        from benchmarks.contenders.flax_scan import from_keras

        forward, weights = from_keras(row.shape[3], *given.weights)
    else:
        options: dict[str, Any] = dict(CONVENTIONS[row.convention])
        layer_class = keras_gru.GRU
        if row.contender == "keras.layers.GRU":
            layer_class = keras.layers.GRU
            del options["update_gate"]
        layer = layer_class(row.shape[3], return_sequences=True, **options)
        layer.build(given.x.shape)
        layer.set_weights(given.weights)
        if row.contender == "keras_gru":
            kernel = layer.explain(given.x.shape, mask=row.masked).kernel
        weights = [v.value for v in layer.trainable_variables]
        others = [v.value for v in layer.non_trainable_variables]

        def forward(weights: Any, x: Any) -> Any:
            return layer.stateless_call(weights, others, x, mask=mask)[0]

    call = jax.jit(forward)

    def outputs() -> np.ndarray:
        return np.asarray(call(weights, x)[:CHECKED])

    if row.mode == "inference":
        return Built(lambda: call(weights, x), outputs, kernel)
    cotangent = jnp.ones((*row.shape[:2], row.shape[3]))
    step = jax.jit(
        jax.grad(lambda w, x: jnp.sum(forward(w, x) * cotangent), argnums=(0, 1))
    )
    return Built(lambda: step(weights, x), outputs, kernel)


# Right.


def hold_against_the_oracle(out: Path) -> None:
    """The tests of torch's kernels on the GPU; their last lines are the result."""
    tests = ["tests/test_against_oracle.py", "tests/test_triton.py"]
    command = ["-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *command, *tests],
        env=os.environ | {"KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=False,
    )
    (out / "gpu_right.txt").write_text(done.stdout[-20000:] + done.stderr[-5000:])
    print("\n".join(done.stdout.splitlines()[-15:]))


def sanitize(out: Path) -> None:
    """Some steps with programs that meet, under memcheck and racecheck."""
    if shutil.which("compute-sanitizer") is None:
        print("compute-sanitizer is not installed")
        return
    for tool in ("memcheck", "racecheck"):
        done = subprocess.run(
            ["compute-sanitizer", "--tool", tool, *THIS, "small"],
            capture_output=True,
            text=True,
            check=False,
        )
        text = done.stdout + done.stderr
        (out / f"gpu_{tool}.txt").write_text(text[-20000:])
        print(tool, re.findall(r"SUMMARY.*", text) or f"exit status {done.returncode}")


def small() -> None:
    for convention in ("keep_after", "replace_before"):
        for units in (200, 40):
            shape = (17, 3, 5, units)
            row = Row("torch", shape, "float32", "keras_gru", convention, True, "")
            built = build_in_torch(row._replace(mode="training"))
            built.run()
            print(convention, units, f"{deviation(row, built):.1e}")


# All of it.


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--parts", default=",".join(PARTS), help="which, in order")
    parser.add_argument("--minutes", type=float, default=9.0, help="all parts together")
    parser.add_argument("--run", choices=(*PARTS, "small"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.run:
        _run(arguments.run, arguments.out)
        return 0
    end = time.monotonic() + 60 * arguments.minutes
    for part in arguments.parts.split(","):
        begin = time.monotonic()
        backend = "jax" if part == "jax" else "torch"
        try:
            status: object = subprocess.run(
                [*THIS, part, "--out", str(arguments.out)],
                env=os.environ | {"KERAS_BACKEND": backend},
                timeout=max(1.0, end - begin),
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = "no time left; call again to go on"
        print(f"{part}: {status} after {time.monotonic() - begin:.0f} s", flush=True)
    return 0


def _run(part: str, out: Path) -> None:
    if part == "right":
        hold_against_the_oracle(out)
    elif part == "sanitizer":
        sanitize(out)
    elif part == "small":
        small()
    else:
        file = out / "gpu.csv"
        new = not file.exists()
        done = [] if new else read(file)
        measure = measure_torch if part == "torch" else measure_jax
        with file.open("a", newline="") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(COLUMNS)
                stream.flush()

            def write(row: Row, *measured: str) -> None:
                shape = "x".join(map(str, row.shape))
                writer.writerow([row.framework, shape, *row[2:], *measured])
                stream.flush()

            measure({row for row, _ in done}, write)


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


if __name__ == "__main__":
    sys.exit(main())
