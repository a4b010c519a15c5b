"""torch on a GPU: our layer, Keras', torch.nn.GRU, and the products alone."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.contenders.gates import swap_first_two
from benchmarks.gpu.rows import (
    CHECKED,
    LONGEST_LOOP,
    Built,
    Numbers,
    Row,
    deviation,
    keras_layer,
    numbers,
    rows,
    wrong,
)

DEVICE = "cuda"


def build_in_torch(row: Row) -> Built:
    import torch

    tf32 = row.precision != "float32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    given = numbers(row.shape, row.convention, row.masked)
    dtype = getattr(torch, row.dtype)
    x = torch.tensor(given.x, device=DEVICE, dtype=dtype)
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
    cotangent = torch.randn(*row.shape[:2], row.shape[3], device=DEVICE, dtype=dtype)

    def train() -> Any:
        return torch.autograd.grad(call(x, True), [x, *weights], cotangent)

    return Built(train, outputs, kernel, "keras.layers" not in row.contender)


def _keras_layer(row: Row, given: Numbers) -> tuple[Callable[..., Any], list[Any], str]:
    import torch

    layer, kernel = keras_layer(row, given)
    mask = None if given.mask is None else torch.tensor(given.mask, device=DEVICE)

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
        ("weight_ih_l0", kernel),
        ("weight_hh_l0", recurrent_kernel),
        ("bias_ih_l0", bias[0]),
        ("bias_hh_l0", bias[1]),
    ):
        rzn = np.ascontiguousarray(swap_first_two(weight).T)
        getattr(module, name).data = torch.tensor(rzn)
    module = module.to(DEVICE, dtype)
    module.flatten_parameters()
    return lambda x, training: module(x)[0], list(module.parameters())


def _products(x: Any, row: Row) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
    """The limit of a loop over cuBLAS: the products alone, one after the other."""
    import torch

    batch, timesteps, features, units = row.shape
    w, u = (
        torch.randn(k, 3 * units, device=DEVICE, dtype=x.dtype)
        for k in (features, units)
    )
    h = torch.randn(batch, units, device=DEVICE, dtype=x.dtype)
    d = torch.randn(batch, 3 * units, device=DEVICE, dtype=x.dtype)
    room, d_room = torch.empty_like(d), torch.empty_like(h)
    d_x = torch.randn(batch * timesteps, 3 * units, device=DEVICE, dtype=x.dtype)
    states = torch.randn(batch * timesteps, units, device=DEVICE, dtype=x.dtype)
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
