"""Configs and whole models: round trips, clones, files, registration."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

import keras_gru
from tests.arguments import VALUES
from tests.cases import CONVENTIONS
from tests.passes import to_numpy
from tests.tolerances import assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")

OPTIONS = [
    {},
    {"return_sequences": True, "go_backwards": True},
    {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    {"use_bias": False, "unroll": True},
    {"dropout": 0.1, "recurrent_dropout": 0.2, "seed": 3},
    {"implementation": 1, "zero_output_for_mask": True, "return_sequences": True},
    {"dtype": "mixed_bfloat16"},
    {"kernel": "portable", "use_cudnn": False},
    {"kernel_initializer": keras.initializers.HeNormal(seed=2)},
    {"kernel_regularizer": keras.regularizers.L2(0.1), "activity_regularizer": "l2"},
    {"recurrent_constraint": keras.constraints.MaxNorm(0.5), "trainable": False},
    {"learn_initial_state": True, "zoneout": 0.2, "layer_normalization": True},
]


@pytest.mark.parametrize("options", [*OPTIONS, VALUES], ids=lambda o: "-".join(o))
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_round_trip(convention, options):
    options = {"units": 4, **options, **CONVENTIONS[convention]}
    layer = keras_gru.GRU(**options)
    config = layer.get_config()
    json.dumps(keras.saving.serialize_keras_object(layer))
    again = keras_gru.GRU.from_config(config)
    assert type(again) is keras_gru.GRU
    assert again.get_config() == config
    for name in options:
        if name not in ("dtype", "activity_regularizer"):
            same = getattr(again, name) == getattr(layer, name)
            assert same or type(getattr(again, name)) is type(getattr(layer, name))
    assert again.compute_dtype == layer.compute_dtype


def test_the_config_holds_every_argument():
    config = keras_gru.GRU(4).get_config()
    names = {*VALUES, "update_gate", "kernel", "implementation"}
    names |= {"learn_initial_state", "zoneout", "layer_normalization"}
    names |= {"zero_output_for_mask", "name", "dtype", "trainable"}
    assert names <= set(config)
    assert "cell" not in config


def test_from_config_does_not_change_the_config():
    config = keras_gru.GRU(4, **CONVENTIONS["replace_before"]).get_config()
    before = dict(config)
    keras_gru.GRU.from_config(config)
    assert config == before


def test_the_config_of_keras_is_enough():
    """What describes a keras.layers.GRU builds a GRU that is the same."""
    keras_own = keras.layers.GRU(**VALUES)
    config = keras_gru.GRU.from_config(keras_own.get_config()).get_config()
    expected = keras_own.get_config()
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
def test_registered_under_the_package_name(cls):
    name = f"keras_gru>{cls.__qualname__}"
    assert keras.saving.get_registered_name(cls) == name
    assert keras.saving.get_registered_object(name) is cls


@pytest.mark.parametrize("dtype", ["float16", "mixed_bfloat16"])
def test_dtype_policy_round_trip(dtype):
    layer = keras_gru.GRU(4, dtype=dtype)
    again = keras_gru.GRU.from_config(layer.get_config())
    for one in (layer, again):
        assert one.dtype_policy.name == dtype
        assert one.cell.dtype_policy.name == dtype


def test_a_policy_object_is_taken():
    policy = keras.DTypePolicy("mixed_float16")
    layer = keras_gru.GRU(4, dtype=policy)
    assert layer.dtype_policy == layer.cell.dtype_policy == policy
    assert keras_gru.GRU.from_config(layer.get_config()).dtype_policy == policy


def test_the_global_policy_counts():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = keras_gru.GRU(4)
    assert layer.compute_dtype == layer.cell.compute_dtype == "bfloat16"
    assert layer.variable_dtype == layer.cell.variable_dtype == "float32"


def _model(convention, **options):
    return keras.Sequential(
        [
            keras.Input((7, 5)),
            keras_gru.GRU(6, return_sequences=True, **CONVENTIONS[convention]),
            keras.layers.Bidirectional(
                keras_gru.GRU(4, **CONVENTIONS[convention], **options)
            ),
            keras.layers.Dense(2),
        ]
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_clone_model(convention):
    model = _model(convention, recurrent_activation="hard_sigmoid")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert clone.layers[0].update_gate == CONVENTIONS[convention]["update_gate"]
    assert_close(to_numpy(clone(X)), to_numpy(model(X)), "same_float32")


@pytest.mark.parametrize("safe_mode", [True, False])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_save_and_load(convention, safe_mode, tmp_path):
    """Without custom_objects: the registration suffices."""
    model = _model(convention, kernel="portable")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=safe_mode)
    assert type(loaded.layers[0]) is keras_gru.GRU
    assert type(loaded.layers[1].forward_layer) is keras_gru.GRU
    assert loaded.layers[1].backward_layer.kernel == "portable"
    assert loaded.layers[1].backward_layer.update_gate == model.layers[0].update_gate
    assert_close(to_numpy(loaded(X)), to_numpy(model(X)), "same_float32")


def test_a_compiled_model_trains_on_after_loading(tmp_path):
    model = _model("replace_before")
    model.compile("adam", "mse", jit_compile=False)
    model.fit(X, np.zeros((3, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    losses = [m.fit(X, np.zeros((3, 2)), verbose=0).history for m in (model, loaded)]
    assert_close(losses[0]["loss"], losses[1]["loss"], "same_float32_gradients")


def test_constraints_act_in_training():
    model = keras.Sequential(
        [
            keras.Input((7, 5)),
            keras_gru.GRU(
                6,
                kernel_constraint="non_neg",
                recurrent_constraint=keras.constraints.MaxNorm(0.1),
                bias_constraint="non_neg",
            ),
        ]
    )
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(X, np.ones((3, 6)), verbose=0)
    kernel, recurrent_kernel, bias = model.get_weights()
    assert kernel.min() >= 0
    assert bias.min() >= 0
    assert np.linalg.norm(recurrent_kernel, axis=0).max() < 0.1001


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_initializers_fill_each_weight(convention):
    layer = keras_gru.GRU(
        6,
        kernel_initializer=keras.initializers.Constant(0.1),
        recurrent_initializer=keras.initializers.Constant(0.2),
        bias_initializer=keras.initializers.Constant(0.3),
        **CONVENTIONS[convention],
    )
    layer.build(X.shape)
    for weight, value in zip(layer.get_weights(), (0.1, 0.2, 0.3), strict=True):
        assert_close(weight, np.full(weight.shape, value), "same_float32")


def test_stateful_clone(tmp_path):
    model = keras.Sequential(
        [keras.Input(batch_shape=(3, 7, 5)), keras_gru.GRU(6, stateful=True)]
    )
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_close(to_numpy(clone(X)), to_numpy(model(X)), "same_float32")
    model.layers[0].reset_state()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(to_numpy(loaded(X)), to_numpy(model(X)), "same_float32")
