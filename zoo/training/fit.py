"""The fit that every program shares: `model.fit`, validated, gone on with exactly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import keras

from keras_gru.resume import ExactResume, NotFinite, ResumeError
from zoo.errors import TrainingFailed, ZooError
from zoo.training.data import Batches, StepBatches
from zoo.training.objective import Objective
from zoo.training.runs import Run
from zoo.training.validation import Measure, Validation


def fit(
    run: Run,
    model: keras.Model,
    portable: keras.Model,
    batches: StepBatches,
    figures: Measure,
    objective: Objective,
    *,
    loss_scale: float = 1.0,
    before: Callable[[ExactResume], Sequence[keras.callbacks.Callback]] = lambda _: (),
) -> Validation:
    """Fit a compiled model to the end, from the newest checkpoint of the run's folder.

    Args:
        run: its folder, and how long it is.
        model: compiled.
        portable: another build of it that takes any batch; see `Validation`.
        batches: what trains.
        figures: from weights to validation figures.
        objective: the figure that chooses the best weights.
        loss_scale: turns the training loss into the unit of the objective.
        before: the program's own callbacks, which stand before the validation; they
            may ask for the true step.

    Returns:
        The validations, with the best weights.
    """
    run.check_size(portable.count_params())
    try:
        resume = ExactResume(
            run.folder.checkpoints,
            Batches(batches),
            seconds=run.checkpoint_seconds,
            facts={"data": run.data_sha256},
        )
        resume.tell_damage()
        validation = Validation(run, resume, portable, figures, objective, loss_scale)
        model.fit(
            resume.data,
            epochs=run.config.epochs,
            initial_epoch=resume.initial_epoch,
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 0,  # a bar, or lines of `Validation`
            callbacks=resume.callbacks(*before(resume), validation, *run.callbacks),
        )
    except ResumeError as error:
        raise ZooError(str(error)) from error
    except NotFinite as error:
        raise TrainingFailed(str(error)) from error
    return validation
