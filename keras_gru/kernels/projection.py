"""The input's share of the gates, for all steps of a sequence in one product."""

from __future__ import annotations

import dataclasses
import functools

import keras
from keras import ops

from keras_gru import backends, equations, normalization
from keras_gru.equations import Tensor
from keras_gru.kernels.contract import SequenceTensors


def project_sequences(x: Tensor, tensors: SequenceTensors) -> Tensor:
    """`equations.project` of each step.

    Args:
        x: the sequences, `(time, batch, features)`; time comes first, so that
            a dropout mask `(batch, features)` meets every step.
        tensors: the kernel, the input bias, the gain and the dropout masks.

    Returns:
        `(time, batch, 3 * units)`; `x` as it is where there is no kernel, for then it
        is projected already.
    """
    if tensors.kernel is None:
        return x
    normalize = None
    if tensors.input_gain is not None:
        normalize = functools.partial(normalization.normalized, gain=tensors.input_gain)
    more = backends.current().concatenate, normalize
    weights = tensors.kernel, tensors.input_bias
    masks = tensors.dropout_masks
    if keras.backend.backend() != "tensorflow":
        return equations.project(x, *weights, masks, *more)
    # TensorFlow multiplies three dimensions by two slowly, and differentiates that more
    # slowly still.
    timesteps, batch, features = ops.shape(x)
    rows = (timesteps * batch, features)
    masks = tuple(
        ops.reshape(ops.broadcast_to(mask, ops.shape(x)), rows) for mask in masks
    )
    gates = equations.project(ops.reshape(x, rows), *weights, masks, *more)
    return ops.reshape(gates, (timesteps, batch, tensors.kernel.shape[1]))


def cleared(tensors: SequenceTensors) -> SequenceTensors:
    """The same with zeros at the masked steps of the sequences.

    What stands there must not matter, NaN and gradients included: 0 * NaN would reach
    the gradient of the kernel.
    """
    if tensors.mask is None:
        return tensors
    sequences = backends.current().where(
        ops.expand_dims(tensors.mask, -1),  # (batch, time, 1)
        tensors.sequences,
        ops.zeros_like(tensors.sequences),
    )
    return dataclasses.replace(tensors, sequences=sequences)


def time_major(sequences: Tensor, go_backwards: bool) -> Tensor:
    """`(batch, time, …)` → `(time, batch, …)`, in processing order."""
    sequences = ops.transpose(sequences, (1, 0, 2))
    return ops.flip(sequences, axis=0) if go_backwards else sequences
