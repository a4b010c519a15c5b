"""Finds the C++ GRU's operations of TensorFlow."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import tensorflow as tf

from keras_gru.native import library

LIBRARY = "libkeras_gru_tensorflow.so"


@functools.cache
def operations() -> tuple[Any, str | None]:
    """The module with the operations or None, and the reason why it is None."""
    if (reason := library.missing()) is not None:
        return None, reason
    where = library.path(LIBRARY)
    if not where.exists():
        return None, f"{LIBRARY} was not built; reinstall keras_gru"
    try:
        found = tf.load_op_library(str(where))
    except (tf.errors.OpError, OSError) as failure:
        return None, f"{LIBRARY} does not load: {failure}"
    describe = ctypes.CDLL(str(where)).gru_tensorflow_error
    describe.restype = ctypes.c_char_p
    if error := describe().decode():
        return None, f"TensorFlow does not take the operations: {error}"
    return found, None
