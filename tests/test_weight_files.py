"""Files of a keras.layers.GRU model load into the same model with GRU, and back."""

from __future__ import annotations

import itertools

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


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("options", CONFIGURATIONS, ids=str)
@pytest.mark.parametrize(("source", "target"), WAYS)
def test_weights_from_a_file(source, target, options, suffix, tmp_path):
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
