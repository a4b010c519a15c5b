"""`model.export(format="onnx")`: each file, loaded again, gives the same numbers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS
from tests.passes import BACKEND, to_numpy
from tests.tolerances import assert_close

onnxruntime = pytest.importorskip("onnxruntime")
CONVERTER = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnxscript"}[BACKEND]
pytest.importorskip(CONVERTER, reason=f"{BACKEND} needs {CONVERTER} to write ONNX")

# What converters say about themselves.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{category}")
    for category in ("DeprecationWarning", "FutureWarning", "UserWarning")
] + [pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")] * (
    BACKEND == "torch"
)

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
IDS = np.array([[3, 1, 2, 5, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0], [1] * 7], "int32")
FREE = pytest.mark.skipif(
    BACKEND == "torch", reason="torch's exporter cannot leave the number of steps open"
)


def _check(model, path, *batches):
    """Exports the model and compares it with the file on each batch."""
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    for batch in batches:
        (outputs,) = session.run(None, {given.name: batch})
        assert_close(outputs, to_numpy(model(batch)), "same_float32")


def _sequential(timesteps, layer):
    model = keras.Sequential([keras.Input((timesteps, 5)), layer])
    model(X)  # Keras exports a model that was called
    return model


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_fixed_steps(convention, return_sequences, tmp_path):
    layer = keras_gru.GRU(
        6, return_sequences=return_sequences, **CONVENTIONS[convention]
    )
    _check(_sequential(7, layer), str(tmp_path / "model.onnx"), X, X[:1])


@FREE
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_free_steps(convention, tmp_path):
    layer = keras_gru.GRU(6, return_sequences=True, **CONVENTIONS[convention])
    path = str(tmp_path / "model.onnx")
    _check(_sequential(None, layer), path, X, X[:2, :3], X[:1, :1])


@pytest.mark.parametrize(
    "options",
    [
        {"go_backwards": True},
        {"use_bias": False},
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
        {"dropout": 0.5, "recurrent_dropout": 0.5},
        {"unroll": True},
    ],
    ids=str,
)
def test_options(options, tmp_path):
    layer = keras_gru.GRU(6, return_sequences=True, **options)
    _check(_sequential(7, layer), str(tmp_path / "model.onnx"), X, X[:1])


@pytest.mark.parametrize("timesteps", [7, pytest.param(None, marks=FREE)])
@pytest.mark.parametrize("zero_output_for_mask", [False, True])
def test_masked_and_bidirectional(zero_output_for_mask, timesteps, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((timesteps,), dtype="int32"),
            keras.layers.Embedding(9, 5, mask_zero=True),
            keras.layers.Bidirectional(
                keras_gru.GRU(
                    4,
                    return_sequences=True,
                    zero_output_for_mask=zero_output_for_mask,
                    **CONVENTIONS["replace_before"],
                )
            ),
            keras_gru.GRU(3),
        ]
    )
    model(IDS)
    _check(model, str(tmp_path / "model.onnx"), IDS, IDS[:2])


def test_a_mask_of_three_dimensions(tmp_path):
    """Its sizes are a tracer's: what the layer makes of them must not rest on them."""
    x, mask = keras.Input((7, 5)), keras.Input((7, 1), dtype="bool")
    model = keras.Model([x, mask], keras_gru.GRU(6, unroll=True)(x, mask=mask))
    given = [X, (IDS > 0)[..., None]]
    model(given)
    path = str(tmp_path / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    (outputs,) = session.run(None, dict(zip(names, given, strict=True)))
    assert_close(outputs, to_numpy(model(given)), "same_float32")


def test_stateful_is_refused(tmp_path):
    layer = keras_gru.GRU(6, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(3, 7, 5)), layer])
    model(X)
    with pytest.raises(ValueError, match=r"stateful=True cannot be exported"):
        model.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)


@pytest.mark.skipif(BACKEND != "torch", reason="torch only")
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_free_steps_are_refused_on_torch(convention, tmp_path, capfd):
    """Keras' own layer writes a file there that is right for one length only."""
    layer = keras_gru.GRU(6, return_sequences=True, **CONVENTIONS[convention])
    model = _sequential(None, layer)
    with pytest.raises(ValueError, match=r"number of time steps.*cannot be left open"):
        model.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    said = capfd.readouterr()
    assert len((said.out + said.err).splitlines()) < 5


def test_the_kernel_comes_back_after_an_export(tmp_path):
    """The plain loop is taken while exporting, and only then."""
    model = _sequential(7, keras_gru.GRU(6))
    before = model.layers[0].explain(X.shape).kernel
    model.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    assert model.layers[0].explain(X.shape).kernel == before
    assert before != "portable"
