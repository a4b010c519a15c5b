"""torch.nn.GRU and GRUCell to layers of Keras and back, on every backend of Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru.convert import ConversionError, from_torch, to_torch
from tests.tolerances import assert_close

torch = pytest.importorskip("torch", reason="torch is not installed")

BATCH, TIME, FEATURES, UNITS = 3, 7, 5, 4
X = np.random.default_rng(0).normal(size=(BATCH, TIME, FEATURES)).astype("float32")


def run_torch(module, x=X):
    first = isinstance(module, torch.nn.GRUCell) or module.batch_first
    with torch.no_grad():
        inputs = torch.tensor(x if first else x.swapaxes(0, 1))
        outputs = module.eval()(inputs)
    if isinstance(outputs, tuple):
        outputs = outputs[0]
    return outputs.numpy() if first else outputs.numpy().swapaxes(0, 1)


def run_keras(layer, x=X):
    return keras.ops.convert_to_numpy(layer(x))


def randomize(layer, seed=1):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) / 2)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_module_and_back(num_layers, bidirectional, bias, batch_first):
    torch.manual_seed(0)
    module = torch.nn.GRU(
        FEATURES,
        UNITS,
        num_layers=num_layers,
        bidirectional=bidirectional,
        bias=bias,
        batch_first=batch_first,
        dropout=0.25 if num_layers > 1 else 0.0,
        device="cpu",
    )
    layer = from_torch(module)
    assert_close(run_keras(layer), run_torch(module), "converted")
    back = to_torch(layer)
    for name in ("num_layers", "bidirectional", "bias", "dropout", "input_size"):
        assert getattr(back, name) == getattr(module, name)
    for name, array in module.state_dict().items():
        assert_close(back.state_dict()[name], array, "exact", name)


@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_and_back(bias):
    torch.manual_seed(0)
    module = torch.nn.GRUCell(FEATURES, UNITS, bias=bias, device="cpu")
    cell = from_torch(module)
    h = np.zeros((BATCH, UNITS), "float32")
    output, _ = cell(X[:, 0], h)
    assert_close(
        keras.ops.convert_to_numpy(output), run_torch(module, X[:, 0]), "converted"
    )
    back = to_torch(cell)
    assert type(back) is torch.nn.GRUCell
    for name, array in module.state_dict().items():
        assert_close(back.state_dict()[name], array, "exact", name)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_dtype_stays(dtype):
    module = torch.nn.GRU(FEATURES, UNITS, dtype=getattr(torch, dtype), device="cpu")
    layer = from_torch(module)
    assert layer.dtype_policy.name == dtype
    back = to_torch(layer)
    for name, array in module.state_dict().items():
        assert back.state_dict()[name].dtype == array.dtype
        assert torch.equal(back.state_dict()[name], array)


def stack(*layers):
    model = keras.Sequential([keras.Input((None, FEATURES)), *layers])
    randomize(model)
    return model


def gru(**options):
    return keras_gru.GRU(UNITS, return_sequences=True, **options)


def test_layers_of_both_kinds_and_conventions():
    model = stack(
        gru(update_gate="replace"),
        keras.layers.Dropout(0.3),
        keras.layers.GRU(UNITS, return_sequences=True),
        keras.layers.Dropout(0.3),
        keras.layers.RNN(keras_gru.GRUCellV(UNITS), return_sequences=True),
    )
    module = to_torch(model)
    assert module.dropout == 0.3
    assert_close(run_torch(module), run_keras(model), "converted")
    assert_close(run_torch(to_torch(model.layers)), run_keras(model), "converted")


@pytest.mark.parametrize(
    ("layers", "term"),
    [
        ([gru(reset_after=False)], "U_n"),
        ([gru(dropout=0.2)], "dropout=0.2"),
        ([gru(recurrent_dropout=0.2)], "recurrent_dropout=0.2"),
        ([gru(go_backwards=True)], "go_backwards=True"),
        ([keras.layers.Bidirectional(gru(), merge_mode="sum")], "merge_mode='sum'"),
        ([gru(activation="relu")], "activation=relu"),
        ([keras.layers.Dropout(0.1), gru()], "dropout, gru"),
        ([gru(), keras.layers.Dropout(0.1), gru(), gru()], "dropout"),
        (
            [gru(), keras.layers.Dropout(0.1), gru(), keras.layers.Dropout(0.2), gru()],
            "dropout",
        ),
    ],
)
def test_what_torch_does_not_compute_is_refused(layers, term):
    copies = [type(one).from_config(one.get_config()) for one in layers]
    names = [f"{one.name}_{index}" for index, one in enumerate(copies)]
    for one, name in zip(copies, names, strict=True):
        one.name = name
    with pytest.raises(ConversionError) as caught:
        to_torch(stack(*copies))
    assert any(part in caught.value.term for part in (term, *names))


def test_stateful_is_refused():
    layer = gru(stateful=True)
    layer.build((2, None, FEATURES))
    with pytest.raises(ConversionError, match="stateful=True"):
        to_torch(layer)


def test_what_is_no_gru():
    with pytest.raises(TypeError, match=r"torch\.nn\.GRU"):
        from_torch(torch.nn.LSTM(2, 3, device="cpu"))
    with pytest.raises(TypeError, match="must be a GRU"):
        to_torch(stack(gru(), keras.layers.Dense(3)))
