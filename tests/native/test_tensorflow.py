"""The C++ kernel called from TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_gru import GRU
from tests.native.arrays import draw, expected, needs_library, run
from tests.passes import BACKEND, spy_on_kernels
from tests.tolerances import assert_close

if BACKEND != "tensorflow":
    pytest.skip("for the TensorFlow backend", allow_module_level=True)

import tensorflow as tf

from keras_gru.native import on_tensorflow
from keras_gru.native.library import Options

pytestmark = needs_library


def results(options, numbers, arrays, mask):
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        states, final_state = run(options, arrays, mask, True)
        value = tf.reduce_sum(states * numbers.states_gradient)
        value += tf.reduce_sum(final_state * numbers.final_gradient)
    return [states, final_state, *tape.gradient(value, arrays)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("update_gate", ["keep", "replace"])
def test_in_tape_and_function(reset_after, update_gate, graph, training):
    """With `training` the forward pass saves; without it, it is run again."""
    numbers = draw((3, 5, 4, 6), "holes")
    if not reset_after:
        numbers.recurrent_bias[:] = 0.0
    options = Options(reset_after, update_gate, "tanh", "sigmoid", True, training)

    def function(arrays, mask):
        return results(options, numbers, arrays, mask)

    if graph:
        function = tf.function(function, reduce_retracing=True)
    actual = function(
        [tf.constant(a) for a in numbers.arrays], tf.constant(numbers.mask)
    )
    wanted = expected(
        numbers, reset_after=reset_after, update_gate=update_gate, go_backwards=True
    )
    for a, b in zip(actual, wanted, strict=True):
        if b is not None:
            assert_close(a.numpy(), b, "float64")


def test_sizes_that_are_not_known():
    """One traced function for any batch and time."""
    options = Options(True, "keep", "tanh", "sigmoid", False)
    known = draw((2, 3, 4, 6)).arrays

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 4), tf.float64),
            tf.TensorSpec((None, 6), tf.float64),
        ]
    )
    def function(x, state):
        with tf.GradientTape() as tape:
            tape.watch([x, state])
            weights = [tf.constant(known[i]) for i in (1, 2)]
            weights += [state, *(tf.constant(known[i]) for i in (4, 5))]
            states, _ = run(options, (x, *weights), None, True)
            assert states.shape.as_list() == [None, None, 6]
            value = tf.reduce_sum(states)
        return states, *tape.gradient(value, [x, state])

    for shape in ((2, 3, 4, 6), (5, 1, 4, 6)):
        numbers = draw(shape, seed=3)
        for index, name in ((1, "kernel"), (2, "input_bias"), (4, "recurrent_kernel")):
            setattr(numbers, name, known[index])
        numbers.recurrent_bias = known[5]
        numbers.states_gradient = np.ones_like(numbers.states_gradient)
        numbers.final_gradient = np.zeros_like(numbers.final_gradient)
        actual = function(numbers.sequences, numbers.initial_state)
        wanted = expected(numbers, reset_after=True)
        for a, b in zip(actual, (wanted[0], wanted[2], wanted[5]), strict=True):
            assert_close(a.numpy(), b, "float64")


def test_wrong_shapes_are_told():
    options = Options(True, "keep", "tanh", "sigmoid", False)
    arrays = [tf.constant(a) for a in draw((3, 5, 4, 6)).arrays]
    arrays[1] = arrays[1][:, :-1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="do not fit"):
        run(options, arrays, None, True)


def test_threads_follow_tensorflow(monkeypatch):
    threading = tf.config.threading
    monkeypatch.setattr(threading, "get_intra_op_parallelism_threads", lambda: 3)
    assert on_tensorflow._threads() == 3
    monkeypatch.setattr(threading, "get_intra_op_parallelism_threads", lambda: 0)
    assert on_tensorflow._threads() >= 1


def test_xla_is_refused_with_the_reason():
    """Under jit_compile another kernel runs, and the refusal says why."""
    layer = GRU(6)
    layer.build((3, 5, 4))
    reasons = []

    @tf.function(jit_compile=True)
    def compiled(x):
        reasons.append(layer.explain(x.shape).refusals["native_cpu"])
        return layer(x)

    x = tf.random.normal((3, 5, 4))
    with spy_on_kernels() as seen:
        inside = compiled(x)
        outside = layer(x)
    assert "jit_compile" in reasons[0]
    assert seen.names[0] != "native_cpu"
    assert seen.names[1] == "native_cpu"
    assert_close(inside.numpy(), outside.numpy(), "same_float32")


def test_refusal_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert "needs a CPU" in GRU(6).explain().refusals["native_cpu"]


def test_fit_and_predict():
    model = keras.Sequential([keras.Input((None, 4)), GRU(6), keras.layers.Dense(1)])
    model.compile("adam", "mse", jit_compile=False)
    x, y = np.random.rand(32, 5, 4).astype("float32"), np.random.rand(32, 1)
    with spy_on_kernels() as seen:
        history = model.fit(x, y, epochs=4, batch_size=8, verbose=0).history["loss"]
        model.predict(x, verbose=0)
    assert set(seen.names) == {"native_cpu"}
    assert history[-1] < history[0]
