"""The C++ GRU as TensorFlow operations, with a gradient."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_gru.autodiff import Arrays, Tensors, on_tensorflow
from keras_gru.equations import Tensor
from keras_gru.native import library
from keras_gru.native.function import Native
from keras_gru.native.library import Options

LIBRARY = "libkeras_gru_tensorflow.so"

_loading = threading.Lock()


def missing() -> str | None:
    """Why TensorFlow cannot call the library."""
    return _operations()[1]


def differentiable(function: Native, arrays: Arrays, constants: Arrays) -> Tensors:
    """The outputs of the kernel.

    The gradient is registered with the operation and not made by
    `autodiff.on_tensorflow.differentiable`, which would not learn which inputs
    TensorFlow wants no gradient of: that of the first layer's sequences is a large
    product for nothing.
    """
    # Without `training` nothing is saved, and the forward pass runs a second time if a
    # gradient is taken after all.
    outputs, _ = function.forward(arrays, constants, save=function.options.training)
    return outputs


def forward(
    options: Options,
    arrays: Arrays,
    mask: Tensor | None,
    resets: Tensor | None,
    dropout: Tensor | None,
    return_states: bool,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs all steps; arguments and results are those of `on_torch.forward`.

    What is not wanted has no elements. As many threads work as TensorFlow is set to
    use.
    """
    operations, reason = _operations()
    if operations is None:
        raise RuntimeError(reason)
    sequences, _, _, initial_state, _, _ = arrays
    assert sequences is not None
    assert initial_state is not None
    states, final_state, saved = operations.keras_gru_forward(
        *_all(arrays, sequences.dtype),
        *_all((mask, resets), tf.bool),
        _there(dropout, sequences.dtype),
        options=options.as_integers(_threads()),
        wanted=[return_states, True, save],
    )
    batch, timesteps, _ = sequences.shape
    units = initial_state.shape[1]
    if return_states:
        states.set_shape((batch, timesteps, units))
    final_state.set_shape((batch, units))
    return states, final_state, saved


def backward(
    options: Options,
    arrays: Arrays,
    mask: Tensor | None,
    resets: Tensor | None,
    dropout: Tensor | None,
    states: Tensor,
    saved: Tensor,
    cotangents: Arrays,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the wanted arrays; arguments as those of `on_torch.backward`."""
    operations, _ = _operations()
    dtype = states.dtype
    sequences, kernel, _, initial_state, recurrent_kernel, _ = _all(arrays, dtype)
    needed = [
        want and array is not None for array, want in zip(arrays, wanted, strict=True)
    ]
    gradients = operations.keras_gru_backward(
        *(sequences, kernel, initial_state, recurrent_kernel),
        *(*_all((mask, resets), tf.bool), _there(dropout, dtype)),
        *(states, saved, *_all(cotangents, dtype)),
        options=options.as_integers(_threads()),
        wanted=needed,
    )
    for gradient, array, need in zip(gradients, arrays, needed, strict=True):
        if array is not None and need:
            gradient.set_shape(array.shape)
    return [
        gradient if need else None
        for gradient, need in zip(gradients, needed, strict=True)
    ]


def _operations() -> tuple[Any, str | None]:
    """The module with the operations or None, and the reason why it is None."""
    with _loading:  # a gradient can be registered once only, by one of many threads
        return _load()


@functools.cache
def _load() -> tuple[Any, str | None]:
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
    inputs = [None if i.shape == (0,) else i for i in operation.inputs]
    arrays, constants = inputs[:-3], inputs[-3:]  # mask, resets, dropout
    options = Options.from_integers(operation.get_attr("options"))
    had_states, _, had_saved = operation.get_attr("wanted")
    function = Native(options, return_states=True)
    states, final_state, saved = operation.outputs
    if not had_saved:
        (states, final_state), (saved,) = function.forward(arrays, constants, save=True)
    skipped = getattr(operation, "skip_input_indices", None) or ()
    wanted = [
        array is not None and index not in skipped for index, array in enumerate(arrays)
    ]
    gradients = iter(
        on_tensorflow.gradients(
            function,
            arrays,
            constants,
            (states, final_state),
            (saved,),
            (states_gradient if had_states else None, final_gradient),
            wanted,
        )
    )
    return [*(next(gradients) if want else None for want in wanted), None, None, None]


def _all(arrays: Arrays, dtype: Any) -> list[Tensor]:
    return [_there(array, dtype) for array in arrays]


def _there(array: Tensor | None, dtype: Any) -> Tensor:
    """The array, or one without elements, which stands for None."""
    return tf.zeros((0,), dtype) if array is None else array
