"""The C++ kernel called from torch."""

from __future__ import annotations

import numpy as np
import pytest

from keras_gru import GRU, kernels
from keras_gru.kernels import native_cpu
from tests.native.arrays import draw, expected, needs_library, run
from tests.passes import BACKEND, spy_on_kernels
from tests.tolerances import assert_close

if BACKEND != "torch":
    pytest.skip("for the torch backend", allow_module_level=True)

import torch

from keras_gru.native import on_torch
from keras_gru.native.library import Options

pytestmark = needs_library
OPTIONS = Options(True, "keep", "tanh", "sigmoid", False)


def tensors(numbers, requires_grad=True, dtype=torch.float64):
    return [
        torch.tensor(array, dtype=dtype, requires_grad=requires_grad)
        for array in numbers.arrays
    ]


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("update_gate", ["keep", "replace"])
def test_gradcheck(reset_after, update_gate):
    numbers = draw((3, 5, 4, 6), "holes")
    options = Options(reset_after, update_gate, "tanh", "sigmoid", True)
    mask = torch.tensor(numbers.mask)

    def function(x, *weights):
        return run(options, (x, *weights), mask, True)

    assert torch.autograd.gradcheck(function, tensors(numbers))


def test_tensors_that_are_not_contiguous():
    """Transposed, strided and expanded ones, gradients that come down too."""
    numbers = draw((3, 5, 4, 6), "holes")
    wanted = expected(numbers, reset_after=True)
    dense = tensors(numbers)
    x, *weights = (
        torch.stack([t, torch.zeros_like(t)], -1)[..., 0] if t.dim() == 1 else t.mT
        for t in dense
    )
    x, *weights = (t if t.dim() == 1 else t.contiguous().mT for t in (x, *weights))
    mask = torch.tensor(numbers.mask).mT.contiguous().mT
    assert not x.is_contiguous()
    assert not mask.is_contiguous()
    states, final_state = run(OPTIONS, (x, *weights), mask, True)
    incoming = torch.tensor(numbers.states_gradient).mT.contiguous().mT
    gradients = torch.autograd.grad(
        [states, final_state], dense, [incoming, torch.tensor(numbers.final_gradient)]
    )
    for a, b in zip((states, final_state, *gradients), wanted, strict=True):
        assert_close(a.detach().numpy(), b, "float64")


def test_an_expanded_gradient():
    numbers = draw((3, 5, 4, 6))
    numbers.states_gradient = np.ones_like(numbers.states_gradient)
    numbers.final_gradient = np.zeros_like(numbers.final_gradient)
    arrays = tensors(numbers)
    states, _ = run(OPTIONS, arrays, None, True)
    # The gradient of a sum is one number, expanded.
    gradients = torch.autograd.grad(states.sum(), arrays)
    for a, b in zip(gradients, expected(numbers, reset_after=True)[2:], strict=True):
        assert_close(a.numpy(), b, "float64")


def test_inference_saves_nothing():
    numbers = draw((3, 5, 4, 6))
    arrays = tensors(numbers)
    with torch.no_grad():
        states, final_state = run(OPTIONS, arrays, None, False)
    assert states is None
    assert final_state.grad_fn is None
    fixed = tensors(numbers, requires_grad=False)
    states, _ = run(OPTIONS, fixed, None, True)
    assert states.grad_fn is None


def test_backward_twice_through_a_graph_that_is_kept():
    numbers = draw((3, 5, 4, 6))
    arrays = tensors(numbers)
    states, _ = run(OPTIONS, arrays, None, True)
    first = torch.autograd.grad(states.sum(), arrays, retain_graph=True)
    second = torch.autograd.grad(states.sum(), arrays)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_threads_follow_torch(monkeypatch):
    seen = []
    monkeypatch.setattr(
        on_torch.library, "forward", lambda one: seen.append(one[0].threads)
    )
    arrays = tensors(draw((3, 5, 4, 6)), requires_grad=False)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run(OPTIONS, arrays, None, True)
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 2]


def test_refusals(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert GRU(6).explain().kernel == "native_cpu"
    assert "torch.compile" in GRU(6).explain().refusals["torch_native"]


def test_a_layer_trains_with_it():
    layer = GRU(6, kernel="native_cpu")
    x = torch.randn(3, 5, 4)
    with spy_on_kernels() as seen:
        layer(x).sum().backward()
    assert seen.names == ["native_cpu"]
    assert all(v.value.grad is not None for v in layer.trainable_variables)
    assert kernels.KERNELS[0] is native_cpu
