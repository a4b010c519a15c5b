"""TensorFlow: cuDNN, through the function of Keras' own backend."""

from __future__ import annotations

from dataclasses import replace

import keras

from keras_gru import keras_private
from keras_gru.equations import Tensor
from keras_gru.kernels import closed
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors

DERIVATIVES = (
    "cuDNN has the first in reverse mode only: pass kernel='tensorflow_scan' for others"
)

ABILITIES = replace(
    closed.ABILITIES,
    backends=("tensorflow",),
    devices=("gpu",),
    cudnn=("gpu",),
    without_bias=False,  # so is Keras' function
)

refusal = ABILITIES.lacks


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    return closed.run(_states, call, tensors)


def _states(tensors: SequenceTensors) -> Tensor:
    import tensorflow as tf

    gru = keras_private.get(keras_private.TENSORFLOW_GRU)
    _, states, _ = gru(
        tensors.sequences,
        tensors.initial_state,
        mask=None,
        kernel=tensors.kernel,
        recurrent_kernel=tensors.recurrent_kernel,
        bias=tf.stack([tensors.input_bias, tensors.recurrent_bias]),
        activation=keras.activations.tanh,
        recurrent_activation=keras.activations.sigmoid,
        return_sequences=True,
    )
    return states
