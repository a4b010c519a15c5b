"""The C++ GRU: its sources, its compiled library, and a binding per framework."""

from __future__ import annotations

from types import ModuleType

import keras

from keras_gru.native import library


def binding() -> ModuleType:
    """The module that calls the library from the framework that Keras runs on.

    It has `forward` and `backward`; `on_torch` says what they take.
    """
    # Not import_module, which torch.compile cannot look into.
    if keras.backend.backend() == "torch":
        from keras_gru.native import on_torch

        return on_torch
    if keras.backend.backend() == "jax":
        from keras_gru.native import on_jax

        return on_jax
    from keras_gru.native import on_tensorflow

    return on_tensorflow


def missing() -> str | None:
    """Why the library cannot be called from that framework; None where it can."""
    reason = library.missing()
    if reason is None and keras.backend.backend() == "tensorflow":
        reason = binding().missing()
    return reason
