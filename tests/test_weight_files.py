"""Files of a keras.layers.GRU model load into the same model with GRU, and back."""

from __future__ import annotations

import itertools
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_gru
from tests.passes import to_numpy
from tests.tolerances import assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
GRUS = {"keras": keras.layers.GRU, "keras_gru": keras_gru.GRU}
WAYS = [("keras", "keras_gru"), ("keras_gru", "keras")]


def _randomize(model, seed):
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.normal(size=tuple(variable.shape)) * 0.4)


def _model(gru, **options):
    """Several layers, two directions, nested; the last layer has all the options."""
    x = keras.Input(batch_shape=(3, 7, 5))
    inner_options = {**options, "return_sequences": True, "go_backwards": False}
    inner_options["stateful"] = False
    inner = keras.Sequential(
        [
            gru(6, **inner_options),
            keras.layers.Bidirectional(gru(4, **inner_options)),
        ]
    )
    return keras.Model(x, keras.layers.Dense(2)(gru(3, **options)(inner(x))))


CONFIGURATIONS = [
    dict(zip(("reset_after", "use_bias", "stateful"), values, strict=True))
    for values in itertools.product([True, False], repeat=3)
]
CONFIGURATIONS += [
    {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    {"return_sequences": True, "go_backwards": True},
    {"dropout": 0.3, "recurrent_dropout": 0.2},
    {"implementation": 1},
    {"unroll": True},
]


@pytest.mark.parametrize(
    ("options", "way", "suffix"),
    [  # each configuration in both ways and in both forms of a file
        (options, way, (".keras", ".weights.h5")[(i + j) % 2])
        for i, options in enumerate(CONFIGURATIONS)
        for j, way in enumerate(WAYS)
    ],
    ids=str,
)
def test_weights_from_a_file(options, way, suffix, tmp_path):
    source, target = way
    model = _model(GRUS[source], **options)
    _randomize(model, seed=1)
    other = _model(GRUS[target], **options)
    _randomize(other, seed=2)
    path = tmp_path / f"model{suffix}"
    model.save(path) if suffix == ".keras" else model.save_weights(path)
    assert np.abs(to_numpy(other(X)) - to_numpy(model(X))).max() > 0.01
    for layer in {*model.layers, *other.layers}:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    other.load_weights(path)
    assert_close(to_numpy(other(X)), to_numpy(model(X)), "same_float32")


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=str)
def test_lists_of_weights(options):
    """get_weights and set_weights between the two, in the same order."""
    ours, keras_own = (gru(6, **options) for gru in (keras_gru.GRU, keras.layers.GRU))
    for layer in (ours, keras_own):
        layer.build(X.shape)
    _randomize(keras_own, seed=1)
    ours.set_weights(keras_own.get_weights())
    assert_close(to_numpy(ours(X)), to_numpy(keras_own(X)), "same_float32")


def test_a_file_of_another_form_is_refused(tmp_path):
    """A reset-after bias has two rows: it cannot land in a reset-before layer."""
    model = _model(keras.layers.GRU, reset_after=True)
    model.save_weights(tmp_path / "model.weights.h5")
    other = _model(keras_gru.GRU, reset_after=False)
    with pytest.raises(ValueError, match="shape"):
        other.load_weights(tmp_path / "model.weights.h5")


LOAD = """
import sys
import keras

for when in ("before", "after"):
    for path in sys.argv[1:]:
        try:
            model = keras.models.load_model(path)
            print(when, [type(layer).__module__ for layer in model.layers])
        except (TypeError, ValueError) as error:
            print(when, str(error).replace(chr(10), " "))
    import keras_gru
"""


@pytest.mark.once
def test_a_model_is_loaded_once_keras_gru_was_imported(tmp_path):
    files = [tmp_path / "model.keras", tmp_path / "model.h5"]
    for file in files:
        keras.Sequential([keras.Input((7, 5)), keras_gru.GRU(4)]).save(file)
    said = subprocess.run(
        [sys.executable, "-c", LOAD, *files], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    before = [line for line in said if line.startswith("before")]
    assert "Could not locate class 'GRU'" in before[0]
    assert "Unknown layer: 'keras_gru>GRU'" in before[1]
    after = [line for line in said if line.startswith("after")]
    assert after == ["after ['keras_gru.layer']"] * 2


def _grus(layer):
    """Every GRU in a model, also in models and wrappers inside."""
    if isinstance(layer, keras.Model):
        return [gru for inner in layer.layers for gru in _grus(inner)]
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    return [layer] if isinstance(layer, tuple(GRUS.values())) else []


@pytest.mark.parametrize(
    ("suffix", "replaced"),
    # Keras finds its own layers in a .keras file by their module.
    [(".keras", [False] * 4), (".h5", [True, False, False, True])],
)
def test_custom_objects_replace_no_layer_in_a_file(suffix, replaced, tmp_path):
    """Keras 3.15 says nothing of it; the README does."""
    path = tmp_path / f"model{suffix}"
    _model(keras.layers.GRU).save(path)
    loaded = keras.models.load_model(path, custom_objects={"GRU": keras_gru.GRU})
    assert [type(gru) is keras_gru.GRU for gru in _grus(loaded)] == replaced


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
        {"reset_after": False, "stateful": True},
        {"return_sequences": True, "go_backwards": True},
    ],
    ids=str,
)
def test_a_copy_with_our_layer(options, tmp_path):
    """Of a file of Keras': computed with our layer, saved and loaded with it."""
    _model(keras.layers.GRU, **options).save(tmp_path / "theirs.keras")
    theirs = keras.models.load_model(tmp_path / "theirs.keras")
    _randomize(theirs, seed=1)
    model = keras_gru.convert.replace_gru(theirs).model
    assert [type(gru) for gru in _grus(model)] == [keras_gru.GRU] * 4
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for layer in theirs.layers + model.layers + loaded.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    expected = to_numpy(theirs(X))
    assert_close(to_numpy(model(X)), expected, "same_float32")
    assert_close(to_numpy(loaded(X)), expected, "same_float32")
