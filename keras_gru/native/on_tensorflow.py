"""The C++ GRU as TensorFlow operations, with a gradient."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_gru.autodiff import Arrays, Tensors, on_tensorflow
from keras_gru.equations import Tensor
from keras_gru.native import library
from keras_gru.native.function import ARRAYS, CONSTANTS, Native, each_pass
from keras_gru.native.library import Options
from keras_gru.native.tensorflow_library import operations


def differentiable(function: Native, arrays: Arrays, constants: Arrays) -> Tensors:
    """The outputs of the kernel.

    The gradient is registered with the operation and not made by
    `autodiff.on_tensorflow.differentiable`, which would not learn which inputs
    TensorFlow wants no gradient of: that of the first layer's sequences is a large
    product for nothing.
    """
    # Without `training` nothing is saved, and the forward pass runs a second time if a
    # gradient is taken after all.
    outputs, _ = function.forward(arrays, constants, save=function.training)
    return outputs


def forward(
    options: Sequence[Options],
    arrays: Arrays,
    constants: Arrays,
    return_states: bool,
    save: bool,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Runs all steps; arguments and results are those of `on_torch.forward`.

    What is not wanted has no elements. As many threads work as TensorFlow is set to
    use.
    """
    loaded, reason = operations()
    if loaded is None:
        raise RuntimeError(reason)
    sequences, initial_state = arrays[0], arrays[3]
    assert sequences is not None
    assert initial_state is not None
    dtype, passes = sequences.dtype, len(options)
    inputs = [
        tensor
        for given, more in zip(
            each_pass(arrays, ARRAYS), each_pass(constants, CONSTANTS), strict=True
        )
        for tensor in (*_all(given, dtype), *_constants(more, dtype))
    ]
    states, *others = loaded.keras_gru_forward(
        inputs,
        T=dtype,
        options=_integers(options),
        wanted=[return_states, *[True] * passes, *[save] * passes],
        passes=passes,
        count=1 + 2 * passes,
    )
    finals, saved = others[:passes], others[passes:]
    batch, timesteps, _ = sequences.shape
    units = initial_state.shape[1]
    if return_states:
        states.set_shape((batch, timesteps, passes * units))
    for final_state in finals:
        final_state.set_shape((batch, units))
    return states, finals, saved


def backward(
    options: Sequence[Options],
    arrays: Arrays,
    constants: Arrays,
    states: Tensor,
    saved: Sequence[Tensor],
    cotangents: Arrays,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the wanted arrays; arguments as those of `on_torch.backward`."""
    loaded, _ = operations()
    dtype = states.dtype
    needed = [
        want and array is not None for array, want in zip(arrays, wanted, strict=True)
    ]
    inputs = []
    for given, more in zip(
        each_pass(arrays, ARRAYS), each_pass(constants, CONSTANTS), strict=True
    ):
        sequences, kernel, _, initial_state, recurrent_kernel, _ = _all(given, dtype)
        inputs += [sequences, kernel, initial_state, recurrent_kernel]
        inputs += _constants(more, dtype)
    gradients = loaded.keras_gru_backward(
        [*inputs, states, *saved, *_all(cotangents, dtype)],
        T=dtype,
        options=_integers(options),
        wanted=needed,
        passes=len(options),
        count=len(needed),
    )
    for gradient, array, need in zip(gradients, arrays, needed, strict=True):
        if array is not None and need:
            gradient.set_shape(array.shape)
    return [
        gradient if need else None
        for gradient, need in zip(gradients, needed, strict=True)
    ]


def _threads() -> int:
    # 0: TensorFlow chooses, and takes all processors.
    setting = tf.config.threading.get_intra_op_parallelism_threads()
    return setting or library.available_processors()


@tf.RegisterGradient("KerasGruForward")
def _gradient(operation: Any, *incoming: Tensor | None) -> list[Tensor | None]:
    """The gradient of `KerasGruForward`, by its inputs."""
    passes, integers = operation.get_attr("passes"), operation.get_attr("options")
    inputs = each_pass(
        [None if i.shape == (0,) else i for i in operation.inputs], ARRAYS + CONSTANTS
    )
    arrays = [array for given in inputs for array in given[:ARRAYS]]
    constants = [constant for given in inputs for constant in given[ARRAYS:]]
    each = len(integers) // passes
    options = tuple(
        Options.from_integers(integers[at : at + each])
        for at in range(0, len(integers), each)
    )
    had_states, *_, had_saved = operation.get_attr("wanted")
    function = Native(sys.modules[__name__], options, return_states=True)
    outputs = tuple(operation.outputs[: 1 + passes])
    saved = tuple(operation.outputs[1 + passes :])
    if not had_saved:
        outputs, saved = function.forward(arrays, constants, save=True)
    skipped = getattr(operation, "skip_input_indices", None) or ()
    # By input of the operation: no gradient of the constants.
    wanted = [
        array is not None and index not in skipped and index % len(inputs[0]) < ARRAYS
        for index, array in enumerate(array for given in inputs for array in given)
    ]
    states_gradient, *final_gradients = incoming[: 1 + passes]
    gradients = iter(
        on_tensorflow.gradients(
            function,
            arrays,
            constants,
            outputs,
            saved,
            (states_gradient if had_states else None, *final_gradients),
            [
                want
                for index, want in enumerate(wanted)
                if index % len(inputs[0]) < ARRAYS
            ],
        )
    )
    return [next(gradients) if want else None for want in wanted]


def _integers(options: Sequence[Options]) -> list[int]:
    return [integer for one in options for integer in one.as_integers(_threads())]


def _constants(constants: Arrays, dtype: Any) -> list[Tensor]:
    mask, resets, dropout = constants
    return [*_all((mask, resets), tf.bool), _there(dropout, dtype)]


def _all(arrays: Arrays, dtype: Any) -> list[Tensor]:
    return [_there(array, dtype) for array in arrays]


def _there(array: Tensor | None, dtype: Any) -> Tensor:
    """The array, or one without elements, which stands for None."""
    return tf.zeros((0,), dtype) if array is None else array
