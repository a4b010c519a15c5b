"""The same bits for the same batch, whatever was computed before it."""

from __future__ import annotations

from collections.abc import Callable

import keras

from zoo.training.data import SHAPES


def forget_shapes(call: Callable[[int, int], object]) -> None:
    """Have TensorFlow compile a function for any shape before its first real call.

    It compiles for the very shape of the first call, and for any shape once it meets a
    second. The two programs may differ in their last bits, so that what a batch gives
    would depend on the batches before it in the same process: a resumed training would
    not end with the weights of one that never stopped.

    Args:
        call: takes rows and width; called with two pairs that differ in both.
    """
    if keras.backend.backend() == "tensorflow":
        for rows, width in SHAPES:
            call(rows, width)
