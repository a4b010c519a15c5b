"""`keras_gru.import_onnx_gru`: layers that compute what the nodes do."""

from __future__ import annotations

import itertools
import warnings

import keras
import numpy as np
import pytest

import keras_gru
from tests.passes import BACKEND, float64_allowed, to_numpy
from tests.tolerances import assert_close

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import helper, numpy_helper  # noqa: E402

CALL = ("X", "sequence_lens", "initial_h")
"""The inputs of a GRU node that belong to a call; the others are weights."""


def _official():
    """onnx's own cases of the GRU node, by name."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other nodes' cases
        return {case.name: case for case in collect_testcases("GRU")}


OFFICIAL = _official()


def stored(model, values):
    """The model with its weights as initializers, not as inputs."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    kept = [one for one in model.graph.input if one.name in CALL]
    del changed.graph.input[:]
    changed.graph.input.extend(kept)
    changed.graph.initializer.extend(
        numpy_helper.from_array(value, name)
        for name, value in values.items()
        if name not in CALL
    )
    return changed


def node_like(layer, x, lengths=None, initial=None, layout=0):
    """What the node returns, `Y` and `Y_h` by the layer; x is as the node's X."""
    x = x if layout else x.swapaxes(0, 1)
    how = {}
    if lengths is not None:
        how["mask"] = np.arange(x.shape[1]) < lengths[:, None]
    both = isinstance(layer, keras.layers.Bidirectional)
    if initial is not None:
        states = list(initial.swapaxes(0, 1) if layout else initial)
        how["initial_state"] = states if both else states[0]
    returned = layer(x, **how)
    if not isinstance(returned, (list, tuple)):
        returned = [returned]
    outputs, *states = map(to_numpy, returned)
    inner = layer.forward_layer if both else layer
    if not inner.return_sequences:
        parts = np.split(outputs, 2, -1) if both else [outputs]
        return [np.stack(parts)]
    if not both and layer.go_backwards:
        outputs = outputs[:, ::-1]
    y = np.stack(np.split(outputs, 2, -1) if both else [outputs], -2)
    if layout:  # (batch, time, directions, units)
        return [y, *([np.stack(states, 1)] if states else [])]
    return [y.transpose(1, 2, 0, 3), *([np.stack(states)] if states else [])]


def check(model, given, expected):
    """The layer of the only node, called as the node is, against its outputs."""
    (layer,) = keras_gru.import_onnx_gru(model).values()
    (node,) = [one for one in model.graph.node if one.op_type == "GRU"]
    attributes = {one.name: one for one in node.attribute}
    layout = attributes["layout"].i if "layout" in attributes else 0
    found = node_like(
        layer,
        given["X"],
        given.get("sequence_lens"),
        given.get("initial_h"),
        layout,
    )
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other, "onnx")
    return layer


def test_there_are_six():
    assert len(OFFICIAL) == 6


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_cases_of_onnx(name):
    case = OFFICIAL[name]
    ((inputs, outputs),) = case.data_sets
    names = [one.name for one in case.model.graph.input]
    given = dict(zip(names, inputs, strict=True))
    check(stored(case.model, given), given, outputs)


def gru(directions, after, inputs, outputs=("Y", "Y_h"), biased=True, **attributes):
    """A model of one GRU node with random weights."""
    rng = np.random.default_rng(4)
    units, features = 4, 3

    def normal(*shape):
        return (rng.normal(size=shape) * 0.5).astype("float32")

    weights = {
        "W": normal(directions, 3 * units, features),
        "R": normal(directions, 3 * units, units),
        "B": normal(directions, 6 * units),
    }
    names = ["X", "W", "R", "B" if biased else "", *inputs]
    kinds = {"sequence_lens": onnx.TensorProto.INT32}
    node = helper.make_node(
        "GRU",
        names,
        outputs,
        name="the_node",
        hidden_size=units,
        linear_before_reset=int(after),
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(name, kinds.get(name, 1), None)
            for name in ("X", *filter(None, inputs))
        ],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs if name],
        [
            numpy_helper.from_array(value, name)
            for name, value in weights.items()
            if biased or name != "B"
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def against_onnxruntime(model, **more):
    given = {"X": np.random.default_rng(6).normal(size=(6, 3, 3)).astype("float32")}
    given |= {one.name: more[one.name] for one in model.graph.input if one.name in more}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return check(model, given, session.run(None, given))


DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
LENGTHS = np.array([6, 2, 4], "int32")


@pytest.mark.parametrize(
    "inputs",
    [(), ("", "initial_h"), ("sequence_lens",), ("sequence_lens", "initial_h")],
    ids=str,
)
@pytest.mark.parametrize(
    ("direction", "after"), list(itertools.product(DIRECTIONS, [False, True]))
)
def test_against_onnxruntime(direction, after, inputs):
    count = DIRECTIONS[direction]
    model = gru(count, after, inputs, direction=direction)
    state = np.random.default_rng(7).normal(size=(count, 3, 4)).astype("float32")
    layer = against_onnxruntime(model, sequence_lens=LENGTHS, initial_h=state)
    inner = layer.forward_layer if count == 2 else layer
    assert type(inner) is keras_gru.GRU
    assert inner.reset_after is after


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("outputs", [("Y",), ("", "Y_h")], ids=str)
def test_what_is_not_used_is_not_returned(outputs, direction):
    model = gru(DIRECTIONS[direction], True, (), outputs, direction=direction)
    against_onnxruntime(model)


def test_without_biases():
    layer = against_onnxruntime(gru(1, True, (), biased=False))
    assert not layer.use_bias


def test_activations_with_parameters():
    """Each direction its own, from one list of alphas and one of betas."""
    model = gru(
        2,
        True,
        (),
        direction="bidirectional",
        activations=["HardSigmoid", "LeakyRelu", "Sigmoid", "Affine"],
        activation_alpha=[1 / 6, 0.2, 1.0],
        activation_beta=[0.5, 0.0],
    )
    layer = against_onnxruntime(model)
    assert layer.forward_layer.recurrent_activation is keras.activations.hard_sigmoid
    assert layer.backward_layer.activation is keras.activations.linear


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"activations": ["HardSigmoid", "Tanh"]}, "HardSigmoid, alpha=0.2, beta=0.5"),
        ({"activations": ["Sigmoid", "LeakyRelu"]}, "LeakyRelu, alpha=0.01"),
        ({"activations": ["Sigmoid", "ScaledTanh"]}, "ScaledTanh"),
        ({"clip": 3.0}, r"clip=3\.0"),
    ],
    ids=str,
)
def test_what_no_layer_is_exactly_is_refused(attributes, told):
    model = gru(1, True, (), **attributes)
    with pytest.raises(ValueError, match=f"GRU node 'the_node'.*{told}"):
        keras_gru.import_onnx_gru(model)


def test_weights_that_are_inputs_are_refused():
    model = OFFICIAL["test_gru_defaults"].model
    with pytest.raises(ValueError, match=r"its weight 'W' is not in the file"):
        keras_gru.import_onnx_gru(model)


def test_a_constant_state_is_refused_unless_it_is_zero():
    model = gru(1, True, ("", "initial_h"))
    del model.graph.input[1:]
    state = np.zeros((1, 3, 4), "float32")
    model.graph.initializer.append(numpy_helper.from_array(state, "initial_h"))
    against_onnxruntime(model)
    model.graph.initializer[-1].CopyFrom(
        numpy_helper.from_array(state + 1, "initial_h")
    )
    with pytest.raises(ValueError, match=r"initial_h is a constant other than zero"):
        keras_gru.import_onnx_gru(model)


def test_a_model_without_a_node_is_refused():
    model = gru(1, True, ())
    model.graph.node[0].op_type = "LSTM"
    with pytest.raises(ValueError, match=r"has no GRU node. It has: LSTM"):
        keras_gru.import_onnx_gru(model)


def test_weights_that_nodes_compute():
    """Transposed, cut and joined, as exporters leave them."""
    model = gru(1, False, ())
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    del model.graph.initializer[:]
    first, second = np.split(arrays["W"], 2, axis=1)
    node = model.graph.node[0]
    before = [
        helper.make_node("Constant", [], ["one"], value=numpy_helper.from_array(first)),
        helper.make_node("Transpose", ["two"], ["three"], perm=[0, 2, 1]),
        helper.make_node("Concat", ["one", "three"], ["W"], axis=1),
    ]
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(second.swapaxes(1, 2), "two"),
            *(numpy_helper.from_array(arrays[name], name) for name in "RB"),
        ]
    )
    del model.graph.node[:]
    model.graph.node.extend([*before, node])
    against_onnxruntime(model)


def test_float64():
    """A layer of the dtype of the weights."""
    model = gru(1, True, (), biased=False)
    for one in model.graph.initializer:
        one.CopyFrom(
            numpy_helper.from_array(
                numpy_helper.to_array(one).astype("float64"), one.name
            )
        )
    with float64_allowed():
        (layer,) = keras_gru.import_onnx_gru(model).values()
        kernel = to_numpy(layer.cell.kernel)
    assert kernel.dtype == "float64"
    w = numpy_helper.to_array(model.graph.initializer[0])
    assert np.array_equal(kernel, w[0].T)


def test_there_and_back(tmp_path):
    """A file of ours: the layers by their names, the weights bit for bit."""
    layers = [
        keras_gru.GRU(4, return_sequences=True, name="first"),
        keras_gru.Bidirectional(
            keras_gru.GRU(3, reset_after=False, activation="relu"), name="second"
        ),
    ]
    model = keras.Sequential([keras.Input((None, 5)), *layers])
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    keras_gru.export_onnx(model, tmp_path / "model.onnx")
    found = keras_gru.import_onnx_gru(tmp_path / "model.onnx")
    assert list(found) == ["first/GRU", "second/GRU"]
    for one, layer in zip(found.values(), layers, strict=True):
        for theirs, mine in zip(
            layer.trainable_variables, one.trainable_variables, strict=True
        ):
            assert np.array_equal(to_numpy(theirs), to_numpy(mine))


@pytest.mark.skipif(BACKEND != "torch", reason="torch's own exporter")
def test_a_file_of_torch(tmp_path):
    """Two layers of both directions: what torch writes, and what torch computes."""
    import torch

    torch.manual_seed(0)
    module = torch.nn.GRU(5, 4, num_layers=2, bidirectional=True, batch_first=True)
    x = torch.randn(3, 6, 5)
    path = str(tmp_path / "torch.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(module, (x,), path, dynamo=False)
    first, second = keras_gru.import_onnx_gru(path).values()
    with torch.no_grad():
        expected, states = module(x)
        outputs, *begun = first(x)
        outputs, *ended = second(outputs)
    assert_close(to_numpy(outputs), to_numpy(expected), "onnx")
    assert_close(
        np.stack([*map(to_numpy, begun), *map(to_numpy, ended)]),
        to_numpy(states),
        "onnx",
    )
