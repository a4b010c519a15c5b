"""Two passes in one call of the library: both directions of a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from keras_gru.native import library
from tests.cases import CONVENTIONS
from tests.native.arrays import GRADIENTS, Layer, draw, instructions, needs_library

pytestmark = [pytest.mark.once, needs_library]

# The second is large enough for several threads, the third for them to share one row.
SHAPES = ((3, 7, 5, 6), (21, 40, 24, 40), (1, 30, 24, 120))


def _one_by_one(convention, other, dtype, mask, shape, threads, names, dropout):
    """Two layers that have run, each for itself, and their numbers."""
    layers, given = [], []
    for seed, (which, backwards) in enumerate(((convention, False), (other, True))):
        options = CONVENTIONS[which]
        numbers = draw(shape, mask, options["reset_after"], seed, dropout)
        if seed:
            numbers.sequences, numbers.mask = given[0].sequences, given[0].mask
        if dropout:
            numbers.resets = np.random.default_rng(seed).random(shape[:2]) < 0.3
        layer = Layer(
            dtype,
            go_backwards=backwards,
            threads=threads,
            instructions=names,
            **options,
        )
        layer.run(numbers)
        layers.append(layer)
        given.append(numbers)
    return layers, given


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("mask", ["none", "left", "holes", "rows", "empty"])
@pytest.mark.parametrize(
    ("convention", "other"),
    [
        ("keep_after", "keep_after"),
        ("replace_before", "keep_after"),
        ("keep_before", "replace_after"),
    ],
)
def test_the_bits_of_two_calls(convention, other, mask, threads, shape):
    """On every instruction set: nothing depends on what runs beside it."""
    for names in instructions():
        for dtype, dropout in (("float32", 0.0), ("float64", 0.4)):
            layers, given = _one_by_one(
                convention, other, dtype, mask, shape, threads, names, dropout
            )
            ahead, back = layers
            in_time = [ahead.states, back.states[:, ::-1]]
            states = np.full((*shape[:2], 2 * shape[3]), np.nan, dtype)
            states_gradient = np.concatenate(
                [given[0].states_gradient, given[1].states_gradient[:, ::-1]], -1
            ).astype(dtype)
            wanted = [[one.final.copy(), *_copies(one.results)] for one in layers]
            for one in layers:
                for array in (one.final, one.saved, *one.results):
                    if array is not None:
                        array[...] = np.nan
                one.forward_call.states = one.backward_call.states = None
                one.backward_call.states_gradient = None
            ahead.forward_call.states = states.ctypes.data
            ahead.backward_call.states = states.ctypes.data
            ahead.backward_call.states_gradient = states_gradient.ctypes.data
            library.forward(*((one.problem, one.forward_call) for one in layers))
            library.backward(*((one.problem, one.backward_call) for one in layers))
            assert np.array_equal(states, np.concatenate(in_time, -1))
            for one, expected in zip(layers, wanted, strict=True):
                found = [one.final, *one.results]
                for name, a, b in zip(
                    ("final", *GRADIENTS), found, expected, strict=True
                ):
                    assert a is b is None or np.array_equal(a, b), name


def _copies(arrays):
    return [None if array is None else array.copy() for array in arrays]


@pytest.mark.parametrize("change", [{"units": 5}, {"batch": 2}, {"timesteps": 6}])
def test_passes_that_do_not_fit_each_other(change):
    layers, _ = _one_by_one(
        "keep_after", "keep_after", "float32", "none", SHAPES[0], 1, "best", 0.0
    )
    for name, value in change.items():
        setattr(layers[1].problem, name, value)
    with pytest.raises(RuntimeError, match="an argument is out of range"):
        library.forward(*((one.problem, one.forward_call) for one in layers))


def test_no_more_than_two():
    layers, _ = _one_by_one(
        "keep_after", "keep_after", "float32", "none", SHAPES[0], 1, "best", 0.0
    )
    passes = [(one.problem, one.forward_call) for one in (*layers, layers[0])]
    with pytest.raises(RuntimeError, match="an argument is out of range"):
        library.forward(*passes)
