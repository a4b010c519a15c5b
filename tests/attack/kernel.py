"""The compiled kernel: random configurations, threads, forks, no memory."""

from __future__ import annotations

import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np

from keras_gru.native import library
from tests.attack.outcomes import REFUSED, SAME, Different
from tests.cases import CONVENTIONS
from tests.native.arrays import Layer, draw, expected, instructions


def _configuration(rng: np.random.Generator) -> tuple[dict[str, Any], Any]:
    """Options of a layer, and numbers for it."""
    shape = tuple(int(rng.integers(1, most)) for most in (9, 12, 20, 40))
    options = CONVENTIONS[str(rng.choice(list(CONVENTIONS)))]
    mask = str(rng.choice(["none", "right", "left", "holes", "rows", "empty"]))
    numbers = draw(shape, mask, options["reset_after"], int(rng.integers(2**31)))
    return {**options, "go_backwards": bool(rng.integers(2))}, numbers


def native(rng: np.random.Generator, folder: Path) -> str:
    """A random configuration, forwards and backwards, against the oracle."""
    options, numbers = _configuration(rng)
    sets = str(rng.choice(instructions()))
    layer = Layer(threads=int(rng.integers(1, 5)), instructions=sets, **options)
    for ours, oracle in zip(
        layer.run(numbers), expected(numbers, **options), strict=True
    ):
        if oracle is not None and not np.allclose(ours, oracle, 1e-9, 1e-11):
            raise Different(f"{options}, {sets}")
    return SAME


def threads(rng: np.random.Generator, folder: Path) -> str:
    """The same call in several threads at once."""
    options, numbers = _configuration(rng)
    alone = Layer(**options).run(numbers)
    found: list[Any] = []

    def run() -> None:
        found.append(Layer(threads=2, **options).run(numbers))

    running = [threading.Thread(target=run) for _ in range(4)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    if len(found) < 4 or not all(_equal(alone, one) for one in found):
        raise Different(str(options))
    return SAME


def forks(rng: np.random.Generator, folder: Path) -> str:
    """A child that was forked while another thread runs the kernel."""
    options, numbers = _configuration(rng)
    alone = Layer(**options).run(numbers)
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            Layer(threads=2, **options).run(numbers)

    beside = threading.Thread(target=run)
    beside.start()
    try:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(0 if _equal(alone, Layer(**options).run(numbers)) else 1)
        _, status = os.waitpid(child, 0)
    finally:
        over.set()
        beside.join()
    if status:
        raise Different(f"the child ended with {status}: {options}")
    return SAME


def memory(rng: np.random.Generator, folder: Path) -> str:
    """A child that has hardly any memory left: the same result, or its error."""
    options, numbers = _configuration(rng)
    big = draw((2048, 1, 4, int(rng.integers(256, 2048))))
    alone = Layer(**options).run(numbers)
    room = int(rng.integers(1, 64)) * 2**20
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        library.free_memory()
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + room
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        code = 0
        try:
            Layer("float32").forward(big)
        except MemoryError:
            code = 1
        try:  # what is small goes on
            code = code if _equal(alone, Layer(**options).run(numbers)) else 2
        except MemoryError:
            code = 1
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise Different(f"the child ended with {status}: {options}, {room} bytes")
    return REFUSED if status else SAME


def _equal(first: list[Any], second: list[Any]) -> bool:
    return all(
        a is b is None or np.array_equal(a, b)
        for a, b in zip(first, second, strict=True)
    )
