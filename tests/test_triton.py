"""The Triton kernel beyond the cases of every kernel: blocks, halves, refusals, faults.

Without a GPU its programs run in Triton's interpreter, one program after another and
one operation after another: that shows the arithmetic and the addresses, and cannot
show programs that wait for each other; those tests need a GPU. That the compiler takes
the programs is tested for two GPUs not at hand.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

import keras_gru
import keras_gru.triton
from keras_gru import kernels
from keras_gru.kernels import torch_triton
from tests.cases import CONVENTIONS, Case, judge, numbers
from tests.contract import altered, call_of
from tests.passes import BACKEND, build_layer, check, run_layer, spy_on_kernels
from tests.tolerances import assert_close

if BACKEND != "torch" or find_spec("triton") is None:
    pytest.skip("the kernel needs torch and Triton", allow_module_level=True)

import torch
import triton
import triton.language as tl

from keras_gru.triton import function, programs

TRITON = {"kernel": "torch_triton"}
BLOCKS = (17, 3, 5, 40)  # two blocks of rows, the second one not full
GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"


@pytest.fixture(params=["four parts", "from L2", "from L2 in two parts"])
def other_sizes(request, monkeypatch):
    """What larger sizes take, on small ones: how the sums of a product are cut."""
    sizes = {
        "four parts": {"SPLIT": 4, "DEPTH": 16},
        "from L2": {"SPLIT": 1, "DEPTH": 16, "RESIDENT": False, "STAGES": 3},
        "from L2 in two parts": {"SPLIT": 2, "DEPTH": 16, "RESIDENT": False},
    }[request.param]
    given = function._sizes
    monkeypatch.setattr(function, "_sizes", lambda *a: given(*a) | sizes)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("mask", ["none", "empty_row"])
@pytest.mark.usefixtures("other_sizes")
def test_every_way_to_cut_a_product(convention, mask):
    check(Case(convention, mask, "backwards", BLOCKS), "float32", **TRITON)


@pytest.mark.skipif(not GPU, reason="needs a GPU: programs that wait for each other")
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("mask", ["none", "holes"])
@pytest.mark.parametrize(
    "shape", [(33, 9, 5, 200), (130, 5, 4, 300), (70, 4, 3, 600)], ids=str
)
def test_programs_that_meet(convention, mask, shape):
    case = Case(convention, mask, shape=shape)
    check(case, "float32", **TRITON)
    given = numbers(case)
    layer = build_layer(case, given.weights, **TRITON)
    first = run_layer(layer, given)
    for _ in range(20):  # the same bits, whoever comes first
        again = run_layer(layer, given)
        np.testing.assert_array_equal(again.outputs, first.outputs)
        for name, gradient in first.gradients.items():
            np.testing.assert_array_equal(again.gradients[name], gradient, name)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("mask", ["none", "left", "right", "holes", "empty_row"])
def test_it_agrees_with_portable(convention, mask):
    case = Case(convention, mask)
    given = numbers(case)
    ours, theirs = (
        run_layer(build_layer(case, given.weights, kernel=name), given)
        for name in ("torch_triton", "portable")
    )
    assert_close(ours.outputs, theirs.outputs, "same_float32")
    assert_close(ours.final_state, theirs.final_state, "same_float32")
    for name, gradient in theirs.gradients.items():
        assert_close(ours.gradients[name], gradient, "same_float32_gradients", name)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_half_precision(convention):
    """Against the oracle on the weights as the layer has them, rounded."""
    dtype = "bfloat16" if GPU else "float16"  # which the interpreter multiplies
    case = Case(convention, "holes")
    given = numbers(case)

    def rounded(array):
        return torch.tensor(array, dtype=getattr(torch, dtype)).double().numpy()

    given.x, given.h0 = rounded(given.x), rounded(given.h0)
    given.weights = [rounded(weight) for weight in given.weights]
    layer = build_layer(case, given.weights, dtype, **TRITON)
    x, h0 = (
        torch.tensor(a, dtype=getattr(torch, dtype), device=DEVICE, requires_grad=True)
        for a in (given.x, given.h0)
    )
    d_outputs, d_state, mask = (
        torch.tensor(a, device=DEVICE)
        for a in (given.d_outputs, given.d_state, given.mask)
    )
    outputs, state = layer(x, initial_state=h0, mask=mask)
    ((outputs * d_outputs).sum() + (state * d_state).sum()).backward()
    expected, expected_state, gradients = judge(case, given)

    def close(found, wanted, name):
        assert_close(found.detach().double().cpu().numpy(), wanted, dtype, name)

    close(outputs, expected, "outputs")
    close(state, expected_state, "final state")
    close(x.grad, gradients["x"], "x")
    close(h0.grad, gradients["h0"], "h0")
    for variable in layer.trainable_variables:
        name = variable.path.rpartition("/")[2]
        close(variable.value.grad, gradients[name], name)


def test_the_hyperbolic_tangent():
    """To the last bits near 0 as well, where 1 − e^−2a would have lost them."""

    @triton.jit
    def every(a, count: tl.constexpr):
        at = a + tl.arange(0, count)
        tl.store(at, programs.tanh(tl.load(at)))

    sizes = np.logspace(-30, 3, 509)
    a = np.concatenate([-sizes, sizes, [0.0, np.inf, -np.inf, 0.25, -0.25, np.nan]])
    found = torch.tensor(a, dtype=torch.float32, device=DEVICE)
    expected = np.tanh(found.double().cpu().numpy())
    with np.errstate(all="ignore"):  # the interpreter's own arithmetic
        every[(1,)](found, found.shape[0])
    np.testing.assert_allclose(
        found.double().cpu().numpy(), expected, rtol=4e-7, atol=0
    )


def test_it_keeps_no_gates_where_no_gradient_is_asked_for(monkeypatch):
    kept = []
    forward = function.walk
    monkeypatch.setattr(function, "walk", lambda *a: kept.append(a[-1]) or forward(*a))
    layer = keras_gru.GRU(3, **TRITON)
    x = np.ones((2, 4, 3), "float32")
    layer(x)
    with torch.no_grad():
        layer(x)
    assert kept == [True, False]


@pytest.fixture
def matmul():
    """torch's settings of products on a GPU, put back."""
    settings = torch.backends.cuda.matmul
    before = settings.allow_tf32
    yield settings
    settings.allow_tf32 = before


@pytest.mark.parametrize("allowed", [False, True])
def test_tensor_cores_take_float32_where_the_user_lets_them(
    allowed, matmul, monkeypatch
):
    matmul.allow_tf32 = allowed
    seen = []
    constants = function._constants
    monkeypatch.setattr(
        function, "_constants", lambda *a: seen.append(constants(*a)) or seen[-1]
    )
    with (
        contextlib.nullcontext()
        if not (GPU and allowed)
        else pytest.raises(
            AssertionError,
            match="differs",  # a tolerance of float32 sees TF32
        )
    ):
        check(Case("keep_before"), "float32", **TRITON)
    assert len(seen) == 2  # forward and backward
    for values in seen:
        assert values["PRECISION"] == ("tf32" if allowed else "tf32x3")


# Choice.


def _on_a_gpu(**changes):
    """The call as a machine with a GPU, and without the interpreter, would see it."""
    return call_of(
        Case("keep_before"),
        device="gpu",
        interpreted=False,
        processors=132,
        **changes,
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    ("changes", "left_to_cudnn"),
    [
        ({"units": 256}, False),
        ({"units": 128}, True),
        ({"units": 128, "training": True}, False),
        ({"units": 128, "dtype": "bfloat16"}, False),
        ({"units": 1024, "training": True}, True),
        ({"units": 1024, "use_cudnn": False}, False),
        ({"units": 1024, "dropout_masks": 3}, False),  # which cuDNN has not
    ],
    ids=str,
)
def test_what_auto_takes_on_a_gpu(convention, changes, left_to_cudnn):
    """cuDNN where it is faster and can: not with the reset before the product."""
    call = _on_a_gpu(**CONVENTIONS[convention], **changes)
    cudnn = left_to_cudnn and CONVENTIONS[convention]["reset_after"]
    explained = kernels.explain(call)
    assert explained.kernel == ("torch_native" if cudnn else "torch_triton")
    assert set(explained.refusals) == set(kernels.names()) - {explained.kernel}
    if cudnn:
        assert "cuDNN is faster" in explained.refusals["torch_triton"]
        named = dataclasses.replace(call, kernel="torch_triton")
        assert kernels.explain(named).kernel == "torch_triton"


@pytest.mark.skipif(GPU, reason="on a GPU nothing is interpreted")
def test_the_interpreter_runs_by_name_only():
    x = np.ones((2, 4, 3), "float32")
    for kernel, ran in (("auto", False), ("torch_triton", True)):
        layer = keras_gru.GRU(3, reset_after=False, kernel=kernel)
        with spy_on_kernels() as seen:
            layer(x)
        assert (seen.names == ["torch_triton"]) is ran
    reason = keras_gru.GRU(3).explain().refusals["torch_triton"]
    assert "interpreter" in reason
    call = call_of(Case("keep_before"), dtype="bfloat16")
    assert "not in bfloat16" in torch_triton.refusal(call)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"backend": "jax"}, "runs on torch"),
        ({"device": "cpu"}, "needs a GPU"),
        ({"dtype": "float64"}, "not in float64"),
        ({"activation": keras.activations.relu}, "no activation='relu', only tanh"),
        (
            {"recurrent_activation": keras.activations.tanh},
            "no recurrent_activation='tanh', only sigmoid",
        ),
        ({"recurrent_dropout": True}, "recurrent dropout"),
        ({"units": 1025}, "1024 units at most on this GPU, not 1025"),
        ({"unroll": True}, "unroll=True"),
        ({"exporting": True}, "export"),
        ({"compiled": True}, "torch.compile"),
        ({"triton": "it is not there"}, "it is not there"),
        # All programs of some rows must be on the GPU at the same time.
        ({"units": 500, "processors": 30}, "480 units at most on this GPU"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_why_it_refuses(changes, reason):
    call = _on_a_gpu(kernel="torch_triton")
    assert torch_triton.refusal(call) is None
    assert reason in torch_triton.refusal(altered(call, **changes))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("_installed", False, "pip install triton"),
        ("_capability", (7, 5), "capability 8.0; this GPU has 7.5"),
        ("_compiler", False, "no C compiler"),
    ],
)
def test_what_a_machine_may_lack(name, value, reason, monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(keras_gru.triton, "_capability", lambda: (9, 0))
    monkeypatch.setattr(keras_gru.triton, "_compiler", lambda: True)
    assert keras_gru.triton.missing("gpu") is None
    monkeypatch.setattr(keras_gru.triton, name, lambda: value)
    assert reason in keras_gru.triton.missing("gpu")


def test_a_model_is_built_and_trained_with_it():
    """Keras first runs a model on torch's meta device, which holds no numbers."""
    model = keras.Sequential(
        [keras.Input((3, 2)), keras_gru.GRU(4, reset_after=False, **TRITON)]
    )
    model.compile("sgd", "mse", run_eagerly=True)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 4))
    with spy_on_kernels() as seen:
        losses = model.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert set(seen.names) == {"torch_triton"}
    assert losses[1] < losses[0]


# The compiler.


def test_the_programs_compile(tmp_path):
    """To machine code that fits, and the programs meet as often as they must.

    Once a step, for the state; the reset before the product needs one meeting more.
    """
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.compile_triton"],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 24
    for row in rows:
        meetings = 2 - row["reset_after"]
        # One tells the others, one waits; where there are no others, a barrier.
        meets = row["sizes"] != "alone"
        assert row["atomics"] == (2 * meetings if meets else 0), row
        assert row["barriers"] == (2 * meetings if meets else meetings), row
        assert 0 < row["shared"] <= row["most_shared"], row
        assert row["bytes"] > 0, row


@pytest.mark.parametrize(
    ("batch", "units", "item", "resident", "columns", "split"),
    [
        (5000, 64, 4, True, 64, 1),  # one program a block of rows
        (5000, 128, 2, True, 128, 1),
        (64, 256, 4, True, 8, 4),
        (64, 512, 2, True, 16, 4),
        (128, 256, 4, True, 8, 4),  # two launches
        (144, 256, 4, False, 16, 1),  # three would be slower
        (16, 1024, 4, False, 16, 1),  # does not fit
        (16, 1024, 2, True, 16, 4),
        (128, 1024, 2, False, 16, 1),
    ],
)
def test_sizes_of_programs(batch, units, item, resident, columns, split):
    gpu = function.Gpu(132, 232448)
    sizes = function._sizes(batch, units, item, gpu)
    assert sizes["RESIDENT"] is resident
    assert (sizes["COLUMNS"], sizes["SPLIT"]) == (columns, split)
    assert function._blocks(units, columns) <= gpu.processors


# Deliberate faults, each seen by the comparison with the oracle.


@triton.jit
def _other_gate(z, h, n, KEEP: tl.constexpr):
    if KEEP:
        return (1 - z) * h + z * n
    return z * h + (1 - z) * n


@triton.jit
def _no_activation(a):
    return a


@triton.jit
def _no_columns(matrix, column, start, UNITS, WIDTH, SPLIT, DEPTH):
    k = tl.arange(0, DEPTH)[None, :, None]
    inside = (k < 0) & (column < 0)[None, None, :]
    return tl.load(matrix + k + column[None, None, :], mask=inside, other=0.0)


@triton.jit
def _rows_in_columns(matrix, column, start, UNITS, WIDTH, SPLIT, DEPTH):
    """The block's transpose, as if U were Uᵀ."""
    k = tl.arange(0, DEPTH)[None, :, None]
    inside = (k < UNITS) & (column < UNITS)[None, None, :]
    return tl.load(matrix + column[None, None, :] * WIDTH + k, mask=inside, other=0.0)


def _without_mask(*arguments, constants=function._constants):
    return constants(*arguments) | {"MASKED": False}


def _backward_with(change, backward=function.walk_back):
    return lambda *arguments: change(*backward(*arguments))


FAULTS = {
    "the update convention flipped": (programs, "mix", _other_gate),
    "no activation": (programs, "tanh", _no_activation),
    "no recurrent product": (programs, "columns_of", _no_columns),
    "U transposed": (programs, "columns_of", _rows_in_columns),
    "the mask forgotten": (function, "_constants", _without_mask),
    "the gradients of z and r swapped": (
        function,
        "walk_back",
        _backward_with(lambda d, terms: (d, (terms[1], terms[0], *terms[2:]))),
    ),
    "the gradient of the initial state lost": (
        function,
        "walk_back",
        _backward_with(lambda d, terms: (d * 0, terms)),
    ),
    "the last rows left out": (function, "_blocks", lambda size, block: 1),
}


@pytest.mark.parametrize("convention", ["keep_after", "replace_before"])
@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_the_comparison_turns_red(fault, convention, monkeypatch):
    case = Case(convention, "holes", shape=(17, 3, 2, 6))
    if fault is None:
        check(case, "float32", **TRITON)
        return
    monkeypatch.setattr(*FAULTS[fault])
    with pytest.raises(AssertionError, match="differs"):
        check(case, "float32", **TRITON)
