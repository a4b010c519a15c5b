"""The C++ kernel inside of torch.compile and torch.export: an operator of the graph."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_gru
from tests.native.arrays import draw, needs_library
from tests.passes import BACKEND

if BACKEND != "torch":
    pytest.skip("for the torch backend", allow_module_level=True)

import torch
from torch._dynamo.testing import CompileCounterWithBackend

from keras_gru.native import torch_operators
from keras_gru.native.library import Options

pytestmark = needs_library
GRU = keras_gru.GRU


def _masked(layer, x):
    return layer(x, mask=x[:, :, 0] > -0.5)


def _with_all(layer, x):
    return layer(x, mask=x[:, :, 0] > -0.5, resets=x[:, :, 1] > 0.5, training=True)


def _trained(layer, x):
    return layer(x, training=True)


CASES = {
    "last state": (lambda: GRU(6), lambda layer, x: layer(x)),
    "before, replaced, masked": (
        lambda: GRU(6, reset_after=False, update_gate="replace", return_sequences=True),
        _masked,
    ),
    "all at once, from the end": (
        lambda: GRU(
            6,
            activation="gelu",
            dropout=0.3,
            recurrent_dropout=0.3,
            seed=4,
            go_backwards=True,
            return_sequences=True,
        ),
        _with_all,
    ),
    "dropout without a seed": (lambda: GRU(6, recurrent_dropout=0.3), _trained),
    "no dropout in inference": (
        lambda: GRU(6, dropout=0.5, recurrent_dropout=0.5),
        _masked,
    ),
    "both directions": (
        lambda: keras_gru.Bidirectional(GRU(6, return_sequences=True, seed=1)),
        _with_all,
    ),
    "mixed_bfloat16": (lambda: GRU(6, dtype="mixed_bfloat16"), _masked),
}


def _x(*shape):
    numbers = np.random.default_rng(sum(shape)).normal(size=shape)
    return torch.tensor(numbers.astype("float32"), requires_grad=True)


def _pass(layer, call, x, backward=True):
    """Outputs and all gradients, from the same seeds and zero states."""
    for variable in layer.variables:
        if variable.dtype == "int32":  # (seed, draws so far)
            variable.assign([7, 0])
    for state in getattr(layer, "states", None) or ():
        state.assign(keras.ops.zeros_like(state))
    torch.manual_seed(0)
    for variable in layer.trainable_variables:
        variable.value.grad = None
    x.grad = None
    output = call(x)
    if not backward:
        return [output]
    (output.float() ** 2).sum().backward()
    return [output, x.grad, *(v.value.grad for v in layer.trainable_variables)]


def _compiled(layer, call, backend="aot_eager"):
    torch.compiler.reset()
    call(layer, _x(3, 7, 5))  # builds it
    graphs = CompileCounterWithBackend(backend)
    one = torch.compile(
        lambda x: call(layer, x), fullgraph=True, dynamic=True, backend=graphs
    )
    return one, graphs


def _operators(graphs):
    nodes = [node for graph in graphs.graphs for node in graph.graph.nodes]
    return [str(n.target) for n in nodes if str(n.target).startswith("keras_gru.")]


@pytest.mark.parametrize(("make", "call"), CASES.values(), ids=CASES)
def test_the_bits_are_those_of_a_call_outside(make, call):
    """One graph, whatever the batch and the length; outputs and every gradient."""
    layer = make()
    one, graphs = _compiled(layer, call)
    for shape in ((3, 7, 5), (4, 9, 5), (6, 4, 5)):
        x = _x(*shape)
        outside = _pass(layer, lambda x: call(layer, x), x)
        inside = _pass(layer, one, x)
        for a, b in zip(outside, inside, strict=True):
            assert torch.equal(a, b)
    # Beside it there may be a graph without a node, for torch's generator.
    # Both directions are one call.
    assert _operators(graphs).count("keras_gru.gru.default") == 1


def test_stateful():
    layer = GRU(6, stateful=True)
    one, graphs = _compiled(layer, lambda layer, x: layer(x))
    for call in (layer, one):
        (first,) = _pass(layer, call, _x(3, 7, 5), backward=False)
        second = call(_x(3, 7, 5))
        assert not torch.equal(first, second)
        if call is layer:
            expected = first, second
    assert torch.equal(first, expected[0])
    assert torch.equal(second, expected[1])
    assert _operators(graphs) == ["keras_gru.gru.default"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's of torch
def test_inductor():
    layer = GRU(6, return_sequences=True)
    one, graphs = _compiled(layer, lambda layer, x: layer(x), "inductor")
    x = _x(3, 7, 5)
    for a, b in zip(_pass(layer, layer, x), _pass(layer, one, x), strict=True):
        assert torch.equal(a, b)
    assert _operators(graphs) == ["keras_gru.gru.default"]


def _given(arrays, options, return_states, save, resets=None):
    """The arguments of one pass; of a second one all is None."""
    constants = (None, resets, *(None,) * 4)
    return (*arrays, *(None,) * 6, *constants, options, return_states, save)


@pytest.mark.parametrize("save", [True, False])
@pytest.mark.parametrize("return_states", [True, False])
def test_opcheck(return_states, save):
    """What torch itself asks of an operator: schema, fake shapes, gradient."""
    # 16 units fill vectors: between them what is saved would be compared, too.
    numbers = draw((3, 5, 4, 16))
    arrays = [torch.tensor(a, requires_grad=True) for a in numbers.arrays]
    options = Options(False, "replace", "tanh", "sigmoid", True).as_numbers(0)
    arrays[5] = None  # the reset before has no recurrent bias
    resets = torch.rand(3, 5) < 0.3
    torch.library.opcheck(
        torch_operators.gru,
        _given(arrays, options, return_states, save, resets),
    )
    torch.library.opcheck(
        torch_operators.dropout_mask,
        (torch.ones(3, 5), 0.5, torch.tensor([1, 2], dtype=torch.int32)),
        test_utils=("test_schema", "test_faketensor"),
    )


def test_a_second_derivative_is_refused():
    numbers = draw((3, 5, 4, 6))
    arrays = [torch.tensor(a, requires_grad=True) for a in numbers.arrays]
    options = Options(True, "keep", "tanh", "sigmoid", False).as_numbers(0)
    states, *_ = torch_operators.gru(*_given(arrays, options, True, True))
    (first,) = torch.autograd.grad((states**2).sum(), arrays[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        first.sum().backward()


def _model(kernel):
    return keras.Sequential(
        [
            keras.Input((None, 5)),
            keras.layers.Masking(),
            keras_gru.Bidirectional(GRU(4, return_sequences=True, kernel=kernel)),
            GRU(3, kernel=kernel),
        ]
    )


def _program(model, strict):
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}
    return torch.export.export(
        model, (_x(3, 7, 5).detach(),), dynamic_shapes=((sizes,),), strict=strict
    )


@pytest.mark.filterwarnings("ignore:While compiling, we found certain side effects")
@pytest.mark.parametrize("strict", [False, True])
def test_a_program_has_the_kernel_that_was_asked_for(strict):
    model = _model("native_cpu")
    program = _program(model, strict)
    named = [str(node.target) for node in program.graph.nodes]
    assert named.count("keras_gru.gru.default") == 2
    # A program for inference computes nothing for a gradient, but has one.
    calls = [n for n in program.graph.nodes if str(n.target) == "keras_gru.gru.default"]
    assert [node.args[-1] for node in calls] == [False] * 2
    x = _x(2, 4, 5)
    outputs = program.module()(x)
    assert torch.equal(outputs, model(x))
    (gradient,) = torch.autograd.grad((outputs**2).sum(), x)
    (expected,) = torch.autograd.grad((model(x) ** 2).sum(), x)
    assert torch.equal(gradient, expected)


LOADS = """
import sys, numpy as np, torch, keras_gru
program = torch.export.load(sys.argv[1]).module()
np.save(sys.argv[2], program(torch.tensor(np.load(sys.argv[3]))).detach().numpy())
"""


def test_another_process_loads_it(tmp_path):
    """After `import keras_gru`."""
    model = _model("native_cpu")
    path, x = tmp_path / "model.pt2", _x(5, 3, 5).detach()
    torch.export.save(_program(model, False), path)
    np.save(tmp_path / "x.npy", x.numpy())
    files = [path, tmp_path / "outputs.npy", tmp_path / "x.npy"]
    subprocess.run(
        [sys.executable, "-c", LOADS, *map(str, files)],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        check=True,
    )
    assert np.array_equal(np.load(files[1]), model(x).detach().numpy())


def test_without_asking_a_program_has_torch_operations_alone():
    """`tests/test_export.py` has its numbers; a free number of steps is refused."""
    with pytest.raises(torch._dynamo.exc.UserError, match=r"constant \(7\)"):
        _program(_model("auto"), False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's of torch
def test_onnx_has_no_such_operator(tmp_path):
    model = keras.Sequential([keras.Input((7, 5)), GRU(3, kernel="native_cpu")])
    model(_x(3, 7, 5))
    with pytest.raises(ValueError, match="an export must not depend on it"):
        model.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
