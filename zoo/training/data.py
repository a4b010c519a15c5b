"""Batches that are functions of the step, as Keras reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras

# Two shapes (rows, width) that have nothing in common.
SHAPES = ((8, 8), (16, 16))


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


class VaryingBatches(Batches):
    """Batches whose width changes from step to step.

    TensorFlow compiles the training step for the shapes of the first two batches that
    Keras looks at before the training, and refuses others; so these two differ in all
    that may change.

    Args:
        batches: see `Batches`.
        example: takes rows and width, gives a batch of that shape; what stands in it
            does not matter.
    """

    def __init__(
        self, batches: StepBatches, example: Callable[[int, int], Any]
    ) -> None:
        super().__init__(batches)
        self._example = example
        self._training = False

    def __getitem__(self, index: int) -> Any:
        if not self._training:
            return self._example(*SHAPES[index % len(SHAPES)])
        return super().__getitem__(index)

    def on_epoch_begin(self) -> None:
        self._training = True
