"""`keras_gru.export_onnx`: whole files, what is refused, and random models."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_gru
from tests.fuzz_onnx import UNSUPPORTED, check, check_refused
from tests.onnx_files import X, compare, export, onnx, recurrent_nodes, sizes

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not support masking and will therefore destroy:UserWarning"
)


@pytest.mark.parametrize("opset", [18, 20, 22, 23])
def test_opsets(opset, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(9, 5, mask_zero=True),
            layers.Bidirectional(keras_gru.GRU(3, return_sequences=True)),
            layers.LSTM(3, return_sequences=True),
            layers.LayerNormalization(),
            layers.GlobalMaxPooling1D(),
            layers.Dense(2, "softmax"),
        ]
    )
    path = export(model, tmp_path, opset=opset)
    assert [one.version for one in onnx.load(path).opset_import] == [opset]
    compare(model, path, np.array([[3, 1, 0], [0, 0, 2]], "int32"))


@pytest.mark.parametrize("opset", [17, 999, "18", 18.5])
def test_an_opset_out_of_range(opset, tmp_path):
    model = keras.Sequential([keras.Input((7, 5)), keras_gru.GRU(3)])
    with pytest.raises(ValueError, match=r"`opset` is .* Expected: an integer from 18"):
        keras_gru.export_onnx(model, tmp_path / "model.onnx", opset=opset)


def test_sizes_have_names(tmp_path):
    """Two open lengths are two names; what is known is a number."""
    x = keras.Input((None, 5), name="x")
    y = keras.Input((None, 5), name="y")
    z = keras.Input((3, 5), name="z", batch_size=2)
    last = [
        keras_gru.GRU(4, return_sequences=True, name=f"of_{one.name}")(one)
        for one in (x, y, z)
    ]
    path = export(keras.Model([x, y, z], last), tmp_path)
    graph = onnx.load(path).graph
    assert sizes(graph.input) == {
        "x": ["batch", "x_time", 5],
        "y": ["batch", "y_time", 5],
        "z": [2, 3, 5],
    }
    assert sizes(graph.output) == {
        "of_x": ["batch", "x_time", 4],
        "of_y": ["batch", "y_time", 4],
        "of_z": [2, 3, 4],
    }


def test_a_layer_called_twice_is_stored_once(tmp_path):
    x = keras.Input((None, 5))
    layer = keras_gru.GRU(5, return_sequences=True)
    model = keras.Model(x, layer(layer(x)))
    path = export(model, tmp_path)
    compare(model, path, X)
    assert recurrent_nodes(path) == ["GRU"] * 2
    stored = [one for one in onnx.load(path).graph.initializer if one.dims[:1] == [1]]
    assert len(stored) == 3  # W, R, B


class _Own(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    "model",
    [_Own(), "model.keras", layers.GRU(3)],
    ids=["own call", "path", "layer"],
)
def test_what_is_no_graph_is_refused(model, tmp_path):
    with pytest.raises(TypeError, match=r"`model` is a .*Expected: a functional model"):
        keras_gru.export_onnx(model, tmp_path / "model.onnx")


def test_a_model_that_is_not_built_is_refused(tmp_path):
    model = keras.Sequential([keras_gru.GRU(3)])
    with pytest.raises(ValueError, match=r"is not built. Begin it with a keras.Input"):
        keras_gru.export_onnx(model, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            lambda x: keras_gru.GRU(3, name="it")(x, resets=keras.ops.any(x != 1, -1)),
            "it is called with `resets`",
        ),
        (
            lambda x: layers.Softmax(axis=(1, 2), name="it")(x),
            "over the axes",
        ),
        (
            lambda x: layers.Bidirectional(layers.SimpleRNN(3), name="it")(x),
            "it is around SimpleRNN",
        ),
        (
            lambda x: layers.GRU(3, zero_output_for_mask=True, name="it")(
                layers.Masking()(x)
            ),
            "return_sequences",
        ),
        (lambda x: layers.Dense(3, "gelu", name="it")(x), "its activation gelu"),
        (lambda x: keras_gru.GRU(3, zoneout=0.1, name="it")(x), "zoneout=0.1"),
        (
            lambda x: keras_gru.GRU(3, layer_normalization=True, name="it")(x),
            "layer_normalization=True",
        ),
    ],
    ids=[
        "resets",
        "softmax",
        "bidirectional",
        "zero output",
        "activation",
        "zoneout",
        "layer normalisation",
    ],
)
def test_refusals(call, reason, tmp_path):
    """What the random models of tests/fuzz_onnx.py have not."""
    x = keras.Input((7, 5))
    with pytest.raises(ValueError, match=f"Layer .*{reason}"):
        keras_gru.export_onnx(keras.Model(x, call(x)), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_learnt_state_that_goes_on_is_refused(tmp_path):
    model = keras.Sequential(
        [keras.Input((7, 5)), keras_gru.GRU(3, learn_initial_state=True)]
    )
    with pytest.raises(ValueError, match="Give the layer an `initial_state`"):
        keras_gru.export_onnx(model, tmp_path / "model.onnx", states=True)


@pytest.mark.parametrize(
    ("function", "count"), [("export_onnx", 2), ("import_onnx_gru", 1)]
)
def test_without_onnx(function, count, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = r'needs the package onnx: pip install "keras_gru\[onnx\]"$'
    with pytest.raises(ImportError, match=message):
        getattr(keras_gru, function)(*[tmp_path / "model.onnx"] * count)


@pytest.mark.parametrize("number", range(15))
def test_random_models(number, tmp_path):
    check(1, number, tmp_path)


@pytest.mark.parametrize("number", range(len(UNSUPPORTED)))
def test_random_models_with_one_layer_that_cannot_be_written(number, tmp_path):
    check_refused(1, number, tmp_path)
