"""Which kernel runs, why no other one, and that it is true."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru import kernels
from keras_gru.surroundings import Surroundings
from tests import kernel_table
from tests.cases import CONVENTIONS
from tests.passes import spy_on_kernels, to_numpy
from tests.tolerances import assert_close

X = np.ones((3, 7, 5), "float32")


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_kernel_named_is_the_one_that_runs(convention, training, masked):
    layer = keras_gru.GRU(6, dropout=0.1, **CONVENTIONS[convention])
    with spy_on_kernels() as seen:
        layer(X, mask=np.ones((3, 7), bool) if masked else None, training=training)
    explained = layer.explain(X.shape, mask=masked, training=training)
    assert seen.names == [explained.kernel]


@pytest.mark.once
def test_the_table_of_readme():
    text = kernel_table.README.read_text(encoding="utf-8")
    assert kernel_table.render() in text, "`python -m tests.kernel_table` writes it"


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("input_shape", [None, (3, 7, 5), (None, None, 5)])
def test_every_other_kernel_has_a_reason(input_shape, built):
    layer = keras_gru.GRU(6)
    if built:
        layer(X)
    explained = layer.explain(input_shape)
    assert explained.kernel in kernels.names()
    assert set(explained.refusals) == set(kernels.names()) - {explained.kernel}


def test_the_text_is_a_table():
    """A head, then one line a kernel, in columns; below it the derivatives."""
    explained = keras_gru.GRU(6).explain()
    head, *rows, derivatives = str(explained).splitlines()
    assert derivatives == f"derivatives: {explained.derivatives}"
    assert head.split() == ["kernel", "why"]
    names = [explained.kernel, *explained.refusals]
    assert [row.split()[0] for row in rows] == names
    column = head.index("why")
    for row in rows:
        assert row[column - 2 : column] == "  "
        assert row[column] != " "


def test_a_refusal_stands_in_the_table(monkeypatch):
    """With a kernel that refuses and one that could run but is not preferred."""

    class Stub:
        def __init__(self, name, reason):
            self.__name__ = f"somewhere.{name}"
            self.DERIVATIVES = "every one"
            self.refusal = lambda call: reason

    stubs = (Stub("never", "the moon is full"), kernels.portable, Stub("later", None))
    monkeypatch.setattr(kernels, "KERNELS", stubs)
    explained = keras_gru.GRU(6).explain()
    assert explained.kernel == "portable"
    assert explained.refusals["never"] == "the moon is full"
    assert "portable is preferred" in explained.refusals["later"]
    assert "the moon is full" in str(explained)
    named = keras_gru.GRU(6, kernel="never")
    with pytest.raises(ValueError, match=r"kernel='never'.*the moon is full"):
        named(X)
    with pytest.raises(ValueError, match=r"kernel='never'.*the moon is full"):
        named.explain()
    later = keras_gru.GRU(6, kernel="later").explain()
    assert later.kernel == "later"
    assert later.refusals["portable"] == "kernel='later' was asked for"


def test_the_first_kernel_that_can_is_taken(monkeypatch):
    """A new kernel goes before `portable`, and neither layer nor cell changes."""
    ran = []

    class Fast:
        __name__ = "fast"
        DERIVATIVES = "every one"

        def refusal(self, call):
            return "it has no mask" if call.masked else None

        def run(self, call, tensors):
            ran.append(call)
            return kernels.portable.run(call, tensors)

    monkeypatch.setattr(kernels, "KERNELS", (Fast(), kernels.portable))
    layer = keras_gru.GRU(6)
    layer(X)
    assert len(ran) == 1
    layer(X, mask=np.ones((3, 7), bool))
    assert len(ran) == 1
    assert layer.explain().kernel == "fast"
    assert layer.explain(mask=True).kernel == "portable"
    assert layer.explain(mask=True).refusals["fast"] == "it has no mask"


def test_portable_by_name():
    layer = keras_gru.GRU(6, kernel="portable")
    assert layer.explain().kernel == "portable"
    with spy_on_kernels() as seen:
        layer(X)
    assert seen.names == ["portable"]


@pytest.mark.parametrize(
    "options",
    [
        {"reset_after": False},
        {"update_gate": "replace"},
        {"use_bias": False},
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"unroll": True},
        {"recurrent_dropout": 0.5},
    ],
    ids=str,
)
def test_use_cudnn_where_the_configuration_forbids_it(options):
    """True means: cuDNN or an error with the reason, on every backend."""
    layer = keras_gru.GRU(6, use_cudnn=True, **options)
    with pytest.raises(ValueError, match="use_cudnn=True") as error:
        layer(X, training=True)
    for name in kernels.names():
        assert name in str(error.value)
    with pytest.raises(ValueError, match="use_cudnn=True"):
        layer.explain(X.shape, training=True)


def _is_cudnn(kernel, call):
    return call.surroundings.device in kernel.ABILITIES.cudnn


def test_use_cudnn_on_this_machine():
    """Where no kernel of cuDNN can run the plainest GRU, True is an error."""
    layer = keras_gru.GRU(6, use_cudnn=True)
    call = layer._describe(X.shape, False, False)
    able = [kernel for kernel in kernels.KERNELS if _is_cudnn(kernel, call)]
    if any(kernel.refusal(call) is None for kernel in able):
        with spy_on_kernels() as seen:
            layer(X)
        assert seen.names[0] in map(kernels.name_of, able)
    else:
        with pytest.raises(ValueError, match="use_cudnn=True"):
            layer(X)


@pytest.mark.parametrize("use_cudnn", [False, "auto"])
def test_use_cudnn_otherwise_is_no_demand(use_cudnn):
    layer = keras_gru.GRU(6, use_cudnn=use_cudnn)
    assert tuple(layer(X).shape) == (3, 6)
    if use_cudnn is False:
        call = layer._describe(X.shape, False, False)
        for kernel in kernels.KERNELS:
            if _is_cudnn(kernel, call):
                reason = layer.explain().refusals[kernels.name_of(kernel)]
                assert "use_cudnn=False" in reason


@pytest.mark.parametrize("shape", [(3, 7), (3, 7, 5, 1)])
def test_explain_with_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"input_shape[\s\S]*batch, time, features"):
        keras_gru.GRU(6).explain(shape)


def test_the_call_is_described_as_it_is():
    """Every field a kernel decides by, from a layer that sets them all."""
    layer = keras_gru.GRU(
        6,
        activation="relu",
        recurrent_activation="hard_sigmoid",
        use_bias=False,
        dropout=0.1,
        recurrent_dropout=0.2,
        return_sequences=True,
        go_backwards=True,
        stateful=True,
        unroll=True,
        reset_after=False,
        update_gate="replace",
        dtype="float16",
    )
    with spy_on_kernels() as seen:
        layer(X, mask=np.ones((3, 7), bool), training=True)
    (call,) = seen.calls
    assert call.surroundings.backend == keras.backend.backend()
    assert call.dtype == "float16"
    assert (call.batch, call.timesteps, call.features, call.units) == (3, 7, 5, 6)
    assert (call.update_gate, call.reset_after) == ("replace", False)
    assert call.activation is keras.activations.relu
    assert call.recurrent_activation is keras.activations.hard_sigmoid
    assert call.use_bias is False
    flags = (call.return_sequences, call.go_backwards, call.unroll, call.stateful)
    assert all(flags)
    assert call.masked
    assert call.training
    assert call.dropout_masks == 3
    assert call.recurrent_dropout
    assert call.use_cudnn == "auto"
    (tensors,) = seen.tensors
    for tensor in (tensors.sequences, tensors.initial_state, tensors.kernel):
        assert keras.backend.standardize_dtype(tensor.dtype) == "float16"


@pytest.mark.skipif(
    Surroundings.of().device == "gpu", reason="the framework speaks of its GPU"
)
def test_no_word_of_a_gpu_where_there_is_none():
    """In a process of its own: each framework tells once that it found no GPU.

    TensorFlow does when it is imported and when it makes its first variable, which is
    in the constructor, as in that of Keras' layer: the dropout's seed.
    """
    code = (
        "import sys, keras, keras_gru; layer = keras_gru.GRU(4); "
        "print('made', file=sys.stderr, flush=True); "
        "print(layer.explain((2, 5, 3))); layer(keras.ops.zeros((2, 5, 3)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "portable" in done.stdout
    after = done.stderr.partition("made\n")[2].splitlines()
    assert [line for line in after if "cuda" in line.lower()] == []


@pytest.mark.parametrize(
    ("activation", "told"),
    [
        (functools.partial(keras.activations.elu, alpha=0.3), "elu(alpha=0.3)"),
        (keras.layers.ELU(0.3), "<ELU name="),
    ],
)
def test_a_parameter_of_an_activation(activation, told):
    """The compiled kernel has it; the scans say that they have not."""
    layer = keras_gru.GRU(3, activation=activation)
    found = layer.explain((2, 4, 5))
    scan = f"{keras.backend.backend()}_scan"
    assert told in found.refusals[scan]
    if Surroundings.of().native is None:
        assert found.kernel == "native_cpu"
        x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype("float32")
        native = to_numpy(layer(x))
        plain = keras_gru.GRU(3, activation=activation, kernel="portable")
        plain.build(x.shape)
        plain.set_weights(layer.get_weights())
        assert_close(native, to_numpy(plain(x)), "same_float32")
