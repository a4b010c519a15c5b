"""Models with Keras' GRU become models with ours, and back."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru.convert import (
    ConversionError,
    replace_gru,
    restore_gru,
    swapping,
    with_update_gate,
)
from tests.passes import BACKEND
from tests.tolerances import assert_close

layers = keras.layers


def randomize(model, seed=0):
    """Unequal random weights: layers that change places must show."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            weight.assign(rng.uniform(0.1, 0.6, size=weight.shape))


def sequential():
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.Bidirectional(layers.GRU(3, return_sequences=True)),
            layers.GRU(3, reset_after=False, return_sequences=True),
            layers.RNN(layers.GRUCell(3), return_sequences=True, trainable=False),
            layers.RNN([layers.GRUCell(3), layers.LSTMCell(2), layers.GRUCell(3)]),
            layers.Dense(2),
        ]
    )


def functional():
    """Branches of equal shape, a shared layer, a model in the model, operations."""
    x = keras.Input((5, 4))
    shared = layers.GRU(4, return_sequences=True, name="shared")
    branches = [layers.GRU(4, name=name)(shared(x)) for name in ("left", "right")]
    inner_input = keras.Input((5, 4))
    inner = keras.Model(
        inner_input, layers.GRU(4, name="deep")(shared(inner_input)), name="inner"
    )
    y = keras.ops.tanh(inner(x)) * branches[0] + layers.BatchNormalization()(
        branches[1]
    )
    many = keras.ops.stack([x, 2 * x], axis=1)
    z = layers.TimeDistributed(layers.GRU(4, name="each"))(many)
    return keras.Model(x, [layers.Add()([y, inner(x)]), z])


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    """Keeps its layers in an attribute, a list and a dictionary."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.GRU(units, return_sequences=True)
        self.norm = layers.LayerNormalization()
        self.more = [layers.GRU(units, return_sequences=True) for _ in range(2)]
        self.named = {"last": layers.Bidirectional(layers.GRU(units))}

    def build(self, shape):
        self.first.build(shape)
        shape = (*shape[:-1], self.units)
        self.norm.build(shape)
        for one in self.more:
            one.build(shape)
        self.named["last"].build(shape)
        self.more[0].trainable = False

    def call(self, x):
        x = self.norm(self.first(x))
        for one in self.more:
            x = one(x)
        return self.named["last"](x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def with_a_block():
    x = keras.Input((5, 4))
    return keras.Model(x, layers.Dense(2)(Block(3)(x)))


class Own(keras.Model):
    """A model of one's own, with a graph inside."""

    def __init__(self, units=3):
        super().__init__()
        x = keras.Input((None, units))
        self.reader = layers.GRU(units, return_sequences=True)
        both = [layers.GRU(units)(x), layers.GRU(units)(x)]
        self.graph = keras.Model(x, layers.Subtract()(both))
        self.head = layers.Dense(2)

    def call(self, x):
        return self.head(self.graph(self.reader(x)))


def own():
    model = Own()
    model(np.zeros((2, 5, 4), "float32"))
    model.reader.trainable = False
    return model


TOKENS = np.array([[5, 3, 8, 0, 0], [7, 7, 1, 4, 2]])
NUMBERS = np.random.default_rng(1).normal(size=(2, 5, 4)).astype("float32")
# A model, what goes in, and the number of GRU layers and cells of its own.
MODELS = {
    "sequential": (sequential, TOKENS, 6),
    "functional": (functional, NUMBERS, 5),
    "block": (with_a_block, NUMBERS, 5),
    "own": (own, NUMBERS, 3),
}


def outputs(model, x):
    found = model(x)
    return [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(found)]


def kinds(model):
    """The classes of all layers, cells included."""
    return [type(layer) for layer in model._flatten_layers()]


def of_keras(model):
    return [kind for kind in kinds(model) if kind in (layers.GRU, layers.GRUCell)]


def of_ours(model):
    return [
        kind for kind in kinds(model) if kind in (keras_gru.GRU, keras_gru.GRUCellV)
    ]


def trainable(model):
    return [tuple(weight.shape) for weight in model.trainable_weights]


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name, tmp_path):
    make, x, count = MODELS[name]
    theirs = make()
    randomize(theirs)
    expected = outputs(theirs, x)
    before = theirs.get_weights()

    swap = replace_gru(theirs)
    assert swap.left == {}
    assert len(swap.swapped) == len(set(swap.swapped)) == count
    assert of_keras(swap.model) == []
    assert len(of_ours(swap.model)) == len(of_keras(theirs))
    assert type(swap.model) is type(theirs)
    assert of_ours(theirs) == []  # it stays as it is
    assert trainable(swap.model) == trainable(theirs)
    for actual, one in zip(outputs(swap.model, x), expected, strict=True):
        assert_close(actual, one, "same_float32")
    for actual, one in zip(swap.model.get_weights(), before, strict=True):
        assert_close(actual, one, "exact")

    # They share nothing, and their files of weights fit each other.
    path = tmp_path / "own.weights.h5"
    theirs.save_weights(path)
    randomize(swap.model, seed=2)
    for actual, one in zip(theirs.get_weights(), before, strict=True):
        assert_close(actual, one, "exact")
    swap.model.load_weights(path)

    back = restore_gru(swap.model)
    assert back.left == {}
    assert back.swapped == swap.swapped
    assert kinds(back.model) == kinds(theirs)
    for actual, one in zip(outputs(back.model, x), expected, strict=True):
        assert_close(actual, one, "exact")


def test_the_names_of_what_was_swapped():
    assert replace_gru(sequential()).swapped == [
        "bidirectional/forward_gru",
        "bidirectional/backward_gru",
        "gru_1",
        "rnn/gru_cell",
        "rnn_1/stacked_rnn_cells/gru_cell_1",
        "rnn_1/stacked_rnn_cells/gru_cell_2",
    ]


def test_a_shared_layer_stays_one():
    model = replace_gru(functional()).model
    outer, inner = model.get_layer("shared"), model.get_layer("inner")
    assert inner.get_layer("shared") is outer


def test_ours_runs_in_the_copy(monkeypatch):
    """No wrapper of Keras still calls the layer that was there before."""
    ran = []
    call = keras_gru.GRU.call

    def spy(self, *arguments, **options):
        ran.append(self.name)
        return call(self, *arguments, **options)

    model = replace_gru(with_a_block()).model
    monkeypatch.setattr(keras_gru.GRU, "call", spy)
    model(NUMBERS)
    assert len(ran) == 5


def test_a_bare_layer_and_a_wrapper():
    theirs = layers.GRU(3)
    theirs.build((None, None, 4))
    ours, swapped, left = replace_gru(theirs)
    assert (type(ours), swapped, left) == (keras_gru.GRU, ["gru"], {})
    assert_close(outputs(ours, NUMBERS)[0], outputs(theirs, NUMBERS)[0], "same_float32")
    wrapper = replace_gru(layers.Bidirectional(layers.GRU(3)))
    assert type(wrapper.model.forward_layer) is keras_gru.GRU
    assert not wrapper.model.built
    assert len(wrapper.swapped) == 2


def test_what_keras_leaves_out_of_its_configuration():
    gru = layers.GRU(3, use_cudnn=False, implementation=1)
    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.Bidirectional(gru),
            layers.Reshape((1, 6)),
            layers.GRU(3, use_cudnn=False, implementation=1, dropout=0.5, seed=1),
        ]
    )
    swapped = replace_gru(model).model
    assert swapped.layers[0].forward_layer.use_cudnn is False
    assert swapped.layers[2].use_cudnn is False
    assert swapped.layers[2].implementation == 1
    assert swapped.layers[2].get_config()["implementation"] == 1


def test_what_is_not_weights_comes_along():
    """The numbers of an adapted Normalization, a learnt vocabulary."""
    norm = layers.Normalization()
    norm.adapt(NUMBERS * 3 + 1)
    model = keras.Sequential([keras.Input((5, 4)), norm, layers.GRU(3)])
    copy = replace_gru(model).model
    assert_close(outputs(copy, NUMBERS)[0], outputs(model, NUMBERS)[0], "same_float32")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="strings are TensorFlow's")
def test_a_vocabulary_comes_along():
    words = layers.TextVectorization()
    words.adapt(["one two three", "two three", "three"])
    x = keras.Input((), dtype="string")
    hidden = layers.Embedding(9, 4)(words(x))
    model = keras.Model(x, layers.GRU(3)(hidden))
    copy = replace_gru(model).model
    import tensorflow as tf

    said = tf.constant(["three one", "two two"])
    assert_close(outputs(copy, said)[0], outputs(model, said)[0], "same_float32")


def test_a_compiled_model_is_compiled():
    model = sequential()
    model.compile("adam", "mse", jit_compile=False)
    copy = replace_gru(model).model
    copy.fit(TOKENS, np.zeros((2, 2)), verbose=0)
    mine = own()
    mine.compile("adam", "mse", jit_compile=False)
    replace_gru(mine).model.fit(NUMBERS, np.zeros((2, 2)), verbose=0)


class Mine(layers.GRU):
    """A class of one's own."""


class Hidden(layers.Layer):
    """Holds its GRU where no attribute of its own shows it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        gru = layers.GRU(3)
        self._tracker.track(gru)
        self.run = lambda x: gru(x)

    def build(self, shape):
        self._layers[0].build(shape)

    def call(self, x):
        return self.run(x)


def test_what_is_left_is_named():
    x = keras.Input((5, 4))
    y = layers.GRU(3)(Mine(3, return_sequences=True, name="mine")(x))
    model = keras.Model(x, [y, Hidden(name="hidden")(x)])
    copy, swapped, left = replace_gru(model)
    assert swapped == ["gru"]
    assert set(left) == {"mine", "hidden/gru"} or set(left) == {"mine", "hidden/gru_1"}
    assert "Mine" in left["mine"]
    assert type(copy.get_layer("mine").cell) is layers.GRUCell
    assert "no attribute" in left[sorted(left)[0]]
    for actual, one in zip(
        outputs(copy, NUMBERS), outputs(model, NUMBERS), strict=True
    ):
        assert_close(actual, one, "same_float32")


@pytest.mark.parametrize("reset_after", [True, False])
def test_restoring_the_other_update_gate(reset_after):
    """As Keras has it, by the weights."""
    gru = keras_gru.GRU(3, update_gate="replace", reset_after=reset_after)
    model = keras.Sequential([keras.Input((5, 4)), layers.Bidirectional(gru)])
    randomize(model)
    copy, swapped, left = restore_gru(model)
    assert len(swapped) == 2
    assert left == {}
    assert of_ours(copy) == []
    assert_close(outputs(copy, NUMBERS)[0], outputs(model, NUMBERS)[0], "same_float32")


def test_what_cannot_be_restored_is_left():
    odd = {"update_gate": "replace", "recurrent_activation": "tanh"}
    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.Bidirectional(keras_gru.GRU(3, return_sequences=True, **odd)),
            keras_gru.GRU(3, return_sequences=True),
            layers.RNN(keras_gru.GRUCellV(3, **odd)),
        ]
    )
    copy, swapped, left = restore_gru(model)
    assert swapped == ["gru_1"]
    assert len(left) == 3
    assert all("1 − σ" in reason for reason in left.values())
    assert_close(outputs(copy, NUMBERS)[0], outputs(model, NUMBERS)[0], "same_float32")


def test_what_keras_does_not_have_is_left(monkeypatch):
    x, resets = keras.Input((5, 4)), keras.Input((5,), dtype="bool")
    y = keras_gru.GRU(3, return_sequences=True, name="anew")(x, resets=resets)
    model = keras.Model([x, resets], keras_gru.GRU(3, name="plain")(y))
    copy, swapped, left = restore_gru(model)
    assert swapped == ["plain"]
    assert "resets" in left["anew"]
    anew = [NUMBERS, np.array([[0, 0, 1, 0, 0]] * 2, bool)]
    assert_close(outputs(copy, anew)[0], outputs(model, anew)[0], "same_float32")

    # An option of ours to come, which this file cannot know by name.
    monkeypatch.setattr(swapping, "other_options", lambda *_: {"option": 1})
    assert restore_gru(copy).swapped == []
    assert "option=1" in restore_gru(keras_gru.GRU(3)).left["gru"]


def test_a_layer_that_cannot_be_made_anew():
    class Odd(layers.Layer):
        def __init__(self, gru):
            super().__init__()
            self.gru = gru

        def get_config(self):
            raise NotImplementedError("no configuration")

        def call(self, x):
            return self.gru(x)

    model = keras.Sequential([keras.Input((5, 4)), Odd(layers.GRU(3))])
    with pytest.raises(ConversionError, match=r"odd.*no configuration"):
        replace_gru(model)


@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid", "sparse_sigmoid"])
@pytest.mark.parametrize("reset_after", [True, False])
def test_with_update_gate(activation, reset_after):
    layer = keras_gru.GRU(
        3,
        recurrent_activation=activation,
        reset_after=reset_after,
        return_sequences=True,
    )
    for one in (layer, layers.Bidirectional(layer), layers.RNN(layer.cell)):
        one.build((None, None, 4))
        randomize(one)
        other = with_update_gate(one, "replace")
        found = [
            layer.update_gate
            for layer in other._flatten_layers()
            if isinstance(layer, keras_gru.GRUCellV)
        ]
        assert set(found) == {"replace"}
        assert_close(outputs(other, NUMBERS)[0], outputs(one, NUMBERS)[0], "converted")
        again = with_update_gate(other, "keep")
        for actual, weight in zip(again.weights, one.weights, strict=True):
            assert_close(*map(keras.ops.convert_to_numpy, (actual, weight)), "exact")


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    "option",
    [{"learn_initial_state": True}, {"zoneout": 0.3}, {"layer_normalization": True}],
    ids=lambda option: next(iter(option)),
)
def test_with_update_gate_and_what_only_ours_has(option, use_bias, reset_after):
    layer = keras_gru.GRU(
        3,
        reset_after=reset_after,
        use_bias=use_bias,
        return_sequences=True,
        return_state=True,
        **option,
    )
    layer.build((None, None, 4))
    randomize(layer)
    other = with_update_gate(layer, "replace")
    assert other.update_gate == "replace"
    for one, expected in zip(
        outputs(other, NUMBERS), outputs(layer, NUMBERS), strict=True
    ):
        assert_close(one, expected, "converted")


def test_with_update_gate_of_other_things():
    theirs = layers.GRU(3)
    theirs.build((None, None, 4))
    randomize(theirs)
    ours = with_update_gate(theirs, "replace")
    assert type(ours) is keras_gru.GRU
    assert_close(outputs(ours, NUMBERS)[0], outputs(theirs, NUMBERS)[0], "converted")
    cell = keras_gru.GRUCellV(3)
    assert with_update_gate(cell, "replace").update_gate == "replace"
    with pytest.raises(ConversionError, match="1 − σ"):
        with_update_gate(keras_gru.GRU(3, recurrent_activation="tanh"), "replace")
    with pytest.raises(ValueError, match="'keep', 'replace'"):
        with_update_gate(ours, "other")


def test_a_model_and_its_copy_predict_in_turn():
    """On JAX a compiled step gives its buffers away: the two may share none."""
    theirs = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(9, 4),
            keras.layers.GRU(3),
        ]
    )
    copy = keras_gru.convert.replace_gru(theirs).model
    tokens = np.array([[1, 2, 3]])
    for _ in range(2):
        ours, expected = copy.predict(tokens), theirs.predict(tokens)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
