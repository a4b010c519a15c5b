"""Keras still has what is used of it beside its public API."""

from __future__ import annotations

import keras

from keras_gru import keras_private
from tests.passes import BACKEND


def test_keras_still_has_every_name():
    """One that moved must be found again, or done without, where the table says."""
    gone = {}
    old = keras.__version__.startswith("3.12.")
    for name, use in keras_private.USES.items():
        # No process imports another framework than its own.
        if any(
            f".backend.{one}." in name for one in {"tensorflow", "torch"} - {BACKEND}
        ):
            continue
        if old and name in keras_private.NOT_IN_KERAS_3_12:
            continue
        try:
            keras_private.get(name)
        except (ImportError, AttributeError):
            gone[name] = use
    assert not gone, f"Keras {keras.__version__} has no {gone}"
