"""Layer normalisation of the products, beside what the oracle proves in its cases."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS, Case, numbers
from tests.passes import BACKEND, to_numpy
from tests.tolerances import assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")


def _layer(convention, **options):
    """A layer and its weights, random ones."""
    case = Case(convention, option="layer_norm")
    weights = numbers(case).weights
    layer = keras_gru.GRU(6, **case.options, **options)
    layer.build(X.shape)
    layer.set_weights(weights)
    return layer, weights


def test_the_gains_follow_the_weights_of_keras():
    layer = keras_gru.GRU(6, layer_normalization=True)
    layer.build(X.shape)
    names = [variable.name for variable in layer.weights[:4]]
    assert names == ["kernel", "recurrent_kernel", "bias", "gamma"]
    assert_close(layer.get_weights()[3], np.ones((2, 18)), "exact")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_size_of_a_kernel_does_not_matter(convention):
    """W and U eightfold: the same outputs, but for ε. A sign does matter."""
    layer, (kernel, recurrent_kernel, *rest) = _layer(convention)
    state = np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
    expected = to_numpy(layer(X, initial_state=state))
    layer.set_weights([8 * kernel, 8 * recurrent_kernel, *rest])
    larger = to_numpy(layer(X, initial_state=state))
    assert_close(larger, expected, "without_epsilon")
    layer.set_weights([-kernel, recurrent_kernel, *rest])
    assert np.abs(to_numpy(layer(X, initial_state=state)) - expected).max() > 0.1


@pytest.mark.skipif(BACKEND != "torch", reason="written with torch's functions")
def test_it_is_hastes():
    """The formula of haste's LayerNormGRU, from torch's own layer normalisation."""
    import torch

    layer, weights = _layer("keep_after")
    w, u, (b, c), gains = (torch.tensor(v, dtype=torch.float32) for v in weights)
    h, norm = torch.zeros(3, 6), torch.nn.functional.layer_norm
    for x in torch.tensor(X).unbind(1):
        left = norm(x @ w, (18,), weight=gains[0]) + b
        right = norm(h @ u, (18,), weight=gains[1]) + c
        (x_z, x_r, x_n), (h_z, h_r, h_n) = left.chunk(3, 1), right.chunk(3, 1)
        z, r = torch.sigmoid(x_z + h_z), torch.sigmoid(x_r + h_r)
        h = z * h + (1 - z) * torch.tanh(x_n + r * h_n)
    assert_close(to_numpy(layer(X))[:, -1], h.numpy(), "same_float32")


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_sums_in_float32(dtype):
    """Squares of such products are past the largest number of float16."""
    layer, weights = _layer("keep_after", dtype=dtype)
    single, _ = _layer("keep_after")
    outputs = to_numpy(keras.ops.cast(layer(100 * X), "float32"))
    expected = to_numpy(single(100 * X))
    assert_close(outputs, expected, dtype.removeprefix("mixed_"))
    assert len(weights) == 4


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_in_bidirectional(convention):
    options = {**CONVENTIONS[convention], "layer_normalization": True}
    both = keras.layers.Bidirectional(
        keras_gru.GRU(6, return_sequences=True, **options)
    )
    outputs = to_numpy(both(X))
    for layer, half in ((both.forward_layer, 0), (both.backward_layer, 1)):
        alone = to_numpy(layer(X))
        alone = alone[:, ::-1] if half else alone
        assert_close(outputs[..., 6 * half : 6 * half + 6], alone, "same_float32")
    model = keras.Sequential([keras.Input((7, 5)), both])
    model.compile("sgd", "mse")
    before = [np.array(w) for w in model.get_weights()]
    model.fit(X, np.ones((3, 7, 12)), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(new - old).max() > 0


@pytest.mark.parametrize("layer_normalization", [False, True])
def test_explained(layer_normalization):
    layer = keras_gru.GRU(6, layer_normalization=layer_normalization)
    explained = layer.explain()
    reason = "it has no layer normalisation"
    assert (explained.refusals.get("native_cpu") == reason) == layer_normalization
