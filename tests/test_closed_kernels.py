"""What is put around a closed kernel: any mask, both update gates, both directions.

cuDNN itself needs a GPU. Here a stand-in of the same abilities takes its place: no
mask, forward, keep, reset after. So all that this package adds to cuDNN is tested;
that cuDNN does what its documentation says is not.
"""

from __future__ import annotations

import dataclasses
import importlib

import keras
import numpy as np
import pytest

from keras_gru import keras_private
from keras_gru.kernels import closed, portable, tensorflow_cudnn
from tests.cases import AFTER, MASKS, SHAPES, Case, numbers
from tests.contract import altered, call_of, expected_of, tensors_of
from tests.passes import BACKEND, to_numpy
from tests.tolerances import assert_close


def _stand_in(tensors):
    """The states of the plainest GRU, by a kernel that other tests vouch for."""
    assert tensors.mask is None
    case = Case("keep_after", option="default" if _biased(tensors) else "no_bias")
    return portable.run(call_of(case), tensors).states


def _biased(tensors):
    return tensors.input_bias is not None


@pytest.mark.parametrize("option", ["default", "backwards", "no_bias"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("convention", AFTER)
def test_states_and_final_state(convention, mask, option):
    case = Case(convention, mask, option)
    given = numbers(case)
    states, final_state = closed.run(_stand_in, call_of(case), tensors_of(case, given))
    expected = expected_of(case, given)
    assert_close(to_numpy(states), expected.states, "float32")
    assert_close(to_numpy(final_state), expected.final_state, "float32")


@pytest.mark.parametrize("shape", SHAPES)
def test_sizes(shape):
    case = Case("replace_after", "holes", shape=shape)
    given = numbers(case)
    states, _ = closed.run(_stand_in, call_of(case), tensors_of(case, given))
    assert_close(to_numpy(states), expected_of(case, given).states, "float32")


def test_a_dropout_mask_on_the_input():
    case = Case("keep_after", "holes")
    given = numbers(case)
    batch, _, features, _ = case.shape
    dropped = np.random.default_rng(1).uniform(0.5, 2, (batch, features))
    dropped = dropped.astype("float32")
    call = dataclasses.replace(call_of(case), dropout_masks=1)
    tensors = tensors_of(
        case, given, dropout_masks=(keras.ops.convert_to_tensor(dropped),)
    )
    states, _ = closed.run(_stand_in, call, tensors)
    expected = expected_of(case, given, dropout_masks=[dropped]).states
    assert_close(to_numpy(states), expected, "float32")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a kernel of TensorFlow")
@pytest.mark.parametrize("convention", AFTER)
def test_what_tensorflow_cudnn_hands_to_keras(convention, monkeypatch):
    """The bias as Keras has it, and no mask: Keras' function takes it from there."""

    def gru(sequences, state, mask, kernel, recurrent_kernel, bias, **options):
        assert mask is None
        assert options["return_sequences"] is True
        layer = keras.layers.GRU(state.shape[1], return_sequences=True)
        layer.build(sequences.shape)
        layer.set_weights(list(map(to_numpy, (kernel, recurrent_kernel, bias))))
        return None, layer(sequences, initial_state=state), None

    module, _, name = keras_private.TENSORFLOW_GRU.partition(":")
    monkeypatch.setattr(importlib.import_module(module), name, gru)
    case = Case(convention, "empty_row")
    given = numbers(case)
    call = call_of(case, device="gpu")
    assert tensorflow_cudnn.refusal(call) is None
    states, _ = tensorflow_cudnn.run(call, tensors_of(case, given))
    assert_close(to_numpy(states), expected_of(case, given).states, "float32")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a kernel of TensorFlow")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "cpu"}, "it needs a GPU"),
        ({"compiled": True}, "XLA"),
        ({"use_bias": False}, "needs a bias"),
        ({"reset_after": False}, "after the recurrent product only"),
        ({"activation": keras.activations.relu}, "no activation='relu', only tanh"),
        ({"unroll": True}, "unroll=True"),
        ({"recurrent_dropout": True}, "recurrent dropout"),
        ({"dropout_masks": 3}, "implementation=1"),
        ({"exporting": True}, "export"),
    ],
    ids=str,
)
def test_why_tensorflow_cudnn_refuses(changes, reason):
    call = call_of(Case("keep_after"), device="gpu")
    assert reason in tensorflow_cudnn.refusal(altered(call, **changes))
