"""`keras_gru.export_onnx`: recurrent layers as nodes, with the numbers of Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import keras_gru
from tests import oracle
from tests.cases import CONVENTIONS
from tests.onnx_files import (
    MASKS,
    RIGHT,
    RNG,
    X,
    compare,
    export,
    onnx,
    onnxruntime,
    recurrent_nodes,
    run,
    sizes,
)
from tests.passes import to_numpy
from tests.tolerances import assert_close

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not support masking and will therefore destroy:UserWarning"
)


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


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", ["gru", "both", "stack"])
def test_a_learnt_initial_state(kind, mask, tmp_path):
    """A constant of the file, in each row; of one direction, too."""
    learnt = keras_gru.GRU(
        4, learn_initial_state=True, return_sequences=True, return_state=True
    )
    if kind == "both":
        backward = keras_gru.GRU(
            4, go_backwards=True, return_sequences=True, return_state=True
        )
        learnt = keras_gru.Bidirectional(learnt, backward_layer=backward)
    elif kind == "stack":
        cells = [
            layers.LSTMCell(2),
            keras_gru.GRUCellV(3, learn_initial_state=True),
        ]
        learnt = layers.RNN(cells, return_sequences=True, return_state=True)
    x, given, how = keras.Input((None, 5)), [X], {}
    inputs = [x]
    if MASKS[mask] is not None:
        inputs.append(keras.Input((None,), dtype="bool"))
        given.append(MASKS[mask])
        how["mask"] = inputs[-1]
    model = keras.Model(inputs, learnt(x, **how))
    path = export(model, tmp_path)
    expected = [to_numpy(one) for one in keras.tree.flatten(model(given))]
    if kind == "stack" and len(given) > 1:
        # Before the first used step Keras' RNN has zeros, but on JAX what is learnt.
        expected[0][~np.maximum.accumulate(given[1], axis=1)] = 0.0
    for one, other in zip(run(path, *given), expected, strict=True):
        assert_close(one, other, "onnx", mask)


def test_states_of_every_layer(tmp_path):
    """`states=True`: as with `stateful=True`, but for any batch."""
    x, begin = keras.Input((None, 5)), keras.Input((3,))
    y = keras_gru.GRU(4, return_sequences=True, name="one")(x)
    y = layers.LSTM(2, return_sequences=True, name="two")(y)
    y = keras_gru.GRU(3, return_sequences=True, name="begun")(y, initial_state=begin)
    model = keras.Model([x, begin], y)
    path = export(model, tmp_path, states=True)
    session = onnxruntime.InferenceSession(path)
    assert [one.name for one in session.get_inputs()][2:] == [
        "one.state",
        "two.state_0",
        "two.state_1",
    ]
    h = RNG.normal(size=(4, 3)).astype("float32")
    zeros = [np.zeros((4, units), "float32") for units in (4, 2, 2)]
    found, *kept = run(path, X, h, *zeros)
    assert_close(found, to_numpy(model([X, h])), "onnx")
    _, *half = run(path, X[:, :3], h, *zeros)
    _, *after = run(path, X[:, 3:], h, *half)
    for one, other in zip(after, kept, strict=True):
        assert_close(one, other, "onnx")
