"""How far the kernel's activations and their derivatives lie from the true ones."""

from __future__ import annotations

import dataclasses
from functools import partial

import keras
import numpy as np
import pytest

from keras_gru.native import library
from keras_gru.native.activations import Known, find
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


# Parameters that are not Keras' own, and one activation of two parameters.
PARAMETERS = {
    "elu": 0.3,
    "celu": 1.7,
    "leaky_relu": 0.05,
    "relu6": 1.5,
    "gelu": 1.0,
    "hard_shrink": 0.2,
    "soft_shrink": 0.9,
    "squareplus": 0.7,
}


def of_oracle(name):
    """Value and derivative with the parameter of `PARAMETERS`."""
    p, at = PARAMETERS[name], np.minimum
    c, k = np.sqrt(2 / np.pi), 0.044715

    def tanh_of(a):
        return np.tanh(c * (a + k * a**3))

    return {
        "elu": (
            lambda a: np.where(a > 0, a, p * np.expm1(at(a, 0))),
            lambda a: np.where(a > 0, 1, p * np.exp(at(a, 0))),
        ),
        "celu": (
            lambda a: np.where(a > 0, a, p * np.expm1(at(a, 0) / p)),
            lambda a: np.exp(at(a, 0) / p),
        ),
        "leaky_relu": (
            lambda a: np.where(a > 0, a, p * a),
            lambda a: np.where(a > 0, 1.0, p),
        ),
        "relu6": (
            lambda a: np.clip(a, 0, p),
            lambda a: ((a > 0) & (a < p)).astype(a.dtype),
        ),
        "gelu": (
            lambda a: a * (1 + tanh_of(a)) / 2,
            lambda a: (
                (1 + tanh_of(a)) / 2
                + a * (1 - tanh_of(a) ** 2) * c * (1 + 3 * k * a**2) / 2
            ),
        ),
        "hard_shrink": (
            lambda a: np.where(abs(a) > p, a, 0),
            lambda a: (abs(a) > p).astype(a.dtype),
        ),
        "soft_shrink": (
            lambda a: np.sign(a) * np.maximum(abs(a) - p, 0),
            lambda a: (abs(a) > p).astype(a.dtype),
        ),
        "squareplus": (
            lambda a: (a + np.sqrt(a**2 + p)) / 2,
            lambda a: (1 + a / np.sqrt(a**2 + p)) / 2,
        ),
    }[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_survives_a_graph(name):
    """TensorFlow and XLA hold the options as integers."""
    given = library.Options(
        *(True, "replace", name, "celu", False),
        activation_parameter=PARAMETERS[name],
        recurrent_activation_parameter=0.1,
    )
    assert library.Options.from_integers(given.as_integers(2)) == given


def test_every_parameter_is_tried():
    assert PARAMETERS.keys() == library.PARAMETERS.keys()


@pytest.mark.parametrize("names", instructions() if not library.missing() else [])
@pytest.mark.parametrize("where", ["activation", "recurrent_activation"])
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter(name, where, names, monkeypatch):
    """Each activation takes the parameter of its own, in values and gradients."""
    monkeypatch.setitem(oracle.ACTIVATIONS, "of the test", of_oracle(name))
    numbers = draw((3, 4, 5, 19), "right")
    for array in numbers.arrays:
        array *= 0.3
    options = {"reset_after": True, "update_gate": "keep"}
    layer = Layer(instructions=names, **options, **{where: name})
    parameter = {f"{where}_parameter": PARAMETERS[name]}
    layer.options = dataclasses.replace(layer.options, **parameter)
    wanted = expected(numbers, **options, **{where: "of the test"})
    for found, right in zip(layer.run(numbers), wanted, strict=True):
        np.testing.assert_allclose(found, right, 1e-9, 1e-9 * np.abs(right).max())


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (keras.activations.tanh, ("tanh", 0.0)),
        (keras.activations.elu, ("elu", 1.0)),
        (keras.activations.relu6, ("relu6", 6.0)),
        (partial(keras.activations.elu, alpha=0.3), ("elu", 0.3)),
        (partial(keras.activations.celu, alpha=2), ("celu", 2.0)),
        (partial(keras.activations.celu, alpha=0.0), None),
        (
            partial(keras.activations.leaky_relu, negative_slope=0.1),
            ("leaky_relu", 0.1),
        ),
        (partial(keras.activations.gelu, approximate=True), ("gelu", 1.0)),
        (partial(keras.activations.gelu, approximate=False), ("gelu", 0.0)),
        (partial(keras.activations.hard_shrink, threshold=0.2), ("hard_shrink", 0.2)),
        (partial(keras.activations.hard_shrink, threshold=-1.0), None),
        (partial(keras.activations.squareplus, b=1), ("squareplus", 1.0)),
        (partial(keras.activations.relu, max_value=2.0), ("relu6", 2.0)),
        (partial(keras.activations.relu, max_value=2.0, negative_slope=0.1), None),
        (partial(keras.activations.relu, threshold=1.0), None),
        (partial(keras.activations.elu, alpha=np.nan), None),
        (partial(keras.activations.elu, alpha="1"), None),
        (partial(keras.activations.elu, 1.0), None),
        (keras.layers.LeakyReLU(negative_slope=0.1), ("leaky_relu", 0.1)),
        (keras.layers.ELU(0.5), ("elu", 0.5)),
        (keras.layers.ReLU(), ("relu", 0.0)),
        (keras.layers.ReLU(max_value=3.0), ("relu6", 3.0)),
        (keras.layers.ReLU(threshold=1.0), None),
        (keras.layers.Activation("tanh"), ("tanh", 0.0)),
        (keras.layers.Activation(keras.layers.ELU(0.5)), ("elu", 0.5)),
        (keras.layers.PReLU(), None),
        (keras.activations.softmax, None),
        (lambda x: x, None),
    ],
)
def test_what_users_pass(given, known):
    assert find(given) == known
    if known is not None:
        again = find(Known(*known).function())
        assert again is not None
        assert again == known
