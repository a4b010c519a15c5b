"""The compiled GRU against the oracle, and against itself in other circumstances."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from keras_gru.native import library
from tests.cases import CONVENTIONS
from tests.native.arrays import (
    GRADIENTS,
    Layer,
    draw,
    expected,
    instructions,
    needs_library,
    rounded,
)
from tests.tolerances import assert_close

pytestmark = [pytest.mark.once, needs_library]

MASKS = ("none", "right", "left", "holes", "rows", "empty")
# (batch, time, features, units): odd ones, one of each, more units and features than
# vectors and panels are wide, more rows than are multiplied at a time.
SHAPES = (
    (3, 7, 5, 6),
    (2, 4, 3, 1),
    (1, 1, 2, 3),
    (5, 9, 17, 33),
    (19, 6, 4, 50),
    (9, 12, 40, 64),
    (4, 70, 1, 7),
)
RESULTS = ("states", "final_state", *GRADIENTS)


def compare(actual, wanted, row):
    for name, a, b in zip(RESULTS, actual, wanted, strict=True):
        if b is not None:
            assert_close(a, b, row, name)


def same_bits(first, second):
    for name, a, b in zip(RESULTS, first, second, strict=False):
        assert a is b is None or np.array_equal(a, b), name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_against_the_oracle(convention, dtype, shape):
    """Every instruction set, every kind of mask, both directions, dropout, resets."""
    options = CONVENTIONS[convention]
    for mask, backwards, dropout in itertools.product(MASKS, (False, True), (0.0, 0.4)):
        numbers = draw(shape, mask, options["reset_after"], dropout=dropout)
        if dropout:
            numbers.resets = np.random.default_rng(1).random(shape[:2]) < 0.3
        wanted = expected(numbers, go_backwards=backwards, **options)
        for names in instructions():
            layer = Layer(dtype, go_backwards=backwards, instructions=names, **options)
            compare(layer.run(numbers), wanted, dtype)


# Odd sizes, where the last of a pair of bfloat16 is missing, in units, in features, in
# gates times units and in the positions; and even ones.
TWO_BYTE_SHAPES = ((3, 7, 5, 7), (5, 9, 17, 33), (19, 6, 4, 50), (9, 12, 40, 64))


@pytest.mark.parametrize("shape", TWO_BYTE_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_two_bytes_against_the_oracle(convention, dtype, shape):
    """The oracle has the numbers that the library has: what is left is its rounding."""
    options = CONVENTIONS[convention]
    for mask, backwards, dropout in itertools.product(MASKS, (False, True), (0.0, 0.4)):
        numbers = draw(shape, mask, options["reset_after"], dropout=dropout)
        numbers = rounded(numbers, dtype)
        if dropout:
            numbers.resets = np.random.default_rng(1).random(shape[:2]) < 0.3
        wanted = expected(numbers, go_backwards=backwards, **options)
        for names in instructions():
            layer = Layer(dtype, go_backwards=backwards, instructions=names, **options)
            compare(layer.run(numbers), wanted, f"native_{dtype}")
            assert layer.saved.itemsize == 2


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_two_bytes_are_read_and_rounded_to_the_nearest(dtype, names):
    """Every number of the dtype plus another one: ties, overflow, infinity and NaN."""
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    x = np.arange(2**16, dtype="uint16").view(kind).reshape(512, 1, 128)
    numbers = draw((512, 1, 1, 128))
    shut = np.full_like(x, -1e4)
    # An update gate that is shut, a reset gate at 1/2: the candidate is x + c / 2.
    numbers.sequences = np.concatenate([shut, np.zeros_like(x), x], 2)
    numbers.initial_state[:], numbers.recurrent_kernel[:] = 0.0, 0.0
    numbers.recurrent_bias[:256] = 0.0
    layer = Layer(dtype, activation="linear", instructions=names)
    found = layer.forward(numbers, projected=True)[1]
    c = layer.inputs[5][256:].astype("float32")
    right = (x[:, 0].astype("float32") + np.float32(0.5) * c).astype(kind)
    assert np.array_equal(
        found.astype("float32"), right.astype("float32"), equal_nan=True
    )


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("shape", TWO_BYTE_SHAPES[:2], ids=str)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_what_another_call_left_in_memory(convention, shape, dropout):
    """The last of a pair that is missing is 0, not times 0: NaN may have been there."""
    options = CONVENTIONS[convention]
    numbers = draw(shape, "holes", options["reset_after"], dropout=dropout)
    layer = Layer("bfloat16", **options)
    first = [None if a is None else a.copy() for a in layer.run(numbers)]
    spoilt = draw(shape, "none", options["reset_after"], dropout=dropout)
    spoilt.sequences[:], spoilt.initial_state[:] = np.nan, np.nan
    layer.run(spoilt)
    same_bits(first, layer.run(numbers))


# Large enough for the library to share them out: rows, the units of one row, and more
# slices of rows than threads.
SHARED = ((21, 40, 24, 40), (1, 30, 24, 120), (1100, 2, 5, 9))


@pytest.mark.parametrize("shape", SHARED, ids=str)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_same_bits_for_any_number_of_threads(convention, dtype, mask, shape):
    numbers = draw(shape, mask, CONVENTIONS[convention]["reset_after"])
    one, *others = (
        Layer(dtype, threads=threads, **CONVENTIONS[convention]).run(numbers)
        for threads in (1, 2, 3, 4, 30)
    )
    for other in others:
        same_bits(one, other)


@pytest.mark.parametrize("threads", [2, 3, 30])
@pytest.mark.parametrize("mask", ["none", "holes"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_units_of_one_row_are_split(convention, mask, threads):
    """Again and again: helpers come early, late, or not at all."""
    options = CONVENTIONS[convention]
    numbers = draw((1, 30, 24, 120), mask, options["reset_after"])
    wanted = expected(numbers, **options)
    layer = Layer("float64", threads=threads, **options)
    first = layer.run(numbers)
    compare(first, wanted, "float64")
    for _ in range(20):
        same_bits(first, layer.run(numbers))


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_row_does_not_depend_on_its_neighbours(convention, dtype, names):
    """A row alone has the bits that it has in the batch."""
    options = CONVENTIONS[convention]
    numbers = draw((11, 6, 5, 37), "holes", options["reset_after"])
    layer = Layer(dtype, instructions=names, **options)
    together = layer.run(numbers)
    for row in range(11):
        part = slice(row, row + 1)
        alone = draw((11, 6, 5, 37), "holes", options["reset_after"])
        for name in ("sequences", "initial_state", "mask"):
            setattr(alone, name, getattr(alone, name)[part])
        alone.states_gradient = alone.states_gradient[part]
        alone.final_gradient = alone.final_gradient[part]
        ran = dict(zip(RESULTS, layer.run(alone), strict=True))
        for name, whole in zip(RESULTS, together, strict=True):
            if name in ("states", "final_state", "sequences", "initial_state"):
                assert np.array_equal(ran[name], whole[part]), name


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("units", [6, 130, 300])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_step_by_step(convention, units, names):
    """Calls of one step, which pack nothing, repeat the bits of the sequence."""
    options = CONVENTIONS[convention]
    numbers = draw((2, 5, 7, units), "none", options["reset_after"])
    layer = Layer("float32", instructions=names, **options)
    states, _ = layer.forward(numbers)
    sequences, numbers.initial_state = numbers.sequences, numbers.initial_state
    for step in range(5):
        numbers.sequences = sequences[:, step : step + 1]
        _, numbers.initial_state = layer.forward(numbers, save=False)
        assert np.array_equal(numbers.initial_state, states[:, step])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradients_that_are_not_wanted(convention):
    """Leaving some out changes nothing in the others."""
    numbers = draw((5, 8, 6, 10), "right", CONVENTIONS[convention]["reset_after"])
    layer = Layer("float32", **CONVENTIONS[convention])
    everything = layer.run(numbers)[2:]
    for left_out in GRADIENTS:
        wanted = [name for name in GRADIENTS if name != left_out]
        some = layer.backward(numbers, wanted)
        for name, a, b in zip(GRADIENTS, some, everything, strict=True):
            if name == left_out or b is None:
                assert a is None
            else:
                assert np.array_equal(a, b), name
    assert layer.backward(numbers, []) == [None] * len(GRADIENTS)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_only_the_final_state_is_used(convention):
    options = CONVENTIONS[convention]
    numbers = draw((5, 8, 6, 10), "holes", options["reset_after"])
    layer = Layer(**options)
    layer.forward(numbers)
    gradients = layer.backward(numbers, final_only=True)
    numbers.states_gradient = np.zeros_like(numbers.states_gradient)
    for actual, wanted in zip(gradients, expected(numbers, **options)[2:], strict=True):
        if wanted is not None:
            assert_close(actual, wanted, "float64")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_projected_sequences(convention):
    """Without a kernel the sequences are x W + b already."""
    options = CONVENTIONS[convention]
    numbers = draw((5, 8, 6, 10), "holes", options["reset_after"])
    wanted = dict(zip(RESULTS, expected(numbers, **options), strict=True))
    projected = numbers.sequences @ numbers.kernel + numbers.input_bias
    kernel = numbers.kernel
    numbers.sequences = projected
    layer = Layer(**options)
    states, final_state = layer.forward(numbers, projected=True)
    gradients = dict(zip(GRADIENTS, layer.backward(numbers), strict=True))
    assert_close(states, wanted["states"], "float64")
    assert_close(final_state, wanted["final_state"], "float64")
    d_projected = gradients["sequences"]  # (batch, time, 3 * units)
    assert_close(d_projected @ kernel.T, wanted["sequences"], "float64")
    assert_close(d_projected.sum((0, 1)), wanted["input_bias"], "float64")
    for name in ("initial_state", "recurrent_kernel"):
        assert_close(gradients[name], wanted[name], "float64")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_nothing_is_read_where_the_mask_is_false(convention):
    options = CONVENTIONS[convention]
    numbers = draw((5, 8, 6, 10), "holes", options["reset_after"])
    wanted = expected(numbers, **options)
    numbers.sequences[~numbers.mask] = np.nan
    compare(Layer(**options).run(numbers), wanted, "float64")


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_nan_and_infinity_go_the_way_of_the_oracle(convention, poison):
    """The same numbers are not finite; other rows and earlier steps stay clean."""
    options = CONVENTIONS[convention]
    for where in ("sequences", "initial_state"):
        numbers = draw((3, 6, 5, 6), "none", options["reset_after"])
        array = getattr(numbers, where)
        array[(1, 2, 3)[: array.ndim]] = poison
        wanted = expected(numbers, **options)
        for names in instructions():
            for dtype in ("float32", "float64"):
                layer = Layer(dtype, instructions=names, **options)
                for actual, right in zip(layer.forward(numbers), wanted, strict=False):
                    assert np.array_equal(np.isnan(actual), np.isnan(right))
                    clean = np.isfinite(right)
                    assert_close(actual[clean], right[clean], dtype)


def test_saturated_gates_stay_finite():
    for dtype, large in (("float32", 1e30), ("float64", 1e300)):
        numbers = draw((3, 5, 4, 6))
        numbers.sequences *= large
        for names in instructions():
            ran = Layer(dtype, instructions=names).run(numbers)
            finite = [np.isfinite(array).all() for array in ran]
            # The gradient of the kernel is x times numbers that are 0 or nearly so.
            assert finite == [True] * len(RESULTS)


def test_concurrent_calls():
    """Two threads of Python call at once, with shapes of their own, many times."""
    jobs = [draw((9, 30, 20, 40), "holes"), draw((4, 50, 10, 70), "right")]
    wanted = [Layer("float32").run(numbers) for numbers in jobs]
    failures = []

    def work(which):
        for _ in range(30):
            ran = Layer("float32", threads=3).run(jobs[which])
            for a, b in zip(ran, wanted[which], strict=True):
                if not np.array_equal(a, b):
                    failures.append(which)

    threads = [threading.Thread(target=work, args=(i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="threads are placed on Linux, where there are two processors",
)
def test_a_worker_is_kept_off_the_processor_of_its_caller():
    """Else Linux may wake it there, and the two take turns on one processor."""
    allowed = os.sched_getaffinity(0)
    before = set(os.listdir("/proc/self/task"))
    caller = threading.Thread(
        target=lambda: Layer("float32", threads=64).run(draw((70, 40, 24, 40)))
    )
    caller.start()  # a thread of its own, and more workers than there are so far
    caller.join()
    # Joined for Python, the caller may still be there for the system.
    workers = set(os.listdir("/proc/self/task")) - before - {str(caller.native_id)}
    assert workers
    for worker in workers:
        left_out = allowed - os.sched_getaffinity(int(worker))
        assert len(left_out) == 1, left_out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
def test_the_child_of_a_fork_computes():
    """It has none of its parent's workers, and does not wait for them."""
    numbers = draw((21, 40, 24, 40))
    wanted = Layer("float32", threads=3).run(numbers)
    child = os.fork()
    if child == 0:
        ran = Layer("float32", threads=3).run(numbers)
        same = all(np.array_equal(a, b) for a, b in zip(ran, wanted, strict=True))
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < deadline, "the child hangs"
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 0


FORKS = """
import os, threading, time
from keras_gru.native import library
from tests.native.arrays import Layer, draw

numbers = draw((1, 1, 2, 3))


def compute():
    layer = Layer("float32")
    layer.forward(numbers)
    while True:
        library.forward((layer.problem, layer.forward_call))


for _ in range(3):
    threading.Thread(target=compute, daemon=True).start()
for _ in range(500):
    child = os.fork()
    if child == 0:
        Layer("float32").run(numbers)
        os._exit(0)
    deadline = time.monotonic() + 20
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os._exit(1)
        time.sleep(0.0005)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_other_threads_compute():
    """One of them may hold the allocator's lock, and is not there in the child.

    Were the lock not held over a fork, one child in 200 would hang.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS],
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        cwd=Path(__file__).parents[2],
        timeout=400,
    )
    assert done.returncode == 0, "the child of a fork hangs"


@pytest.mark.parametrize(
    "sizes",
    [
        {"batch": 2**62},
        {"units": 2**40},
        {"features": 2**62},
        {"batch": 2**31, "timesteps": 2**30, "units": 64},
    ],
    ids=str,
)
def test_sizes_whose_product_does_not_fit_are_refused(sizes):
    problem = Layer().options.problem("float32", (2, 3, 4), 5, 1)
    for name, value in sizes.items():
        setattr(problem, name, value)
    with pytest.raises(ValueError, match="out of range"):
        library.saved_size(problem)


@pytest.mark.parametrize("mask", ["right", "holes"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_masked_steps_cost_little(convention, mask):
    """Half the steps masked: at most 0.7 of the time, forward and backward."""
    options = CONVENTIONS[convention]
    shape = (32, 60, 64, 128)
    full = draw(shape, "none", options["reset_after"])
    masked = draw(shape, "none", options["reset_after"])
    rng = np.random.default_rng(1)
    masked.mask = {
        "right": np.arange(60) < rng.permutation(np.arange(32) * 2)[:, None],
        "holes": rng.random((32, 60)) < 0.5,
    }[mask]
    assert 0.45 < masked.mask.mean() < 0.55

    layers = []
    for numbers in (full, masked):
        layers.append(Layer("float32", **options))
        layers[-1].run(numbers)
    for run in ("forward", "backward"):
        times = [[seconds(layer, run) for layer in layers] for _ in range(7)]
        whole, half = np.min(times, axis=0)
        assert half <= 0.7 * whole, (run, half / whole)


def seconds(layer, run):
    """Time of this thread on the processor: others may be using the machine."""
    before = time.thread_time()
    getattr(library, run)((layer.problem, getattr(layer, f"{run}_call")))
    return time.thread_time() - before


def test_a_long_sequence():
    """Steps are many, rows few; the memory of the library does not grow with them."""
    numbers = draw((2, 20_000, 3, 4), "holes")
    ran = Layer("float64", threads=2).run(numbers)
    compare(ran, expected(numbers, reset_after=True), "float64")


@pytest.mark.parametrize(
    ("field", "value"),
    [("units", 0), ("batch", -1), ("timesteps", -1), ("features", -1), ("dtype", 4)],
)
def test_arguments_out_of_range(field, value):
    problem = Layer().options.problem("float32", (2, 3, 4), 5, 1)
    setattr(problem, field, value)
    with pytest.raises(RuntimeError, match="out of range"):
        library.forward((problem, library.Forward()))
    with pytest.raises(RuntimeError, match="out of range"):
        library.backward((problem, library.Backward()))
    with pytest.raises(ValueError, match="out of range"):
        library.saved_size(problem)


def test_instructions_that_are_not_there():
    problem = Layer().options.problem("float32", (2, 3, 4), 5, 1)
    problem.instructions = 5
    with pytest.raises(RuntimeError, match="lacks the instructions"):
        library.forward((problem, library.Forward()))


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)])
def test_nothing_to_do(shape):
    numbers = draw(shape)
    states, final_state, *gradients = Layer().run(numbers)
    assert states.size == 0
    assert np.array_equal(final_state, numbers.initial_state)
    named = dict(zip(GRADIENTS, gradients, strict=True))
    assert np.array_equal(named["initial_state"], numbers.final_gradient)
    for name in ("kernel", "recurrent_kernel", "input_bias", "recurrent_bias"):
        assert not named[name].any()
