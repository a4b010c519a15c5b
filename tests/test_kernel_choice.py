"""What `auto` takes on a CPU, proved by a spy on what ran: not what was meant to."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru.native import library
from keras_gru.surroundings import Surroundings
from tests.cases import CONVENTIONS
from tests.passes import BACKEND, spy_on_kernels

SCAN = f"{BACKEND}_scan"
X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")

on_a_cpu = pytest.mark.skipif(
    Surroundings.of().device != "cpu",
    reason="the order on a GPU is another one",
)
native = pytest.mark.skipif(
    library.missing() is not None, reason=f"native_cpu: {library.missing()}"
)


def test_the_native_kernel_is_there():
    """Where the tests run a compiler is: without this all below could skip."""
    assert library.missing() is None


def _ran(layer, **call):
    with spy_on_kernels() as seen:
        layer(X, **call)
    return seen.names


@on_a_cpu
@native
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_runs_native(convention, masked):
    mask = np.arange(6)[None] < np.array([[6], [2], [0], [4]]) if masked else None
    layer = keras_gru.GRU(5, dropout=0.2, **CONVENTIONS[convention])
    assert _ran(layer, mask=mask, training=True) == ["native_cpu"]


@on_a_cpu
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"recurrent_dropout": 0.2}, "native_cpu"),
        ({"activation": "gelu"}, "native_cpu"),
        ({"dtype": "bfloat16"}, "native_cpu"),
        ({"dtype": "mixed_float16"}, "native_cpu"),
        ({"unroll": True}, "portable"),
        ({"activation": "softmax"}, "portable"),
    ],
    ids=str,
)
def test_what_native_takes_and_refuses(options, expected):
    assert _ran(keras_gru.GRU(5, **options), training=True) == [expected]


@on_a_cpu
@pytest.mark.parametrize("jit_compile", ["auto", True, False])
def test_fit(jit_compile):
    """XLA cannot call the library: Keras compiles where the user says so only."""
    if BACKEND == "torch" and jit_compile is True:
        pytest.skip("torch.compile is slow to start; explain() is tested below")
    model = keras.Sequential([keras.Input((6, 3)), keras_gru.GRU(5)])
    model.compile("sgd", "mse", jit_compile=jit_compile)
    with spy_on_kernels() as seen:
        model.fit(X, np.zeros((4, 5)), verbose=0)
    compiled = BACKEND == "tensorflow" and jit_compile is True
    jitted = {"tensorflow": compiled, "jax": bool(jit_compile), "torch": False}
    assert model.jit_compile is jitted[BACKEND]
    # torch first runs the model without numbers, on its meta device.
    assert seen.names[-1] == ("tensorflow_scan" if compiled else "native_cpu")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="XLA is TensorFlow's compiler")
def test_explain_under_jit_compile():
    explained = keras_gru.GRU(5).explain(jit_compile=True)
    assert explained.kernel == "tensorflow_scan"
    assert "jit_compile=True" in explained.refusals["native_cpu"]


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no SavedModel")
# Keras' own export hands jax2tf an argument that JAX is about to drop.
@pytest.mark.filterwarnings("ignore:The `native_serialization`:DeprecationWarning")
def test_an_export_has_no_operation_of_ours(tmp_path):
    import tensorflow as tf

    model = keras.Sequential([keras.Input((None, 3)), keras_gru.GRU(5)])
    expected = model.predict(X, verbose=0)
    with spy_on_kernels() as seen:
        model.export(tmp_path, format="tf_saved_model", verbose=False)
    assert set(seen.names) == {"portable"}
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.serve(X), expected, rtol=1e-5, atol=1e-6)
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    operations = {node.op for node in graph.node}
    for function in graph.library.function:
        operations |= {node.op for node in function.node_def}
    foreign = ("KerasGru", "PyFunc", "XlaCustomCall")
    assert not [name for name in operations if any(f in name for f in foreign)]


@native
def test_without_the_library(monkeypatch):
    """Not built: another kernel runs, and the reason stands in the table."""
    reason = "the C++ kernel was not built: no compiler"
    monkeypatch.setattr(library, "missing", lambda: reason)
    explained = keras_gru.GRU(5).explain()
    assert explained.kernel != "native_cpu"
    assert explained.refusals["native_cpu"] == reason


@pytest.mark.skipif(BACKEND != "torch", reason="only torch computes on shapes alone")
def test_shapes_alone_run_no_kernel():
    """Keras builds a model by a call on tensors without data, whatever their length."""
    model = keras.Sequential([keras.layers.Masking(), keras_gru.GRU(5)])
    model.compile("sgd", "mse")
    with spy_on_kernels() as seen:
        model.fit(X, np.zeros((4, 5)), verbose=0)
    assert len(seen.names) == 1
    for return_sequences, shape in ((False, (4, 5)), (True, (4, 6, 5))):
        layer = keras_gru.GRU(5, return_sequences=return_sequences, return_state=True)
        with keras.device("meta"):
            output, state = layer(keras.ops.ones(X.shape))
        assert tuple(output.shape) == shape
        assert tuple(state.shape) == (4, 5)
