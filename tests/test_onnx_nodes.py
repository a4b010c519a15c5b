"""`keras_gru.export_onnx`: real recurrent nodes, and the numbers of Keras."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_gru
from tests import oracle
from tests.cases import CONVENTIONS
from tests.fuzz_onnx import UNSUPPORTED, check, check_refused
from tests.passes import to_numpy
from tests.tolerances import assert_close

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from keras_gru.onnx.layers import WRITERS  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not support masking and will therefore destroy:UserWarning"
)

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


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_length_and_batch(convention, masked, tmp_path):
    x = keras.Input((None, 5))
    y = layers.Masking()(x) if masked else x
    options = CONVENTIONS[convention]
    y = keras_gru.GRU(6, return_sequences=True, **options)(y)
    y = layers.Bidirectional(
        keras_gru.GRU(3, return_sequences=True, **options), name="both"
    )(y)
    model = keras.Model(x, [y, keras_gru.GRU(4, **options)(y)])
    path = export(model, tmp_path)
    assert recurrent_nodes(path) == ["GRU"] * 3
    for timesteps in (1, 2, 5, 50, 500):
        for batch in (1, 4):
            data = RNG.normal(size=(batch, timesteps, 5)).astype("float32")
            data[-1, timesteps // 2 :] = 0.0
            compare(model, path, data)
    graph = onnx.load(path).graph
    assert list(sizes(graph.input).values()) == [["batch", "time", 5]]
    assert sizes(graph.output)["both"] == ["batch", "time", 6]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_oracle(convention, go_backwards, mask, tmp_path):
    """Not Keras alone: the float64 oracle decides, of outputs and final state."""
    layer = keras_gru.GRU(
        6,
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
        **CONVENTIONS[convention],
    )
    x, h0 = keras.Input((None, 5)), keras.Input((6,))
    given = [X, RNG.normal(size=(4, 6)).astype("float32")]
    inputs, how = [x, h0], {}
    if MASKS[mask] is not None:
        inputs.append(keras.Input((None,), dtype="bool"))
        given.append(MASKS[mask])
        how["mask"] = inputs[-1]
    model = keras.Model(inputs, layer(x, initial_state=h0, **how))
    outputs, state = run(export(model, tmp_path), *given)
    expected = oracle.forward(
        X,
        given[1],
        *map(to_numpy, layer.weights),
        mask=MASKS[mask],
        go_backwards=go_backwards,
        **CONVENTIONS[convention],
    )
    assert_close(outputs, expected.outputs, "onnx", "outputs")
    assert_close(state, expected.final_state, "onnx", "final state")


LAYERS = {
    "ours": lambda **how: keras_gru.GRU(4, **how),
    "keras": lambda **how: layers.GRU(4, **how),
    "lstm": lambda **how: layers.LSTM(4, **how),
    "stack": lambda **how: layers.RNN(
        [keras_gru.GRUCellV(3), layers.LSTMCell(2), layers.GRUCell(4)], **how
    ),
}


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
def test_masks(kind, masked, sequences, tmp_path):
    """Repeated outputs, zeros, in both directions, alone and as a pair."""
    x, used = keras.Input((None, 5)), keras.Input((None,), dtype="bool")
    how = {"mask": used} if masked else {}
    plain = {"return_sequences": sequences, "return_state": True}
    found = []
    for more in (
        {},
        {"go_backwards": True},
        {"zero_output_for_mask": sequences, "go_backwards": True},
        {"zero_output_for_mask": sequences},
    ):
        found += keras.tree.flatten(LAYERS[kind](**plain, **more)(x, **how))
    both = layers.Bidirectional(LAYERS[kind](**plain))
    found += keras.tree.flatten(both(x, **how))
    model = keras.Model([x, used] if masked else [x], found)
    path = export(model, tmp_path)
    for mask in ("right", "left", "holes") if masked else ("none",):
        given = [X, *[MASKS[mask]] * masked]
        expected = model.predict_on_batch(given)
        for one, other in zip(run(path, *given), expected, strict=True):
            assert_close(one, other, "onnx", mask)
    single = 3 if kind == "stack" else 1
    pair = 2 * single if kind == "stack" else 1
    assert len(recurrent_nodes(path)) == 4 * single + pair


def test_a_mask_that_does_nothing_keeps_the_steps_in_place(tmp_path):
    """All used: the file with a mask gives the bits of that without one."""
    x, used = keras.Input((None, 5)), keras.Input((None,), dtype="bool")
    layer = keras_gru.GRU(4, return_sequences=True)
    with_mask = keras.Model([x, used], layer(x, mask=used))
    without = keras.Model(x, layer(x))
    (one,) = run(export(with_mask, tmp_path), X, np.ones((4, 7), bool))
    (other,) = run(export(without, tmp_path), X)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "ave", "mul", None])
@pytest.mark.parametrize("sequences", [False, True])
def test_bidirectional(sequences, merge_mode, tmp_path):
    x = keras.Input((None, 5))
    layer = keras_gru.Bidirectional(
        keras_gru.GRU(4, return_sequences=sequences, return_state=True),
        merge_mode=merge_mode,
    )
    states = [keras.Input((4,)), keras.Input((4,))]
    model = keras.Model([x, *states], layer(x, initial_state=states))
    path = export(model, tmp_path)
    given = [RNG.normal(size=(4, 4)).astype("float32") for _ in states]
    compare(model, path, X, *given)
    (node,) = [one for one in onnx.load(path).graph.node if one.op_type == "GRU"]
    attributes = {
        one.name: onnx.helper.get_attribute_value(one) for one in node.attribute
    }
    assert attributes["direction"] == b"bidirectional"


@pytest.mark.parametrize(
    ("ahead", "back", "count"),
    [
        ({"activation": "relu"}, {"activation": "elu"}, 1),
        ({"update_gate": "keep"}, {"update_gate": "replace"}, 1),
        ({"use_bias": False}, {}, 1),
        ({"reset_after": False}, {}, 2),
        ({"units": 3}, {}, 2),
        ({"go_backwards": True}, {"go_backwards": False}, 2),
    ],
    ids=str,
)
def test_directions_that_differ(ahead, back, count, tmp_path):
    """One node wherever one can hold both."""
    first, second = (
        keras_gru.GRU(**{"units": 4, "return_sequences": True, **options})
        for options in (ahead, {"go_backwards": True, **back})
    )
    model = keras.Sequential(
        [
            keras.Input((None, 5)),
            layers.Masking(),
            layers.Bidirectional(first, backward_layer=second),
        ]
    )
    path = export(model, tmp_path)
    compare(model, path, X * RIGHT[..., None])
    assert recurrent_nodes(path) == ["GRU"] * count


@pytest.mark.parametrize("gates", ["sigmoid", "hard_sigmoid", "leaky_relu", "softsign"])
@pytest.mark.parametrize(
    "activation",
    ["tanh", "relu", None, "hard_sigmoid", "leaky_relu", "elu", "softplus"],
)
@pytest.mark.parametrize("kind", [keras_gru.GRU, layers.LSTM])
def test_activations(kind, activation, gates, tmp_path):
    """Of both directions, so that several take their alpha from the same list."""
    inner = kind(4, activation=activation, recurrent_activation=gates)
    both = layers.Bidirectional(inner)
    model = keras.Sequential([keras.Input((None, 5)), both])
    # Gates without bounds: a few small steps, before the numbers grow.
    compare(model, export(model, tmp_path), 0.3 * X[:, :3])


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras_gru.GRU(4, stateful=True, **CONVENTIONS["replace_before"]),
        lambda: layers.LSTM(4, stateful=True),
        lambda: layers.RNN([keras_gru.GRUCellV(3), layers.LSTMCell(4)], stateful=True),
    ],
    ids=["gru", "lstm", "stack"],
)
def test_streaming(make, tmp_path):
    """A sequence in pieces, the state handed on, is the sequence at once."""
    layer = make()
    layer.return_sequences = True
    model = keras.Sequential([keras.Input(batch_shape=(4, None, 5)), layer])
    path = export(model, tmp_path)
    session = onnxruntime.InferenceSession(path)
    (x, *states) = session.get_inputs()
    outputs = [one.name for one in session.get_outputs()]
    assert outputs == [
        layer.name,
        *(one.name.replace(".state", ".new_state") for one in states),
    ]
    kept = [np.zeros(one.shape, "float32") for one in states]
    pieces = []
    for piece in (X[:, :1], X[:, 1:4], X[:, 4:]):
        given = dict(zip([one.name for one in states], kept, strict=True))
        found, *kept = session.run(None, {x.name: piece, **given})
        pieces.append(found)
    for state in keras.tree.flatten(layer.states):
        state.assign(np.zeros(state.shape))
    assert_close(np.concatenate(pieces, 1), to_numpy(model(X)), "onnx")
    for mine, theirs in zip(kept, keras.tree.flatten(layer.states), strict=True):
        assert_close(mine, to_numpy(theirs), "onnx")


def test_streaming_in_both_directions(tmp_path):
    layer = keras_gru.Bidirectional(keras_gru.GRU(4, stateful=True, name="gru"))
    model = keras.Sequential(
        [keras.Input(batch_shape=(4, None, 5)), layers.Masking(), layer]
    )
    path = export(model, tmp_path)
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    assert names[1:] == ["forward_gru.state", "backward_gru.state"]
    kept = [np.zeros((4, 4), "float32")] * 2
    x = X * RIGHT[..., None]
    layer.reset_states()
    for _ in range(2):
        found, *kept = session.run(None, dict(zip(names, [x, *kept], strict=True)))
        assert_close(found, to_numpy(model(x)), "onnx")
    assert recurrent_nodes(path) == ["GRU"]


def _one(layer, shape=(7, 5), dtype="float32"):
    return lambda: keras.Sequential([keras.Input(shape, dtype=dtype), layer()])


def _merged(layer, *shapes):
    def make():
        inputs = [keras.Input(shape) for shape in shapes]
        masked = [layers.Masking()(x) if len(x.shape) > 2 else x for x in inputs]
        outputs = [layer()(masked), layer()([inputs[0], masked[1]])]
        if len(masked[0].shape) == 3 == len(masked[1].shape):
            outputs += [layers.GRU(2)(outputs[0]), layers.GRU(2)(outputs[1])]
            # Keras writes the mask into its graph for those, and not for a model.
            inside = keras.Input(outputs[0].shape[1:])
            outputs.append(keras.Model(inside, layers.GRU(2)(inside))(outputs[0]))
        return keras.Model(inputs, outputs)

    return make


PAIR = ((7, 5), (7, 5))
EXAMPLES = {
    "Activation": [
        _one(lambda name=name: layers.Activation(name))
        for name in ("relu6", "log_softmax", "selu", "leaky_relu", "exponential")
    ],
    "ActivityRegularization": [_one(lambda: layers.ActivityRegularization(0.1))],
    "Add": [_merged(layers.Add, *PAIR)],
    "AlphaDropout": [_one(lambda: layers.AlphaDropout(0.5))],
    "BatchNormalization": [
        _one(lambda: layers.BatchNormalization()),
        _one(lambda: layers.BatchNormalization(axis=1, scale=False)),
    ],
    "Bidirectional": [
        _one(lambda: layers.Bidirectional(layers.GRU(3))),
        _one(lambda: keras_gru.Bidirectional(keras_gru.GRU(3))),
    ],
    "Concatenate": [
        _merged(lambda: layers.Concatenate(axis=-1), (7, 5), (7, 2)),
        _merged(lambda: layers.Concatenate(axis=1), (7, 5), (3, 5)),
    ],
    "Conv1D": [
        _one(lambda how=how: layers.Conv1D(4, 3, activation="relu", **how), (9, 6))
        for how in (
            {},
            {"padding": "same"},
            {"padding": "same", "strides": 2},
            {"padding": "causal", "dilation_rate": 2},
            {"groups": 2, "use_bias": False},
            {"strides": 3},
        )
    ],
    "Dense": [
        _one(lambda: layers.Dense(3, "softmax")),
        _one(lambda: layers.Dense(3, use_bias=False), (5,)),
        _one(lambda: layers.Dense(3), (3, 4, 5)),
    ],
    "Dropout": [_one(lambda: layers.Dropout(0.5))],
    "Embedding": [
        _one(lambda: layers.Embedding(9, 3), (7,), "int32"),
        _one(lambda: layers.Embedding(9, 3), (7,), "uint8"),
        _one(lambda: layers.Embedding(9, 3), (7,), "float32"),
    ],
    "Flatten": [
        _one(lambda: layers.Flatten()),
        _one(lambda: layers.Flatten("channels_first"), (2, 3, 4)),
    ],
    "GRU": [_one(lambda: layers.GRU(3)), _one(lambda: keras_gru.GRU(3))],
    "GaussianDropout": [_one(lambda: layers.GaussianDropout(0.5))],
    "GaussianNoise": [_one(lambda: layers.GaussianNoise(0.5))],
    "GlobalAveragePooling1D": [
        _one(lambda: layers.GlobalAveragePooling1D(keepdims=True)),
        _one(lambda: layers.GlobalAveragePooling1D("channels_first")),
        lambda: keras.Sequential(
            [keras.Input((7, 5)), layers.Masking(), layers.GlobalAveragePooling1D()]
        ),
    ],
    "GlobalMaxPooling1D": [
        _one(lambda: layers.GlobalMaxPooling1D()),
        _one(lambda: layers.GlobalMaxPooling1D("channels_first", keepdims=True)),
    ],
    "Identity": [_one(lambda: layers.Identity())],
    "LSTM": [_one(lambda: layers.LSTM(3, return_sequences=True))],
    "LayerNormalization": [
        _one(lambda: layers.LayerNormalization()),
        _one(lambda: layers.LayerNormalization(axis=(1, 2), center=False)),
    ],
    "Masking": [_one(lambda: layers.Masking(0.0))],
    "Multiply": [_merged(layers.Multiply, *PAIR)],
    "Permute": [_one(lambda: layers.Permute((2, 1)))],
    "RNN": [_one(lambda: layers.RNN([layers.LSTMCell(3), keras_gru.GRUCellV(2)]))],
    "Reshape": [_one(lambda: layers.Reshape((-1, 7)))],
    "Softmax": [_one(lambda: layers.Softmax()), _one(lambda: layers.Softmax(axis=1))],
    "SpatialDropout1D": [_one(lambda: layers.SpatialDropout1D(0.5))],
    "TimeDistributed": [
        _one(lambda: layers.TimeDistributed(layers.Dense(3, "relu"))),
        _one(lambda: layers.TimeDistributed(layers.Activation("tanh"))),
        _one(lambda: layers.TimeDistributed(layers.Dropout(0.5)), (3, 4, 5)),
    ],
}


def test_every_layer_has_an_example_and_is_told():
    names = {kind.__name__ for kind in WRITERS}
    assert names == set(EXAMPLES)
    told = keras_gru.export_onnx.__doc__
    assert [name for name in names if name not in told] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_layer(name, tmp_path):
    for make in EXAMPLES[name]:
        model = make()
        path = export(model, tmp_path)
        rng = np.random.default_rng(0)
        given = []
        for one in model.inputs:
            data = rng.normal(size=(4, *one.shape[1:])).astype("float32")
            if len(one.shape) == 3:
                # Each input is masked elsewhere; the last row is not masked at all.
                data[: 3 - len(given), 2 - len(given) :] = 0.0
            if len(one.shape) == 2 and name == "Embedding":
                data = rng.integers(0, 9, data.shape).astype(one.dtype)
            given.append(data)
        compare(model, path, *given)


def test_masks_of_more_than_one_kind_of_graph(tmp_path):
    """Through nested models and merging layers, computed by a user, and by Softmax."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(9, 5, mask_zero=True)(ids)
    inner = keras.Sequential(
        [keras.Input((None, 5)), keras_gru.GRU(3, return_sequences=True)]
    )
    embedded = keras.Input((None, 5))
    functional = keras.Model(embedded, layers.Dense(4)(layers.LSTM(3)(embedded)))
    own = keras_gru.GRU(2, return_sequences=True)(x, mask=ids != 3)
    scores = layers.Reshape((-1,))(layers.Dense(1)(x))
    state = layers.Dense(2)(layers.GlobalMaxPooling1D()(x))
    outputs = {
        # Beside an initial state Keras' layer passes the attached mask over.
        "passed over": layers.GRU(2)(x, initial_state=state),
        "looked for": keras_gru.GRU(2)(x, initial_state=state),
        "sequence": keras_gru.GRU(2)(inner(x)),
        "functional": functional(x),
        "own": own,
        "weights": layers.Softmax()(scores, mask=keras.ops.not_equal(ids, 0)),
        "long": keras_gru.GRU(2)(layers.Concatenate(axis=1)([x, x])),
    }
    model = keras.Model(ids, outputs)
    path = export(model, tmp_path)
    data = np.array([[3, 1, 0, 3, 5, 0], [0, 0, 2, 3, 3, 8], [0] * 6], "int32")
    expected = model(data)
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_outputs()]
    assert names == sorted(outputs)
    for name, found in zip(names, session.run(None, {"ids": data}), strict=True):
        assert_close(found, to_numpy(expected[name]), "onnx", name)


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
    model = _one(lambda: keras_gru.GRU(3))()
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
            lambda x: keras_gru.GRU(3, name="it")(x, resets=keras.ops.any(x > 1, -1)),
            "cannot be written",
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
            lambda x: keras_gru.GRU(3, learn_initial_state=True, name="it")(x),
            "learn_initial_state=True",
        ),
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
        "learnt state",
        "layer normalisation",
    ],
)
def test_refusals(call, reason, tmp_path):
    """What the random models of tests/fuzz_onnx.py have not."""
    x = keras.Input((7, 5))
    with pytest.raises(ValueError, match=f"Layer .*{reason}"):
        keras_gru.export_onnx(keras.Model(x, call(x)), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


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
