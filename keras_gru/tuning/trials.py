"""Run one trial: build the model of its values, train it, tell what was measured."""

from __future__ import annotations

import copy
import os
import random
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.src.engine import tuner_utils

from keras_gru.files import replacing
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.ledger import Report
from keras_gru.tuning.records import EPOCHS, SEED, TOO_LARGE

MODEL = "model.keras"


@dataclass(frozen=True)
class Trial:
    """The trial that runs, as the hypermodel sees it: its attribute `trial`.

    Attributes:
        trial_id: its name.
        seed: its own; every generator was seeded with it.
        folder: where it may leave what it likes.
        alone: it is run again by itself, not by a sweep.
        max_parameters: of the sweep; None: no limit.
    """

    trial_id: str
    seed: int
    folder: Path
    alone: bool = False
    max_parameters: int | None = None

    def check_size(self, parameters: int) -> None:
        """End the trial where its model has too many parameters."""
        if self.max_parameters is not None and parameters > self.max_parameters:
            raise TooLarge(
                f"{parameters:,} parameters, more than {self.max_parameters:,}"
            )


class TooLarge(Exception):
    """The model of a trial has more parameters than the sweep allows."""


def explore(hypermodel: Any) -> keras_tuner.HyperParameters:
    """All hyperparameters that a hypermodel asks for, on every conditional branch."""
    space = keras_tuner.HyperParameters()
    pending: list[list[Any]] = []
    seen: list[list[Any]] = []
    values: dict[str, Any] = {}
    while True:
        hp = space.copy()
        hp.values = values
        for known in hp.space:
            if hp.is_active(known):
                values.setdefault(known.name, known.default)
        try:
            if hasattr(hypermodel, "declare_hyperparameters"):
                hypermodel.declare_hyperparameters(hp)
            hypermodel.build(hp)
        except Exception as error:
            raise SweepError(
                f"the model cannot be built with {hp.values}: "
                f"{type(error).__name__}: {one_line(error)}"
            ) from error
        new = [p for p in hp.space if not space._exists(p.name, p.conditions)]
        space.merge(new)
        seen += hp.active_scopes
        pending = [scope for scope in pending + hp.inactive_scopes if scope not in seen]
        if not pending:
            space.values = {}
            return space
        # Take the first way that was not taken.
        seen.append(pending[0])
        values = {c.name: c.values[0] for c in pending[0]}


def seed_everything(seed: int) -> None:
    """Seed every generator; ask TensorFlow and torch for the same bits at each run.

    `keras.utils.set_random_seed` would import TensorFlow on every backend.
    """
    random.seed(seed)
    np.random.seed(seed)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(seed)
        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)


def run_trial(
    hypermodel: Any,
    objective: keras_tuner.Objective,
    hp: keras_tuner.HyperParameters,
    trial_id: str,
    folder: Path,
    fit: Mapping[str, Any],
    *,
    alone: bool = False,
    max_parameters: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Report:
    """Train the model of a trial to its end.

    A trial of Hyperband that was promoted is trained from its beginning, not from its
    parent's weights: so it depends on its own values and seed only.

    Args:
        hypermodel: a `keras_tuner.HyperModel`.
        objective: what is to be the best.
        hp: the space with the values of the trial.
        trial_id: its name.
        folder: where it may leave files; a Keras model is saved there with the
            weights of its best epoch.
        fit: keyword arguments of the hypermodel's `fit`.
        alone: it is run by itself, not by a sweep.
        max_parameters: a model with more is not trained; None: no limit.
        callbacks: for `fit`, besides the user's.

    Returns:
        What was measured.

    Raises:
        Exception: what the user's code raises.
    """
    begun = time.perf_counter()
    seed = int(hp.values[SEED])
    # Also collects the model of the trial before, which may have been large.
    keras.backend.clear_session()
    seed_everything(seed)
    trial = Trial(trial_id, seed, folder, alone, max_parameters)
    hypermodel.trial = trial
    model = hypermodel.build(hp)
    if isinstance(model, keras.Model) and model.built:
        trial.check_size(model.count_params())
    watch = _BestEpoch(objective)
    arguments = dict(fit)
    theirs = _copies(arguments.pop("callbacks", None) or [], trial_id)
    if EPOCHS in hp.values:
        arguments["epochs"] = int(hp.values[EPOCHS])
    results = hypermodel.fit(
        hp, model, callbacks=[*theirs, *callbacks, watch], **arguments
    )
    tuner_utils.validate_trial_results(results, objective, "HyperModel.fit()")
    metrics = dict(tuner_utils.convert_to_metrics_dict(results, objective))
    epochs = metrics.pop("epochs", None) or watch.epochs or hp.values.get(EPOCHS)
    if isinstance(model, keras.Model):
        metrics.setdefault("parameters", model.count_params())
        folder.mkdir(parents=True, exist_ok=True)
        watch.restore(model)
        with replacing(folder / MODEL) as partial:
            model.save(partial)
    return Report(
        metrics={name: float(value) for name, value in metrics.items()},
        epochs=None if epochs is None else int(epochs),
        seconds=round(time.perf_counter() - begun, 3),
    )


def failure(error: BaseException, seconds: float) -> Report:
    """The report of a trial whose code raised: what, and where in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = ("site-packages", str(Path(__file__).parent))
    if isinstance(error, TooLarge):
        return Report(message=f"{TOO_LARGE}{error}")
    own = [f for f in frames if not any(folder in f.filename for folder in theirs)]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return Report(
        seconds=round(seconds, 3),
        message=one_line(f"{type(error).__name__}: {error}{place}"),
    )


class _BestEpoch(keras.callbacks.Callback):
    """Counts epochs; keeps the weights of the one with the best objective."""

    def __init__(self, objective: keras_tuner.Objective) -> None:
        super().__init__()
        self.objective = objective
        self.epochs = 0
        self._best: float | None = None
        self._weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.epochs += 1
        logs = logs or {}
        if not self.objective.has_value(logs):
            return
        value = float(self.objective.get_value(logs))
        if self._best is None or self.objective.better_than(value, self._best):
            self._best = value
            self._weights = [np.array(w) for w in self.model.get_weights()]

    def restore(self, model: keras.Model) -> None:
        """Put the best weights back; the last ones stay where none were better."""
        if self._weights is not None:
            model.set_weights(self._weights)


def _copies(callbacks: list[Any], trial_id: str) -> list[Any]:
    """The user's callbacks, fresh for a trial; TensorBoard's in a folder of its own."""
    try:
        copies = copy.deepcopy(callbacks)
    except Exception as error:
        raise SweepError(
            f"fit['callbacks'] cannot be copied, and every trial needs its own: {error}"
        ) from error
    for callback in copies:
        if isinstance(callback, keras.callbacks.TensorBoard):
            callback.log_dir = os.path.join(callback.log_dir, trial_id)
    return copies
