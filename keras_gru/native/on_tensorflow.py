"""The C++ GRU as TensorFlow operations, with a gradient."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import tensorflow as tf

from keras_gru.equations import Tensor
from keras_gru.native import library
from keras_gru.native.library import Options

LIBRARY = "libkeras_gru_tensorflow.so"


def refusal() -> str | None:
    """Why TensorFlow, as it stands at this moment, cannot call the library."""
    if (reason := _operations()[1]) is not None:
        return reason
    if tf.config.list_physical_devices("GPU"):
        return "it runs on the CPU, and TensorFlow has a GPU"
    return None


def run(
    options: Options,
    sequences: Tensor,
    weights: tuple[Tensor | None, ...],
    mask: Tensor | None,
    return_states: bool,
) -> tuple[Tensor | None, Tensor]:
    """Runs all steps; differentiable once, eagerly and in graphs.

    Args:
        options: the convention. As many threads work as TensorFlow is set to use.
            Without `training` the forward pass keeps nothing, and runs a second
            time if a gradient is taken after all.
        sequences: `(batch, time, features)`, or `(batch, time, 3 * units)` where the
            kernel is None and they are projected already.
        weights: kernel, input bias, initial state, recurrent kernel and recurrent
            bias; kernel and biases may be None.
        mask: `(batch, time)` bool, or None.
        return_states: whether the states of all steps are wanted.

    Returns:
        The states `(batch, time, units)` or None, and the final state.
    """
    absent = tf.zeros((0,), sequences.dtype)
    kernel, input_bias, initial_state, recurrent_kernel, recurrent_bias = (
        absent if weight is None else weight for weight in weights
    )
    operations, reason = _operations()
    if operations is None:
        raise RuntimeError(reason)
    states, final_state, _ = operations.keras_gru_forward(
        sequences=sequences,
        kernel=kernel,
        input_bias=input_bias,
        initial_state=initial_state,
        recurrent_kernel=recurrent_kernel,
        recurrent_bias=recurrent_bias,
        mask=tf.zeros((0,), tf.bool) if mask is None else mask,
        options=options.as_integers(_threads()),
        wanted=[return_states or options.training, True, options.training],
    )
    batch, timesteps, _ = sequences.shape
    units = initial_state.shape[1]
    final_state = tf.ensure_shape(final_state, (batch, units))
    if not return_states:
        return None, final_state
    return tf.ensure_shape(states, (batch, timesteps, units)), final_state


@functools.cache
def _operations() -> tuple[Any, str | None]:
    """The module with the operations or None, and the reason why it is None."""
    if (reason := library.missing()) is not None:
        return None, reason
    where = library.path(LIBRARY)
    if not where.exists():
        return None, f"{LIBRARY} was not built; reinstall keras_gru"
    try:
        operations = tf.load_op_library(str(where))
    except (tf.errors.OpError, OSError) as failure:
        return None, f"{LIBRARY} does not load: {failure}"
    describe = ctypes.CDLL(str(where)).gru_tensorflow_error
    describe.restype = ctypes.c_char_p
    if error := describe().decode():
        return None, f"TensorFlow does not take the operations: {error}"
    tf.RegisterGradient("KerasGruForward")(_gradient)
    tf.RegisterGradient("KerasGruBackward")(_second_gradient)
    return operations, None


def _threads() -> int:
    # 0: TensorFlow chooses, and takes all processors.
    setting = tf.config.threading.get_intra_op_parallelism_threads()
    return setting or library.available_processors()


def _gradient(
    operation: Any,
    states_gradient: Tensor | None,
    final_gradient: Tensor | None,
    _: Any,
) -> list[Tensor | None]:
    """The gradient of `KerasGruForward`, by its inputs."""
    operations, _ = _operations()
    inputs = list(operation.inputs)
    sequences, kernel, _, initial_state, recurrent_kernel, _, mask = inputs
    options = operation.get_attr("options")
    wanted = operation.get_attr("wanted")
    states, _, saved = operation.outputs
    if not wanted[2]:
        states, _, saved = operations.keras_gru_forward(
            *inputs, options=options, wanted=[True, True, True]
        )
    arrays = inputs[:-1]
    skipped = getattr(operation, "skip_input_indices", None) or ()
    needed = [
        index not in skipped and array.shape != (0,)
        for index, array in enumerate(arrays)
    ]
    absent = tf.zeros((0,), sequences.dtype)
    if states_gradient is None or not wanted[0]:
        states_gradient = absent
    if final_gradient is None:
        final_gradient = absent
    gradients = operations.keras_gru_backward(
        sequences,
        kernel,
        initial_state,
        recurrent_kernel,
        mask,
        states,
        saved,
        states_gradient,
        final_gradient,
        options=options,
        wanted=needed,
    )
    return [
        *(
            tf.ensure_shape(gradient, array.shape) if need else None
            for gradient, array, need in zip(gradients, arrays, needed, strict=True)
        ),
        None,
    ]


def _second_gradient(operation: Any, *gradients: Tensor | None) -> None:
    raise NotImplementedError(library.NO_SECOND_DERIVATIVE)
