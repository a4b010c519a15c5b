"""Exported models: the same numbers without keras_gru."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru.native import library
from tests.cases import CONVENTIONS
from tests.passes import BACKEND, spy_on_kernels, to_numpy
from tests.tolerances import assert_close

# Keras' own export hands jax2tf an argument that JAX is about to drop.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The `native_serialization` parameter:DeprecationWarning"
)
saved_model = pytest.mark.skipif(
    BACKEND == "torch",
    reason="Keras exports a SavedModel from TensorFlow and JAX only",
)

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")


def _served(model, path):
    import tensorflow as tf

    model.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(path)
    return lambda x: np.asarray(loaded.serve(x))  # holds the variables of `loaded`


@saved_model
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_saved_model(convention, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((7, 5)),
            keras_gru.GRU(6, return_sequences=True, **CONVENTIONS[convention]),
            keras.layers.Bidirectional(keras_gru.GRU(4, **CONVENTIONS[convention])),
        ]
    )
    served = _served(model, str(tmp_path / "model"))
    for batch in (3, 1):
        outputs = served(X[:batch])
        assert_close(outputs, to_numpy(model(X[:batch])), "same_float32")


@saved_model
@pytest.mark.parametrize("masked", [False, True])
def test_saved_model_with_dynamic_time(masked, tmp_path):
    x = keras.Input((None, 5))
    layer = keras_gru.GRU(6, return_sequences=True, **CONVENTIONS["replace_before"])
    model = keras.Model(x, layer(keras.layers.Masking()(x) if masked else x))
    served = _served(model, str(tmp_path / "model"))
    given = X.copy()
    given[1, 4:] = 0.0
    for timesteps in (7, 2):
        outputs = served(given[:, :timesteps])
        assert_close(outputs, to_numpy(model(given[:, :timesteps])), "same_float32")


@saved_model
def test_saved_model_with_dropout_does_not_drop(tmp_path):
    model = keras.Sequential(
        [keras.Input((7, 5)), keras_gru.GRU(6, dropout=0.5, recurrent_dropout=0.5)]
    )
    served = _served(model, str(tmp_path / "model"))
    assert_close(served(X), to_numpy(model(X)), "same_float32")


def _used_before():
    """A model that was traced, or run, with the kernel that no file can hold."""
    model = keras.Sequential([keras.Input((7, 5)), keras_gru.GRU(6)])
    model.compile("sgd", "mse", jit_compile=False)
    with spy_on_kernels() as seen:
        model.fit(X, np.zeros((3, 6)), verbose=0)
        model.predict(X, verbose=0)
    if library.missing() is None:
        assert "native_cpu" in seen.names
    return model


@saved_model
def test_no_operation_of_ours_that_was_traced_before_is_saved(tmp_path):
    model = _used_before()
    served = _served(model, str(tmp_path / "model"))
    assert b"KerasGru" not in (tmp_path / "model" / "saved_model.pb").read_bytes()
    assert_close(served(X), to_numpy(model(X)), "same_float32")


@pytest.mark.skipif(BACKEND != "torch", reason="torch.export is torch's")
def test_torch_exports_operations_of_its_own():
    import torch

    model = _used_before()
    x = torch.tensor(X)
    program = torch.export.export(model, (x,), strict=False)
    targets = {str(n.target) for n in program.graph.nodes if n.op == "call_function"}
    others = {target for target in targets if not target.startswith("aten.")}
    assert "aten." in str(targets)
    assert others <= {"<built-in function getitem>"}
    assert_close(to_numpy(program.module()(x)), to_numpy(model(x)), "same_float32")
