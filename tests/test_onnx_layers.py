"""`keras_gru.export_onnx`: every other layer, operations, and what is made of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_gru
from tests.onnx_files import compare, export, onnxruntime, run
from tests.passes import to_numpy
from tests.tolerances import assert_close

pytest.importorskip("onnx")
from keras_gru.onnx.layers import WRITERS
from keras_gru.onnx.operations import OPERATIONS

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not support masking and will therefore destroy:UserWarning"
)


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
    "Rescaling": [_one(lambda: layers.Rescaling(2.0, offset=-0.5))],
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


def _of_operations(x, y, ids, flag):
    """Operations on (batch, 7, 5) twice, whole numbers and bools (batch, 7)."""
    wide = ops.expand_dims(flag, -1)
    return {
        "Add": x + 2,
        "Any": ops.any(flag, axis=1),
        "Cast": ops.cast(flag, "float32"),
        "Concatenate": ops.concatenate([x, y], axis=1),
        "ConvertToTensor": ops.convert_to_tensor(x),
        "Equal": ops.equal(ids, 3),
        "Exp": ops.exp(x),
        "ExpandDims": ops.expand_dims(x, (0, -1)),
        "GetItem": x[:, 1:-1:2, None, ..., 2],
        "Log": ops.log(ops.exp(y)),
        "LogSoftmax": ops.log_softmax(x),
        "LogicalAnd": ops.logical_and(flag, ops.equal(ids, 3)),
        "LogicalNot": ops.logical_not(flag),
        "LogicalOr": ops.logical_or(flag, ops.equal(ids, 3)),
        "Matmul": ops.matmul(x, ops.transpose(y, (0, 2, 1))),
        "Max": ops.max(x, axis=(1, 2), keepdims=True),
        "Maximum": ops.maximum(ids, 2),
        "Mean": ops.mean(x, axis=1),
        "Minimum": ops.minimum(x, y),
        "Multiply": ids * ids,
        "Negative": -x,
        "NotEqual": ops.not_equal(x, y),
        "OnesLike": ops.ones_like(ids),
        "Relu": ops.relu(x),
        "Repeat": ops.repeat(x, 3, axis=1),
        "Reshape": ops.reshape(x, (-1, 5, 7)),
        "Sigmoid": ops.sigmoid(x),
        "Softmax": ops.softmax(x, axis=1),
        "Sqrt": ops.sqrt(ops.square(x)),
        "Square": ops.square(ids),
        "Squeeze": ops.squeeze(wide),
        "Subtract": 1.0 - x,
        "Sum": ops.sum(flag, axis=None),
        "Swapaxes": ops.swapaxes(x, 0, -1),
        "Take": ops.take(x, np.array([3, 0]), axis=1),
        "Tanh": ops.tanh(x),
        "TopK": ops.top_k(x, 2)[0],
        "TopK, where": ops.top_k(x, 2)[1],
        "Transpose": ops.transpose(x, (2, 0, 1)),
        "TrueDivide": ids / 2,
        "Where": ops.where(wide, x, ids[..., None]),
        "ZerosLike": ops.zeros_like(x, dtype="int32"),
    }


def test_operations(tmp_path):
    """Each alone, its dtype too; nodes that are not there would change the numbers."""
    inputs = [
        keras.Input((7, 5)),
        keras.Input((7, 5)),
        keras.Input((7,), dtype="int32"),
        keras.Input((7,), dtype="bool"),
    ]
    outputs = _of_operations(*inputs)
    assert {name.partition(",")[0] for name in outputs} == set(OPERATIONS)
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(4, 7, 5)).astype("float32") for _ in range(2)]
    given += [rng.integers(0, 6, (4, 7)).astype("int32"), rng.random((4, 7)) < 0.5]
    model = keras.Model(inputs, outputs)
    expected = keras.tree.flatten(model(given))
    found = run(export(model, tmp_path), *given)
    for name, one, other in zip(sorted(outputs), found, expected, strict=True):
        other = to_numpy(other)
        assert one.dtype.kind == other.dtype.kind, name
        assert one.shape == other.shape, name
        assert_close(one.astype("float32"), other.astype("float32"), "onnx", name)


class _Scored(layers.Layer):
    """Layers and operations, a weight in several of them; it makes a mask."""

    def __init__(self):
        super().__init__(name="scored")
        self.inner = keras_gru.GRU(5, return_sequences=True)

    def build(self, shape):
        self.table = self.add_weight(shape=(shape[-1], 5), name="table")

    def call(self, x, mask=None, training=None):
        y = self.inner(x, mask=mask) + ops.take(self.table, [0, 2, 1, 0, 3, 4, 1], 0)
        y = ops.matmul(y, ops.transpose(self.table))
        return y * 3 if training else y

    def compute_mask(self, x, mask=None):
        return None if mask is None else ops.logical_not(mask)


@pytest.mark.parametrize("masked", [False, True])
def test_a_layer_of_your_own(masked, tmp_path):
    x = keras.Input((7, 5))
    y = layers.Masking()(x) if masked else x
    scored = _Scored()
    model = keras.Model(x, keras_gru.GRU(2)(scored(scored(y))))
    data = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    data[0, 4:] = 0.0
    compare(model, export(model, tmp_path), data)


def test_attention_under_masks(tmp_path):
    x, used = keras.Input((None, 5)), keras.Input((None,), dtype="bool")
    y = layers.Masking()(x)
    attention = layers.Attention(use_scale=True)
    explicit = layers.Attention()(
        [y, x], mask=[None, used], return_attention_scores=True
    )
    outputs = [keras_gru.GRU(2)(attention([y, y])), *explicit]
    model = keras.Model([x, used], outputs)
    data = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    data[0, 4:] = 0.0
    compare(model, export(model, tmp_path), data, data[..., 0] > 0)


class _Loops(layers.Layer):
    def call(self, x):
        return ops.scan(lambda state, one: (state + one, state), x[0], x)[1]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: _Loops(name="it"), "`call` made of them: "),
        (lambda: layers.Lambda(lambda x: ops.flip(x, 1), name="it"), "Operation 'flip"),
        (lambda: layers.SimpleRNN(3, name="it"), "a loop of its own"),
    ],
    ids=["scan", "flip", "loop"],
)
def test_what_cannot_be_made_of_them_is_refused(layer, reason, tmp_path):
    x = keras.Input((7, 5))
    with pytest.raises(ValueError, match=f"Layer 'it' .*{reason}"):
        export(keras.Model(x, layer()(x)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_operation_that_cannot_be_written_is_refused(tmp_path):
    x = keras.Input((7, 5))
    model = keras.Model(x, ops.cumsum(x, 1))
    with pytest.raises(ValueError, match=r"Operation 'cumsum.*none of these oper"):
        export(model, tmp_path)
