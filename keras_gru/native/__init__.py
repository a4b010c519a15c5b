"""The C++ GRU: its sources, its compiled library, and a binding per framework."""

from __future__ import annotations

import keras

from keras_gru.native import library


def missing() -> str | None:
    """Why the library cannot be called from Keras' backend; None where it can."""
    reason = library.missing()
    if reason is None and keras.backend.backend() == "tensorflow":
        from keras_gru.native import tensorflow_library

        _, reason = tensorflow_library.operations()
    return reason
