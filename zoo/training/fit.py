"""The fit that every program shares: `model.fit`, validated, gone on with exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras

from zoo.training.data import Batches, StepBatches
from zoo.training.objective import Objective
from zoo.training.resume import ExactResume
from zoo.training.runs import RunFolder
from zoo.training.validation import Measure, Validation, verbosity


class Length(Protocol):
    """What a program's configuration says of the length of its training."""

    @property
    def epochs(self) -> int: ...
    @property
    def validations(self) -> int: ...


def fit(
    model: keras.Model,
    portable: keras.Model,
    batches: StepBatches,
    figures: Measure,
    objective: Objective,
    config: Length,
    folder: RunFolder,
    *,
    checkpoint_seconds: float,
    facts: Mapping[str, Any],
    loss_scale: float = 1.0,
    before: Callable[[ExactResume], Sequence[keras.callbacks.Callback]] = lambda _: (),
) -> Validation:
    """Fit a compiled model to the end, from the newest checkpoint of a folder.

    Args:
        model: compiled.
        portable: another build of it that takes any batch; see `Validation`.
        batches: what trains.
        figures: from weights to validation figures.
        objective: the figure that chooses the best weights.
        config: epochs and validations.
        folder: of checkpoints, best weights and curves.
        checkpoint_seconds: the most work that a kill may cost.
        facts: what the training depends on besides; see `ExactResume`.
        loss_scale: turns the training loss into the unit of the objective.
        before: the program's own callbacks, which stand before the validation; they
            may ask for the true step.

    Returns:
        The validations, with the best weights.
    """
    resume = ExactResume(
        folder.checkpoints, Batches(batches), seconds=checkpoint_seconds, facts=facts
    )
    resume.tell_damage()
    validation = Validation(
        folder,
        resume,
        portable,
        figures,
        objective,
        epochs=config.epochs,
        validations=config.validations,
        loss_scale=loss_scale,
    )
    model.fit(
        resume.data,
        epochs=config.epochs,
        initial_epoch=resume.initial_epoch,
        shuffle=False,
        verbose=verbosity(),
        callbacks=resume.callbacks(*before(resume), validation),
    )
    return validation
