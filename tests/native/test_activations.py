"""How far the kernel's activations and their derivatives lie from the true ones."""

from __future__ import annotations

import numpy as np
import pytest

from keras_gru.native import library
from tests import oracle
from tests.native.arrays import Layer, draw, expected, instructions, needs_library

pytestmark = [pytest.mark.once, needs_library]

FUNCTIONS = {
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1.0) / (1.0 + np.exp(-np.abs(x))),
}
# Errors in units of the last place of 1 (float32: 1.2e-7, float64: 2.2e-16), relative
# to the value. Four roundings stand in each formula.
ALLOWED = 3.0
ALLOWED_OF_CURVES = 16.0  # some square what an exponential gave, or subtract


def evaluate(activation, x, dtype, names):
    """Activation of each x: a candidate that passes an update gate that is shut."""
    units = x.size
    numbers = draw((1, 1, 1, units))
    numbers.sequences = np.concatenate([np.full(units, -1e4), np.zeros(units), x])
    numbers.sequences = numbers.sequences.reshape(1, 1, 3 * units)
    for name in ("initial_state", "recurrent_kernel", "recurrent_bias"):
        setattr(numbers, name, np.zeros_like(getattr(numbers, name)))
    layer = Layer(dtype, activation=activation, instructions=names)
    return layer.forward(numbers, projected=True)[1][0]


def points(dtype):
    rng = np.random.default_rng(0)
    small = 10.0 ** rng.uniform(-12, 0, 300)
    large = rng.uniform(0, 80, 300)
    x = np.concatenate([small, -small, large, -large, [0.0, 9.49, 9.51, 19.9, 20.1]])
    return x.astype(dtype).astype("float64")


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", FUNCTIONS)
def test_error(activation, dtype, names):
    x = points(dtype)
    right = FUNCTIONS[activation](x)
    # 1 - z rounds to 1 and z h is 0, so what comes out is the activation itself.
    actual = evaluate(activation, x, dtype, names).astype("float64")
    scale = np.maximum(np.abs(right), np.finfo(dtype).tiny)
    error = np.max(np.abs(actual - right) / scale) / np.finfo(dtype).eps
    assert error <= ALLOWED


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends(dtype, names):
    x = np.array([np.inf, -np.inf, np.nan])
    tanh = evaluate("tanh", x, dtype, names)
    assert np.array_equal(tanh, [1.0, -1.0, np.nan], equal_nan=True)
    sigmoid = evaluate("sigmoid", x, dtype, names)
    assert np.array_equal(sigmoid, [1.0, 0.0, np.nan], equal_nan=True)


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", library.ACTIVATIONS)
def test_every_activation_of_keras(activation, dtype, names):
    """Relative to the larger of 1 and the input: some subtract what is near to it."""
    x = points(dtype)
    right = oracle.ACTIVATIONS[activation][0](x)
    actual = evaluate(activation, x, dtype, names).astype("float64")
    within = np.abs(right) < np.finfo(dtype).max
    assert np.all(np.isinf(actual[~within]))
    scale = np.maximum(np.maximum(1.0, np.abs(x)), np.abs(right))[within]
    error = np.abs(actual - right)[within] / scale
    assert np.max(error) / np.finfo(dtype).eps <= ALLOWED_OF_CURVES


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("where", ["activation", "recurrent_activation"])
@pytest.mark.parametrize("activation", library.ACTIVATIONS)
def test_every_derivative(activation, where, reset_after, names):
    options = {"reset_after": reset_after, "update_gate": "keep", where: activation}
    numbers = draw((3, 4, 5, 19), "right", reset_after)
    for array in numbers.arrays:  # unbounded gates multiply the state at each step
        if array is not None:
            array *= 0.3
    ours = Layer(instructions=names, **options).run(numbers)
    for found, right in zip(ours, expected(numbers, **options), strict=True):
        if right is not None:
            np.testing.assert_allclose(found, right, 1e-9, 1e-9 * np.abs(right).max())
