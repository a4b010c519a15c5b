"""Weights from and to other systems, held against these systems themselves."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru.convert import (
    SYSTEMS,
    ConversionError,
    export_weights,
    import_weights,
)
from tests import oracle, peers
from tests.cases import CONVENTIONS
from tests.tolerances import assert_close

BATCH, TIME, FEATURES, UNITS = 3, 7, 5, 4

# What each system has, by the documents of its own; the tests know it by themselves.
AFTER, BEFORE = ("keep_after", "replace_after"), ("keep_before", "replace_before")
HAS = {
    "keras": tuple(CONVENTIONS),
    "torch": AFTER,
    "cudnn": AFTER,
    "onnx": tuple(CONVENTIONS),
    "openvino": tuple(CONVENTIONS),
    "flax_linen": AFTER,
    "flax_nnx": AFTER,
    "equinox": AFTER,
    "haiku": BEFORE,
    "tf1_block": BEFORE,
}
HELD = [
    (system, convention)
    for system, conventions in HAS.items()
    for convention in conventions
]
REFUSED = [
    (system, convention)
    for system, conventions in HAS.items()
    for convention in CONVENTIONS
    if convention not in conventions
]
LACKS_A_BIAS = ("flax_nnx",)  # that of the candidate's recurrent product


def randomize(layer, rng, without=()):
    """Unequal random weights; zeros in the candidate's recurrent bias on demand."""
    for weight in layer.weights:
        value = rng.normal(size=weight.shape) / 2
        if without and weight.path.endswith("bias") and value.ndim == 2:
            value[1, -value.shape[1] // 3 :] = 0
        weight.assign(value)


def new_layer(convention, directions=1, use_bias=True, features=FEATURES, units=UNITS):
    layer = keras_gru.GRU(
        units,
        **CONVENTIONS[convention],
        use_bias=use_bias,
        return_sequences=True,
        kernel="portable",
    )
    if directions == 2:
        layer = keras.layers.Bidirectional(layer)
    layer.build((None, None, features))
    return layer


def random_layer(system, *arguments, seed=1, **options):
    layer = new_layer(*arguments, **options)
    randomize(layer, np.random.default_rng(seed), without=system in LACKS_A_BIAS)
    return layer


def inputs(directions, seed=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    return x, rng.normal(size=(directions, BATCH, UNITS)).astype("float32")


def run(layer, x, h0):
    return keras.ops.convert_to_numpy(layer(x, initial_state=list(h0)))


def judge(layer, x, h0):
    """The oracle on the layer's weights, both directions side by side."""
    inner = [layer.forward_layer, layer.backward_layer] if len(h0) == 2 else [layer]
    found = []
    for backwards, (one, state) in enumerate(zip(inner, h0, strict=True)):
        weights = [keras.ops.convert_to_numpy(w) for w in one.weights]
        if len(weights) == 2:
            weights.append(None)
        outputs = oracle.forward(
            x,
            state,
            *weights,
            reset_after=one.reset_after,
            update_gate=one.update_gate,
            activation=one.activation.__name__,
            recurrent_activation=one.recurrent_activation.__name__,
            go_backwards=bool(backwards),
        ).outputs
        found.append(outputs[:, ::-1] if backwards else outputs)
    return np.concatenate(found, axis=-1)


def test_every_system_is_tried():
    assert set(HAS) == set(SYSTEMS)
    assert set(peers.RUN) == set(SYSTEMS) - {"keras"}


@pytest.mark.once
def test_the_table_of_the_readme():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r'^\| `"(\w+)"`.*? \| (\w+).*? \| (\w+).*? \|', readme, re.M)
    assert {
        system: tuple(
            convention
            for convention, row in zip(CONVENTIONS, (after, before) * 2, strict=True)
            if row == "exact"
        )
        for system, after, before in rows
        if system in SYSTEMS and "exact" in (after, before)
    } == HAS


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("system", "convention"), HELD)
def test_there_and_back(system, convention, directions, use_bias):
    layer = random_layer(system, convention, directions, use_bias)
    arrays = export_weights(layer, system)
    x, h0 = inputs(directions)
    if system != "keras":
        theirs = peers.RUN[system](arrays, x, h0)
        assert_close(theirs, judge(layer, x, h0), "converted", system)
    # Back into a layer of the other update gate: the same function once more.
    gate, _, reset = convention.partition("_")
    other = f"{'replace' if gate == 'keep' else 'keep'}_{reset}"
    copy = new_layer(other, directions)
    import_weights(copy, system, arrays)
    assert_close(run(copy, x, h0), judge(layer, x, h0), "converted", "the way back")


@pytest.mark.parametrize("system", peers.OWN)
def test_from_the_arrays_that_the_library_makes(system):
    own = peers.OWN[system](FEATURES, UNITS)
    layer = new_layer(HAS[system][0])
    import_weights(layer, system, own)
    back = export_weights(layer, system)
    x, h0 = inputs(1)
    theirs = peers.RUN[system](back, x, h0)
    assert_close(run(layer, x, h0), theirs, "converted")
    flat = {name: value for name, value in own.items() if not isinstance(value, dict)}
    for name, value in flat.items():  # the numbers themselves, where nothing is summed
        if "weight" in name or name.startswith("w_"):
            assert_close(np.abs(back[name]), np.abs(np.asarray(value)), "exact", name)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(
    ("system", "convention"), [one for one in HELD if one[0] != "keras"]
)
def test_from_random_arrays(system, convention, directions):
    """Every term of theirs is there, also those that an export of ours leaves zero."""
    layer = new_layer(convention, directions)
    rng = np.random.default_rng(6)
    arrays = {
        name: rng.normal(size=array.shape).astype("float32") / 2
        if array.ndim
        else array
        for name, array in export_weights(layer, system).items()
    }
    import_weights(layer, system, arrays)
    x, h0 = inputs(directions)
    assert_close(judge(layer, x, h0), peers.RUN[system](arrays, x, h0), "converted")


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("system", ["torch", "cudnn"])
def test_several_layers(system, directions):
    layers = [
        random_layer(
            system,
            convention,
            directions,
            seed=seed,
            features=UNITS * directions if seed else FEATURES,
        )
        for seed, convention in enumerate(["keep_after", "replace_after", "keep_after"])
    ]
    arrays = export_weights(layers, system)
    x, h0 = inputs(directions)
    expected, state = x, h0
    for layer in layers:
        expected, state = judge(layer, expected, state), np.zeros_like(h0)
    if system == "torch":
        assert_close(peers.torch_gru(arrays, x, h0), expected, "converted")
    copies = [
        type(layer).from_config(layer.get_config()) for layer in layers
    ]  # unbuilt
    import_weights(copies, system, arrays)
    again = export_weights(copies, system)
    for name, array in arrays.items():
        assert_close(again[name], array, "exact", name)
    actual, state = x, h0
    for layer in copies:
        actual, state = run(layer, actual, state), np.zeros_like(h0)
    assert_close(actual, expected, "converted")


def test_cudnn_is_what_keras_hands_to_cudnn():
    """Keras' own function for it, on TensorFlow."""
    rnn = pytest.importorskip("keras.src.backend.tensorflow.rnn")
    layer = random_layer("cudnn", "keep_after")
    kernel, recurrent, bias = map(keras.ops.convert_to_numpy, layer.weights)
    reset_first = (1, 0, 2)
    blocks = [
        np.split(weight, 3, axis=-1)[gate]
        for weight in (kernel, recurrent)
        for gate in reset_first
    ]
    biases = [np.split(row, 3)[gate] for row in bias for gate in reset_first]
    theirs = rnn._standardize_cudnn_weights(blocks, biases, [-1], True)
    arrays = export_weights(layer, "cudnn")
    assert_close(arrays["params"], np.asarray(theirs), "exact")


@pytest.mark.parametrize(("system", "convention"), REFUSED)
def test_another_reset_is_refused(system, convention):
    layer = random_layer(system, convention)
    u_n = keras.ops.convert_to_numpy(layer.weights[1])[:, -UNITS:]
    largest = np.abs(u_n - np.diag(np.diag(u_n))).max()
    with pytest.raises(ConversionError, match="reset gate") as caught:
        export_weights(layer, system)
    assert "U_n" in caught.value.term
    assert_close(caught.value.largest, largest, "exact")
    # And the other way: their arrays in a layer of this convention.
    theirs = random_layer(system, HAS[system][0])
    arrays = export_weights(theirs, system)
    before = [keras.ops.convert_to_numpy(w) for w in layer.weights]
    with pytest.raises(ConversionError, match="reset gate"):
        import_weights(layer, system, arrays)
    for weight, old in zip(layer.weights, before, strict=True):
        assert_close(keras.ops.convert_to_numpy(weight), old, "exact")


@pytest.mark.parametrize(("system", "convention"), REFUSED)
def test_a_diagonal_candidate_has_no_reset_before_or_after(system, convention):
    """r ⊙ (U_n h) is U_n (r ⊙ h) there: it passes, and it is the same function."""
    layer = random_layer("flax_nnx", convention)  # without the recurrent bias
    recurrent = keras.ops.convert_to_numpy(layer.weights[1]).copy()
    recurrent[:, -UNITS:] *= np.eye(UNITS)
    layer.weights[1].assign(recurrent)
    x, h0 = inputs(1)
    theirs = peers.RUN[system](export_weights(layer, system), x, h0)
    assert_close(theirs, judge(layer, x, h0), "converted")


@pytest.mark.parametrize("system", ["flax_nnx", "haiku", "tf1_block"])
def test_a_bias_that_has_no_place_is_refused(system):
    """Also where the reset gate is no obstacle."""
    layer = random_layer("", "keep_after")
    _, recurrent, bias = map(keras.ops.convert_to_numpy, layer.weights)
    recurrent = recurrent.copy()
    recurrent[:, -UNITS:] *= np.eye(UNITS)
    layer.weights[1].assign(recurrent)
    with pytest.raises(ConversionError, match="c_n") as caught:
        export_weights(layer, system)
    assert_close(caught.value.largest, np.abs(bias[1, -UNITS:]).max(), "exact")


@pytest.mark.parametrize("row", [0, 1])
def test_a_layer_without_bias_refuses_one(row):
    """The input's or the recurrent one alone."""
    layer = random_layer("torch", "keep_after")
    bias = keras.ops.convert_to_numpy(layer.weights[2]).copy()
    bias[1 - row] = 0
    layer.weights[2].assign(bias)
    bare = new_layer("keep_after", use_bias=False)
    with pytest.raises(ConversionError, match=r"bias.*Largest value: \d"):
        import_weights(bare, "torch", export_weights(layer, "torch"))
    silent = random_layer("torch", "keep_after", use_bias=False)
    import_weights(bare, "torch", export_weights(silent, "torch"))


@pytest.mark.parametrize("activation", ["hard_sigmoid", "sparse_sigmoid"])
@pytest.mark.parametrize("system", ["keras", "flax_linen"])
def test_the_other_update_gate_by_symmetry(system, activation):
    layer = keras_gru.GRU(
        UNITS,
        recurrent_activation=activation,
        update_gate="replace",
        return_sequences=True,
    )
    layer.build((None, None, FEATURES))
    randomize(layer, np.random.default_rng(3))
    arrays = export_weights(layer, system)
    keep = keras_gru.GRU(UNITS, recurrent_activation=activation, return_sequences=True)
    import_weights(keep, system, arrays)
    x, h0 = inputs(1)
    assert_close(run(keep, x, h0), judge(layer, x, h0), "converted")


@pytest.mark.parametrize("activation", ["tanh", "softsign", lambda x: x])
def test_the_other_update_gate_is_refused_without_symmetry(activation):
    layer = keras_gru.GRU(UNITS, recurrent_activation=activation, update_gate="replace")
    layer.build((None, None, FEATURES))
    with pytest.raises(ConversionError, match="1 − σ") as caught:
        export_weights(layer, "keras")
    assert "recurrent_activation" in caught.value.term


def test_hard_sigmoid_in_onnx():
    layer = keras_gru.GRU(
        UNITS,
        activation="relu",
        recurrent_activation="hard_sigmoid",
        return_sequences=True,
        reset_after=False,
    )
    layer.build((None, None, FEATURES))
    randomize(layer, np.random.default_rng(4))
    x, h0 = inputs(1)
    theirs = peers.onnx_gru(
        export_weights(layer, "onnx"), x, h0, ["HardSigmoid", "Relu"], [1 / 6], [0.5]
    )
    assert_close(theirs, judge(layer, x, h0), "converted")


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("torch", {"activation": "relu"}),
        ("torch", {"recurrent_activation": "hard_sigmoid"}),
        ("onnx", {"activation": "gelu"}),
        ("openvino", {"recurrent_activation": "hard_sigmoid"}),
        ("equinox", {"activation": "linear"}),
    ],
)
def test_an_activation_that_is_not_there_is_refused(system, options):
    layer = keras_gru.GRU(UNITS, **options)
    layer.build((None, None, FEATURES))
    ((name, value),) = options.items()
    with pytest.raises(ConversionError, match=f"{name}={value}"):
        export_weights(layer, system)


def test_keras_layers_and_cells():
    """A Keras layer, its cell, a stack of cells in an RNN, a list of layers."""
    rng = np.random.default_rng(5)
    theirs = keras.layers.GRU(UNITS, return_sequences=True)
    theirs.build((None, None, FEATURES))
    randomize(theirs, rng)
    ours = keras_gru.GRU(UNITS, update_gate="replace", return_sequences=True)
    import_weights(ours, "keras", export_weights(theirs, "keras"))
    x, h0 = inputs(1)
    assert_close(judge(ours, x, h0), run(theirs, x, h0), "converted")

    cell = keras_gru.GRUCellV(UNITS)
    import_weights(cell, "torch", export_weights(theirs.cell, "torch"))
    assert set(export_weights(cell, "torch")) == {
        *("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    stack = keras.layers.RNN(
        [keras_gru.GRUCellV(UNITS), keras.layers.GRUCell(UNITS)],
        return_sequences=True,
    )
    pair = [new_layer("keep_after"), new_layer("keep_after", features=UNITS)]
    for layer in pair:
        randomize(layer, rng)
    import_weights(stack, "torch", export_weights(pair, "torch"))
    expected = judge(pair[1], judge(pair[0], x, h0), np.zeros_like(h0))
    zero = np.zeros_like(h0[0])
    assert_close(run(stack, x, [h0[0], zero]), expected, "converted")


def test_weights_of_keras_without_the_word():
    """Two rows of bias say that the reset comes after; without any nothing does."""
    layer = random_layer("keras", "keep_after")
    plain = export_weights(layer, "keras")
    del plain["reset_after"]
    copy = new_layer("keep_after")
    import_weights(copy, "keras", plain)
    assert_close(judge(copy, *inputs(1)), judge(layer, *inputs(1)), "exact")
    with pytest.raises(ConversionError, match="reset gate"):
        import_weights(new_layer("keep_before"), "keras", plain)
    del plain["bias"]
    with pytest.raises(ValueError, match="reset_after"):
        import_weights(new_layer("keep_after", use_bias=False), "keras", plain)


def test_more_layers_than_the_system_holds():
    layers = [random_layer("", "keep_after"), random_layer("", "keep_after")]
    with pytest.raises(ConversionError, match="2 layers"):
        export_weights(layers, "onnx")
    with pytest.raises(ConversionError, match="5 features after one of 1 × 4"):
        export_weights(layers, "torch")
    layers = [
        random_layer("", "keep_after"),
        random_layer("", "keep_after", features=UNITS, units=3),
    ]
    with pytest.raises(ConversionError, match="agree in units"):
        export_weights(layers, "torch")


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_missing_unknown_or_of_another_size(system):
    layer = random_layer(system, HAS[system][0])
    arrays = export_weights(layer, system)
    first = next(iter(arrays))
    rest = {name: array for name, array in arrays.items() if name != first}
    with pytest.raises(ValueError, match=f"{first}.*one of the two only"):
        import_weights(layer, system, rest)
    with pytest.raises(ValueError, match=r"extra.*one of the two only"):
        import_weights(layer, system, {**arrays, "extra": np.zeros(2)})
    with pytest.raises(ValueError, match=r"has the shape|are of 4 features"):
        import_weights(layer, system, {**arrays, first: arrays[first][..., :-1]})
    small = keras_gru.GRU(UNITS - 1, **CONVENTIONS[HAS[system][0]])
    with pytest.raises(ValueError, match="has the shape"):
        import_weights(small, system, arrays)
    other = new_layer(HAS[system][0], features=FEATURES + 1)
    with pytest.raises(ValueError, match=rf"{FEATURES} features.*{FEATURES + 1}"):
        import_weights(other, system, arrays)


def test_what_is_no_gru():
    with pytest.raises(TypeError, match="must be a GRU"):
        export_weights(keras.layers.LSTM(2), "torch")

    class Another(keras_gru.GRUCellV):
        """May compute anything."""

    with pytest.raises(TypeError, match="must be a GRU"):
        export_weights(keras.layers.RNN(Another(2)), "torch")
    with pytest.raises(ValueError, match="one of 'keras', 'torch'"):
        export_weights(keras_gru.GRU(2), "pytorch")
    with pytest.raises(ValueError, match="has no weights yet"):
        export_weights(keras_gru.GRU(2), "torch")


class Slow(keras_gru.GRUCellV):
    """A cell with an option more."""

    def __init__(self, units, slowness=0.0):
        super().__init__(units)
        self.slowness = slowness


def test_an_option_that_no_other_system_has(monkeypatch):
    monkeypatch.setattr("keras_gru.convert.layers.CELLS", (Slow,))
    for slowness in (0.0, 0.5):
        cell = Slow(2, slowness)
        cell.build((None, 3))
        if not slowness:
            export_weights(cell, "onnx")
            continue
        with pytest.raises(ConversionError, match=r"slowness=0\.5"):
            export_weights(cell, "onnx")


def test_arrays_have_the_dtype_of_the_layer():
    layer = keras_gru.GRU(2, dtype="float16")
    layer.build((None, None, 3))
    arrays = export_weights(layer, "torch")
    assert {array.dtype.name for array in arrays.values()} == {"float16"}
