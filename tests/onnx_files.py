"""Models as ONNX files with random weights, run and compared with Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.passes import to_numpy
from tests.tolerances import assert_close

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(5)
RIGHT = np.arange(7) < np.array([[7], [4], [1], [0]])
MASKS = {
    "none": None,
    "right": RIGHT,
    "left": RIGHT[:, ::-1],
    "holes": np.random.default_rng(1).random((4, 7)) < 0.5,
}
X = RNG.normal(size=(4, 7, 5)).astype("float32")


def randomize(model):
    """Weights of which no two are equal, biases too."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if "seed" not in variable.path:
            value = rng.normal(size=variable.shape) * 0.5
            variable.assign(abs(value) if "variance" in variable.path else value)
    return model


def export(model, folder, **options):
    """The file's path, after `model` got random weights."""
    path = folder / "model.onnx"
    keras_gru.export_onnx(randomize(model), path, **options)
    return path


def run(path, *given):
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    return session.run(None, dict(zip(names, given, strict=True)))


def compare(model, path, *given):
    """All outputs of the file against those of the model."""
    several = isinstance(getattr(model, "input", None), list)
    expected = keras.tree.flatten(model(list(given) if several else given[0]))
    found = run(path, *given)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, to_numpy(other), "onnx")


def recurrent_nodes(path):
    nodes = onnx.load(path).graph.node
    return [node.op_type for node in nodes if node.op_type in ("GRU", "LSTM")]


def sizes(values):
    return {
        one.name: [
            axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim
        ]
        for one in values
    }
