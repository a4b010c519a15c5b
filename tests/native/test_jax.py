"""The C++ kernel called from JAX."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.arrays import draw, expected, needs_library, run
from tests.passes import BACKEND, float64_allowed
from tests.tolerances import assert_close

if BACKEND != "jax":
    pytest.skip("for the JAX backend", allow_module_level=True)

import jax
from jax import numpy as jnp

from keras_gru import GRU
from keras_gru.native.library import Options
from keras_gru.surroundings import Surroundings

pytestmark = needs_library
OPTIONS = Options(True, "keep", "tanh", "sigmoid", False)


@pytest.fixture(autouse=True)
def _float64():
    with float64_allowed():
        yield


def loss(options, numbers, *arrays):
    states, final_state = run(options, arrays, numbers.mask, True)
    value = jnp.sum(states * numbers.states_gradient)
    return value + jnp.sum(final_state * numbers.final_gradient), (states, final_state)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("update_gate", ["keep", "replace"])
def test_in_grad_and_jit(reset_after, update_gate, jit):
    numbers = draw((3, 5, 4, 6), "holes", reset_after=True)
    if not reset_after:
        numbers.recurrent_bias[:] = 0.0
    options = Options(reset_after, update_gate, "tanh", "sigmoid", True)

    def function(*arrays):
        return loss(options, numbers, *arrays)

    function = jax.value_and_grad(function, argnums=range(6), has_aux=True)
    (_, outputs), gradients = (jax.jit(function) if jit else function)(*numbers.arrays)
    wanted = expected(
        numbers, reset_after=reset_after, update_gate=update_gate, go_backwards=True
    )
    for a, b in zip((*outputs, *gradients), wanted, strict=True):
        if b is not None:
            assert_close(a, b, "float64")


@pytest.mark.parametrize("argument", range(6))
def test_one_gradient_only(argument):
    """The others are not computed, and those that are stay the same."""
    numbers = draw((3, 5, 4, 6), "holes")

    def function(*arrays):
        return loss(OPTIONS, numbers, *arrays)[0]

    gradient = jax.grad(function, argnums=argument)
    wanted = expected(numbers, reset_after=True)[2 + argument]
    assert_close(gradient(*numbers.arrays), wanted, "float64")
    text = str(jax.make_jaxpr(gradient)(*numbers.arrays))
    results = text[: text.index("gru_xla_backward")].rpartition("result_avals")[2]
    assert results.count("float64[0]") == 5


def test_only_the_final_state():
    numbers = draw((3, 5, 4, 6), "holes")
    numbers.states_gradient[:] = 0.0

    def function(*arrays):
        states, final_state = run(OPTIONS, arrays, numbers.mask, False)
        assert states is None
        return jnp.sum(final_state * numbers.final_gradient)

    gradients = jax.jit(jax.grad(function, argnums=range(6)))(*numbers.arrays)
    wanted = expected(numbers, reset_after=True)[2:]
    for a, b in zip(gradients, wanted, strict=True):
        assert_close(a, b, "float64")


def test_vmap():
    numbers = [draw((3, 5, 4, 6), seed=seed) for seed in (0, 1)]
    arrays = [
        jnp.stack(pair) for pair in zip(*(n.arrays for n in numbers), strict=True)
    ]
    states, _ = jax.vmap(lambda x, *weights: run(OPTIONS, (x, *weights), None, True))(
        *arrays
    )
    for one, single in zip(states, numbers, strict=True):
        assert_close(one, expected(single, reset_after=True)[0], "float64")


def test_wrong_shapes_are_told():
    """The handler checks what it gets: an error of XLA, no crash."""
    numbers = draw((3, 5, 4, 6))
    arrays = [*numbers.arrays]
    arrays[1] = arrays[1][:, :-1]
    with pytest.raises(Exception, match="the kernel must be"):
        np.asarray(run(OPTIONS, arrays, None, True)[1])


def test_refusal_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cuda")
    reason = GRU(6).explain().refusals["native_cpu"]
    assert reason == "it needs a CPU, and the tensors are on the gpu"


@pytest.mark.parametrize(
    ("platform", "device"), [("cpu", "cpu"), ("cuda", "gpu"), ("tpu", "tpu")]
)
def test_each_platform_is_a_device(platform, device, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert Surroundings.of().device == device
