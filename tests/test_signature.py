"""The constructors: a user changes the name of the layer and nothing else."""

from __future__ import annotations

import inspect

import keras
import pytest

import keras_gru
from tests.arguments import VALUES

OPTIONS = {"learn_initial_state": False, "zoneout": 0.0, "layer_normalization": False}
PAIRS = [
    (
        keras_gru.GRU,
        keras.layers.GRU,
        {"update_gate": "keep", "kernel": "auto", **OPTIONS},
    ),
    (keras_gru.GRUCellV, keras.layers.GRUCell, {"update_gate": "keep", **OPTIONS}),
]


def _arguments(function):
    """name -> default of the arguments that may be given by position."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize(("ours", "keras_own", "more"), PAIRS)
def test_positional_arguments_are_those_of_keras_in_its_order(ours, keras_own, more):
    assert list(_arguments(ours).items()) == list(_arguments(keras_own).items())


@pytest.mark.parametrize(("ours", "keras_own", "more"), PAIRS)
def test_what_is_added_is_keyword_only(ours, keras_own, more):
    parameters = inspect.signature(ours).parameters.values()
    added = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert added.items() >= more.items()
    assert set(added) - set(more) <= {"implementation"}  # Keras takes it in **kwargs
    assert any(p.kind is p.VAR_KEYWORD for p in parameters)


@pytest.mark.parametrize(("ours", "keras_own", "more"), PAIRS)
def test_the_same_positions_mean_the_same(ours, keras_own, more):
    names = list(_arguments(keras_own))
    values = [VALUES[name] for name in names]
    config = ours(*values).get_config()
    expected = keras_own(*values).get_config()
    del expected["name"]
    assert {name: config[name] for name in expected} == expected


def test_every_argument_reaches_its_place():
    """Changing one argument changes the config at that argument and nowhere else."""
    default = keras_gru.GRU(3, name="gru").get_config()
    values = {**VALUES, "update_gate": "replace", "kernel": "portable"}
    values |= {"zero_output_for_mask": True, "implementation": 1}
    values |= {"learn_initial_state": True, "zoneout": 0.2, "layer_normalization": True}
    del values["units"]
    for name, value in values.items():
        config = keras_gru.GRU(3, name="gru", **{name: value}).get_config()
        changed = {key for key in config if config[key] != default[key]}
        # Three masks on the state need the gates apart: Keras' rule.
        implied = {"implementation"} if name == "recurrent_dropout" else set()
        assert changed == {name} | implied


PAIRS_OF_CALLS = [
    *(pair[:2] for pair in PAIRS),
    (keras_gru.Bidirectional, keras.layers.Bidirectional),
]


@pytest.mark.parametrize(("ours", "keras_own"), PAIRS_OF_CALLS)
def test_call_takes_what_keras_takes(ours, keras_own):
    """By position the same, and what is added by name only."""
    expected = _arguments(keras_own.call)
    assert list(_arguments(ours.call).items()) == list(expected.items())
    parameters = inspect.signature(ours.call).parameters.values()
    added = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert added == {"resets": None}


def test_the_layer_shows_what_keras_shows():
    """Every public property of keras.layers.GRU, with the same value."""
    ours, keras_own = keras_gru.GRU(**VALUES), keras.layers.GRU(**VALUES)
    names = [
        name
        for name, member in vars(keras.layers.GRU).items()
        if isinstance(member, property)
    ]
    assert "units" in names
    for name in names:
        actual, expected = getattr(ours, name), getattr(keras_own, name)
        if hasattr(expected, "get_config"):
            assert type(actual) is type(expected), name
        else:
            assert actual == expected, name
    for name in ("return_sequences", "return_state", "go_backwards", "stateful"):
        assert getattr(ours, name) == getattr(keras_own, name)
    for name in ("unroll", "use_cudnn", "zero_output_for_mask", "state_size"):
        assert getattr(ours, name) == getattr(keras_own, name)


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
@pytest.mark.parametrize(
    ("given", "kept"), [(-0.5, 0.0), (0.0, 0.0), (0.3, 0.3), (1.0, 1.0), (1.5, 1.0)]
)
def test_dropout_is_clamped(cls, given, kept):
    layer = cls(3, dropout=given, recurrent_dropout=given)
    assert layer.dropout == kept
    assert layer.recurrent_dropout == kept


def test_options_by_keyword_only():
    layer = keras_gru.GRU(
        3,
        zero_output_for_mask=True,
        implementation=1,
        dtype="float16",
        trainable=False,
        name="by_keyword",
    )
    assert layer.zero_output_for_mask is True
    assert layer.implementation == 1
    assert layer.compute_dtype == layer.cell.compute_dtype == "float16"
    assert not layer.trainable
    assert not layer.cell.trainable
    assert layer.name == "by_keyword"
    layer.build((2, 3, 4))
    assert layer.trainable_variables == []


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
def test_none_is_no_activation(cls):
    layer = cls(3, activation=None, recurrent_activation=None)
    assert layer.activation is keras.activations.linear
    assert layer.recurrent_activation is keras.activations.linear


def test_the_layer_is_no_keras_gru():
    """keras.layers.Bidirectional hands the kernels of such a layer to cuDNN."""
    assert not issubclass(keras_gru.GRU, keras.layers.GRU)
    assert issubclass(keras_gru.GRU, keras.layers.RNN)


def test_the_public_names():
    assert {"GRU", "GRUCellV", "VARIANTS", "__version__"} <= set(keras_gru.__all__)
    assert all(hasattr(keras_gru, name) for name in keras_gru.__all__)
    assert all(part.isdigit() for part in keras_gru.__version__.split(".")[:2])


@pytest.mark.parametrize("name", keras_gru.VARIANTS)
def test_a_variant_is_keyword_arguments(name):
    for cls in (keras_gru.GRU, keras_gru.GRUCellV):
        layer = cls(4, **keras_gru.VARIANTS[name])
        assert layer.update_gate == keras_gru.VARIANTS[name]["update_gate"]
        assert layer.reset_after == keras_gru.VARIANTS[name]["reset_after"]


def test_the_variants_cannot_be_changed():
    with pytest.raises(TypeError):
        keras_gru.VARIANTS["keras"] = {}


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
@pytest.mark.parametrize(("value", "meant"), [(0, 1), (None, 2)])
def test_implementations_of_old_code(cls, value, meant):
    """The warning stands where the layer is made, in the user's file."""
    with pytest.warns(UserWarning, match=f"implementation={value}.*={meant}") as seen:
        layer = cls(4, implementation=value)
    assert layer.implementation == layer.get_config()["implementation"] == meant
    assert seen[0].filename == __file__
