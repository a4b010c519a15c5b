"""`model.export(format="litert")`: LiteRT's own operations, and the same numbers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS
from tests.passes import BACKEND, to_numpy
from tests.tolerances import assert_close

if BACKEND != "tensorflow":
    pytest.skip("Keras writes LiteRT from TensorFlow", allow_module_level=True)

import tensorflow as tf

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
X[1, 4:] = 0.0

# TensorFlow says that its interpreter moves to another package.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def _interpreter(model, path):
    model.export(path, format="litert", verbose=False)
    with open(path, "rb") as file:
        assert b"Flex" not in file.read()  # an operation of TensorFlow, not of LiteRT
    return tf.lite.Interpreter(path)


def _run(interpreter, x):
    (given,) = interpreter.get_input_details()
    (result,) = interpreter.get_output_details()
    if tuple(given["shape"]) != x.shape:
        interpreter.resize_tensor_input(given["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(result["index"])


def _check(model, path, *batches):
    interpreter = _interpreter(model, path)
    for batch in batches:
        outputs = _run(interpreter, batch)
        assert_close(outputs, to_numpy(model(batch)), "same_float32")


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_any_batch_and_any_length(convention, return_sequences, tmp_path):
    layer = keras_gru.GRU(
        6, return_sequences=return_sequences, **CONVENTIONS[convention]
    )
    model = keras.Sequential([keras.Input((None, 5)), layer])
    _check(model, str(tmp_path / "model.tflite"), X, X[:2, :3], X[:1, :1])


@pytest.mark.parametrize("zero_output_for_mask", [False, True])
def test_masked_and_bidirectional(zero_output_for_mask, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None, 5)),
            keras.layers.Masking(),
            keras.layers.Bidirectional(
                keras_gru.GRU(
                    4,
                    return_sequences=True,
                    zero_output_for_mask=zero_output_for_mask,
                )
            ),
            keras_gru.GRU(3, go_backwards=True),
        ]
    )
    _check(model, str(tmp_path / "model.tflite"), X, X[:2, 2:])


@pytest.mark.parametrize(
    "options",
    [
        {"use_bias": False},
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
        {"dropout": 0.5, "recurrent_dropout": 0.5},
        {"unroll": True},
    ],
    ids=str,
)
def test_options(options, tmp_path):
    layer = keras_gru.GRU(6, return_sequences=True, **options)
    model = keras.Sequential([keras.Input((7, 5)), layer])
    _check(model, str(tmp_path / "model.tflite"), X, X[:1])


def test_a_long_sequence(tmp_path):
    model = keras.Sequential([keras.Input((None, 5)), keras_gru.GRU(6)])
    x = np.random.default_rng(1).normal(size=(2, 500, 5)).astype("float32")
    _check(model, str(tmp_path / "model.tflite"), x)
