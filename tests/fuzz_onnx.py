"""``python -m tests.fuzz_onnx``: random models as ONNX files, against Keras.

A model is a function of the seed and its number. Half of its layers are recurrent, in
every convention, under masks of any form; its weights are random, biases too. Those
of the second kind have one layer more, which cannot be written: they must be refused by
its name. A failure prints the command that repeats it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import keras_gru
from tests.cases import CONVENTIONS
from tests.passes import to_numpy
from tests.tolerances import assert_close

CELL_ACTIVATIONS = ("tanh", "softsign", "hard_sigmoid", "elu", None)
GATE_ACTIVATIONS = ("sigmoid", "sigmoid", "hard_sigmoid")
ACTIVATIONS = ("relu", "tanh", "elu", "softplus", "silu", "selu", "linear", "softmax")


class Maker:
    """Draws one model, layer by layer."""

    def __init__(self, seed, number):
        self.rng = np.random.default_rng([seed, number])
        self.time = self.pick(None, None, 3, 6)
        self.inputs = []
        self.data = []
        self.batch = self.below(1, 5)
        self.timesteps = self.time or self.below(1, 9)

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def below(self, low, high):
        return int(self.rng.integers(low, high))

    def coin(self):
        return bool(self.rng.integers(2))

    def mask(self):
        """Right-padded, left-padded or with holes; a row may have no used step."""
        lengths = self.rng.integers(0, self.timesteps + 1, self.batch)
        mask = np.arange(self.timesteps) < lengths[:, None]
        match self.pick("right", "left", "any"):
            case "left":
                mask = mask[:, ::-1]
            case "any":
                mask = self.rng.random(mask.shape) < 0.6
        return mask

    def normal(self, *shape):
        return self.rng.normal(size=shape).astype("float32")

    def given(self, shape, data, dtype="float32"):
        self.inputs.append(keras.Input(shape, dtype=dtype))
        self.data.append(data)
        return self.inputs[-1]

    def start(self):
        """A sequence, of features or of embedded numbers, masked or not."""
        if self.coin():
            ids = self.rng.integers(1, 9, (self.batch, self.timesteps))
            x = self.given((self.time,), (ids * self.mask()).astype("int32"), "int32")
            return layers.Embedding(9, self.below(1, 6), mask_zero=self.coin())(x)
        features = self.below(1, 6)
        data = self.normal(self.batch, self.timesteps, features)
        masked = self.coin()
        if masked:
            data = data * self.mask()[..., None]
        x = self.given((self.time, features), data)
        return layers.Masking()(x) if masked else x

    def options(self, reset=True):
        gate, convention = self.pick(*GATE_ACTIVATIONS), {}
        if reset:
            convention = CONVENTIONS[self.pick(*CONVENTIONS)]
            if convention["update_gate"] == "keep":
                gate = self.pick(*GATE_ACTIVATIONS, "softsign")
        return {
            "activation": self.pick("tanh", *CELL_ACTIVATIONS),
            "recurrent_activation": gate,
            "use_bias": self.pick(True, True, False),
            **convention,
        }

    def layer(self, sequences, wrapped=False):
        """A recurrent layer, of Keras or ours."""
        backwards = {} if wrapped else {"go_backwards": self.coin()}
        how = {"return_sequences": sequences, **backwards}
        units = self.below(1, 6)
        zeros = {"zero_output_for_mask": sequences and self.coin()}
        match self.pick("ours", "ours", "ours", "keras", "lstm", "stack"):
            case "ours":
                return keras_gru.GRU(units, **self.options(), **how, **zeros)
            case "keras":
                reset = {"reset_after": self.coin()}
                options = {**self.options(False), **reset}
                return layers.GRU(units, **options, **how, **zeros)
            case "lstm":
                return layers.LSTM(units, **self.options(False), **how, **zeros)
        cells = [keras_gru.GRUCellV(self.below(1, 6), **self.options())]
        cells.append(
            self.pick(layers.GRUCell, layers.LSTMCell)(units, **self.options(False))
        )
        # Keras runs no list of one cell on TensorFlow and JAX.
        return layers.RNN(self.pick(cells, cells[1]), **how)

    def recurrent(self, x, sequences=True):
        match self.pick("plain", "plain", "both", "both", "state", "begun", "masked"):
            case "both":
                kind = self.pick(layers.Bidirectional, keras_gru.Bidirectional)
                merge = self.pick("concat", "concat", "sum", "mul", "ave")
                return kind(self.layer(sequences, wrapped=True), merge_mode=merge)(x)
            case "state":
                first = keras_gru.GRU(
                    units := self.below(1, 6), return_state=True, **self.options()
                )
                _, state = first(x)
                second = keras_gru.GRU(units, return_sequences=sequences)
                return second(x, initial_state=state)
            case "begun":
                options = {"return_sequences": sequences, "go_backwards": self.coin()}
                layer = keras_gru.GRU(units := self.below(1, 6), **options)
                state = self.given((units,), self.normal(self.batch, units))
                return layer(x, initial_state=state)
            case "masked" if x.shape[1] == self.time:
                mask = self.given((self.time,), self.mask(), "bool")
                return keras_gru.GRU(2, return_sequences=sequences)(x, mask=mask)
        return self.layer(sequences)(x)

    def other(self, x):
        """A layer from a sequence to a sequence."""
        features = x.shape[-1]
        match self.below(0, 14):
            case 0:
                return layers.Dense(self.below(1, 6), self.pick(*ACTIVATIONS))(x)
            case 1:
                return layers.TimeDistributed(layers.Dense(self.below(1, 6)))(x)
            case 2:
                drop = self.pick(layers.Dropout, layers.SpatialDropout1D)
                return drop(0.5)(x)
            case 3:
                return layers.LayerNormalization(scale=self.coin())(x)
            case 4:
                return layers.BatchNormalization(center=self.coin())(x)
            case 5:
                return layers.Activation(self.pick(*ACTIVATIONS))(x)
            case 6:
                parts = [x, layers.Dense(self.below(1, 6))(x)]
                return layers.Concatenate(axis=-1)(parts)
            case 7:
                merge = self.pick(layers.Add, layers.Multiply)
                return merge()([x, layers.Dense(features, use_bias=self.coin())(x)])
            case 8:
                how = self.pick(
                    {"padding": "causal", "dilation_rate": self.below(1, 3)},
                    {"padding": "same", "strides": self.below(1, 3)},
                    {"padding": "same", "dilation_rate": 2},
                )
                return layers.Conv1D(self.below(1, 6), self.below(1, 4), **how)(x)
            case 9:
                return layers.Reshape((-1, features))(x)
            case 10 if x.shape[1] is not None:
                return layers.Permute((2, 1))(x)
            case 11:
                inner = [keras.Input((x.shape[1], features)), layers.Dense(3)]
                inner.append(keras_gru.GRU(2, return_sequences=True))
                return keras.Sequential(inner)(x)
            case 12:
                return _Composed(self.below(1, 6))(x)
            case 13:
                attention = layers.Attention(use_scale=True, score_mode="dot")
                return attention([layers.Dense(features)(x), x])
        return layers.GaussianNoise(0.5)(x)

    def end(self, x):
        match self.pick("sequence", "last", "last", "average", "max", "flat"):
            case "last":
                return self.recurrent(x, sequences=False)
            case "average":
                return layers.GlobalAveragePooling1D(keepdims=self.coin())(x)
            case "max":
                return layers.GlobalMaxPooling1D()(x)
            case "flat" if x.shape[1] is not None:
                return layers.Softmax()(layers.Dense(3)(layers.Flatten()(x)))
        return x

    def model(self, between=None):
        """The model; `between` makes a layer of its own in the middle."""
        x = self.start()
        depth = self.below(1, 5)
        place = self.below(0, depth)
        for index in range(depth):
            if between is not None and index == place:
                x = between(self, x)
            x = self.recurrent(x) if self.coin() else self.other(x)
        return self.finished(self.end(x))

    def finished(self, outputs):
        model = keras.Model(self.inputs, outputs)
        for variable in model.weights:
            scale = 0.5 if len(variable.shape) < 2 else 1 / np.sqrt(variable.shape[0])
            value = self.rng.normal(size=variable.shape) * scale
            if "variance" in variable.path:
                value = np.abs(value) + 0.5
            if "seed" not in variable.path:
                variable.assign(value)
        return model


def _unknown(make):
    """A layer whose type cannot be written: named, and what can be listed."""

    def between(maker, x):
        layer = make()
        maker.refused = layer.name, "none of these layers: Activation"
        return layer(x)

    return between


class _Own(layers.Dense):
    """A subclass may compute anything, also what ONNX has not."""

    def call(self, inputs, training=None):
        return keras.ops.cumsum(super().call(inputs, training=training), 1)


class _Composed(layers.Layer):
    """A layer of layers and operations, that makes a mask where it got one."""

    def __init__(self, units):
        super().__init__()
        self.inner = keras_gru.GRU(units, return_sequences=True)
        self.dense = layers.Dense(units)

    def build(self, shape):
        self.scale = self.add_weight(shape=(1, shape[-1]), name="scale")

    def call(self, x, mask=None, training=None):
        y = self.inner(x * self.scale - keras.ops.mean(x, -1, keepdims=True), mask=mask)
        y = keras.ops.softmax(self.dense(y)) + keras.ops.maximum(y, 0.1)
        if mask is None:
            return y
        return keras.ops.where(keras.ops.expand_dims(mask, -1), y, 2.0)

    def compute_mask(self, x, mask=None):
        return None if mask is None else keras.ops.logical_not(mask)


def _named(reason, call):
    def between(maker, x):
        y, name = call(x)
        maker.refused = name, reason
        return y

    return between


def _called(layer, x, **arguments):
    return layer(x, **arguments), layer.name


def _over_the_third(x):
    """Of four axes."""
    layer = layers.LayerNormalization(axis=2)
    features = x.shape[-1]
    x = layer(layers.Reshape((-1, 1, features))(x))
    return layers.Reshape((-1, features))(x), layer.name


UNSUPPORTED = [
    *(
        _unknown(make)
        for make in (
            lambda: layers.SimpleRNN(3, return_sequences=True),
            lambda: layers.Lambda(lambda x: keras.ops.flip(x, 1)),
            lambda: layers.Conv1DTranspose(3, 1),
            lambda: layers.ZeroPadding1D(1),
            lambda: layers.SeparableConv1D(3, 1),
            lambda: layers.UnitNormalization(),
            lambda: layers.LeakyReLU(),
            lambda: layers.RMSNormalization(),
            lambda: layers.Normalization(),
            lambda: layers.EinsumDense("abc,cd->abd", (None, 3)),
            lambda: _Own(3),
        )
    ),
    _named(
        "its activation gelu is none",
        lambda x: _called(
            keras_gru.GRU(3, activation="gelu", return_sequences=True), x
        ),
    ),
    _named(
        "keep and replace are the same function",
        lambda x: _called(
            keras_gru.GRU(
                3,
                update_gate="replace",
                recurrent_activation="softsign",
                return_sequences=True,
            ),
            x,
        ),
    ),
    _named("training=True", lambda x: _called(layers.Dropout(0.5), x, training=True)),
    _named(
        "TimeDistributed can be written around",
        lambda x: _called(layers.TimeDistributed(layers.Flatten()), x),
    ),
    _named("not the last ones", _over_the_third),
    _named(
        "it computes in bfloat16",
        lambda x: _called(layers.Dense(2, dtype="bfloat16"), x),
    ),
    _named(
        "its cell _OwnCell is none",
        lambda x: _called(layers.RNN(_OwnCell(3), return_sequences=True), x),
    ),
]


class _OwnCell(keras_gru.GRUCellV):
    """So may that of a cell."""


def check(seed, number, folder) -> str:
    """One model that can be written; what it is made of."""
    import onnx
    import onnxruntime

    maker = Maker(seed, number)
    model = maker.model()
    expected = to_numpy(model(maker.data))
    path = str(Path(folder) / "model.onnx")
    keras_gru.export_onnx(model, path)
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, maker.data, strict=True)))
    nan = np.isnan(expected)  # the average of no steps is one
    assert np.array_equal(nan, np.isnan(found))
    # Gates are near 1: of outputs below 0.01 their rounding would be a larger share.
    found, expected = (np.append(np.nan_to_num(one), 0.01) for one in (found, expected))
    assert_close(found, expected, "onnx")
    nodes = [node.op_type for node in onnx.load(path).graph.node]
    return " ".join(one for one in nodes if one in ("GRU", "LSTM"))


def check_refused(seed, number, folder) -> str:
    """One model that cannot be written: the error names the layer, no file is left."""
    maker = Maker(seed, number)
    model = maker.model(UNSUPPORTED[number % len(UNSUPPORTED)])
    name, reason = maker.refused
    path = Path(folder) / "refused.onnx"
    with pytest.raises(ValueError, match=re.escape(reason)) as told:
        keras_gru.export_onnx(model, path)
    assert f"Layer {name!r}" in str(told.value), told.value
    assert not path.exists()
    return reason


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_onnx")
    parser.add_argument("--models", type=int, default=500, help="that can be written")
    parser.add_argument("--refused", type=int, default=200, help="that cannot")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # masks that a layer drops, as Keras says it
    failed = 0
    kinds = [
        (check, "--models", given.models),
        (check_refused, "--refused", given.refused),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for run, option, count in kinds:
            good = nodes = 0
            for number in range(given.first, given.first + count):
                keras.backend.clear_session()
                try:
                    nodes += len(run(given.seed, number, folder).split())
                    good += 1
                except Exception:
                    traceback.print_exc()
                    other = "--refused" if option == "--models" else "--models"
                    print(
                        f"again: python -m tests.fuzz_onnx --seed {given.seed} --first "
                        f"{number} {option} 1 {other} 0"
                    )
            told = f", {nodes} recurrent nodes" if run is check else ""
            print(f"{option[2:]}: {good} of {count}{told}")
            failed += count - good
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
