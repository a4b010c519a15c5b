"""Batches that are functions of the step, as Keras reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras

# Two shapes (rows, width) that have nothing in common.
SHAPES = ((8, 8), (16, 16))


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


class StepBatches(Protocol):
    """Training data whose batch depends on the step alone."""

    @property
    def steps_per_epoch(self) -> int: ...

    def batch(self, step: int) -> Any:
        """Inputs, targets and, where there are any, weights of batch `step`."""


class Batches(keras.utils.PyDataset):
    """`StepBatches` for `model.fit`; the step counts on from epoch to epoch."""

    def __init__(self, batches: StepBatches) -> None:
        super().__init__()
        self._batches = batches
        self._epoch = 0

    def __len__(self) -> int:
        return self._batches.steps_per_epoch

    def __getitem__(self, index: int) -> Any:
        return self._batches.batch(self._epoch * len(self) + index)

    def on_epoch_end(self) -> None:
        self._epoch += 1

    def example(self, index: int) -> Any:
        """What Keras sees of the batches before the training.

        Of the first two TensorFlow takes the dimensions in which they differ as unknown
        and compiles the training step once. Batches of several shapes give examples
        that differ wherever they do: were it left to chance, a resumed training could
        have a step compiled otherwise, with other last bits.
        """
        if hasattr(self._batches, "example") and len(self) > 1:
            return self._batches.example(index)
        return self[index]
