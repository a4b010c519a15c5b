"""Run one trial: build the model of its values, train it, tell what was measured."""

from __future__ import annotations

import copy
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner import HyperParameters

from keras_gru.files import replacing
from keras_gru.resume import seed_everything
from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.keras_tuner_private import metrics_of
from keras_gru.tuning.records import COMPLETED, EPOCHS, FAILED, TOO_LARGE, Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.spaces import with_values

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


def run_trial(
    hypermodel: Any,
    settings: Settings,
    space: HyperParameters,
    record: Record,
    folder: Path,
    fit: Mapping[str, Any],
    *,
    alone: bool = False,
    backup: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Record:
    """Train the model of a trial to its end.

    A trial of Hyperband that was promoted is trained from its beginning, not from its
    parent's weights: so it depends on its own values and seed only.
    """
    begun = time.perf_counter()
    # Also collects the model of the trial before, which may have been large.
    keras.backend.clear_session()
    seed_everything(record.seed)
    limit = settings.max_parameters
    trial = Trial(record.trial_id, record.seed, folder, alone, limit)
    hypermodel.trial = trial
    hp = with_values(space, record.values)
    model = hypermodel.build(hp)
    arguments = dict(fit)
    used = [*_copies(arguments.pop("callbacks", None) or [], trial), *callbacks]
    name, direction = settings.objective, settings.direction
    if isinstance(model, keras.Model):
        if model.built:
            trial.check_size(model.count_params())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).unlink(missing_ok=True)  # of a start that was broken off
        best = {"monitor": name, "mode": direction, "save_best_only": True}
        used.insert(0, keras.callbacks.ModelCheckpoint(folder / MODEL, **best))
        if backup is not None:
            restore = keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False)
            used.insert(0, restore)
    if EPOCHS in record.values:
        arguments["epochs"] = int(record.values[EPOCHS])
    results = hypermodel.fit(hp, model, callbacks=used, **arguments)
    metrics = metrics_of(results, keras_tuner.Objective(name, direction))
    epochs = metrics.pop("epochs", None) or record.values.get(EPOCHS)
    if isinstance(results, keras.callbacks.History):
        epochs = 1 + results.epoch[-1]
    if isinstance(model, keras.Model):
        metrics.setdefault("parameters", model.count_params())
        if not (folder / MODEL).exists():  # a `fit` that knows no callbacks
            with replacing(folder / MODEL) as partial:
                model.save(partial)
    return replace(
        record,
        status=COMPLETED,
        metrics={name: float(value) for name, value in metrics.items()},
        epochs=None if epochs is None else int(epochs),
        seconds=round(time.perf_counter() - begun, 3),
    )


def failed(record: Record, error: BaseException, seconds: float) -> Record:
    """The record of a trial whose code raised: what, and where in the user's code."""
    if isinstance(error, TooLarge):
        return replace(record, status=FAILED, message=f"{TOO_LARGE}{error}")
    frames = traceback.extract_tb(error.__traceback__)
    theirs = ("site-packages", str(Path(__file__).parent))
    own = [f for f in frames if not any(folder in f.filename for folder in theirs)]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    message = one_line(f"{type(error).__name__}: {error}{place}")
    return replace(record, status=FAILED, seconds=round(seconds, 3), message=message)


def _copies(callbacks: list[Any], trial: Trial) -> list[Any]:
    """The user's callbacks, fresh for a trial; TensorBoard's in a folder of its own."""
    try:
        copies = copy.deepcopy(callbacks)
    except Exception as error:
        raise SweepError(
            f"fit['callbacks'] cannot be copied, and every trial needs its own: {error}"
        ) from error
    for callback in copies:
        if isinstance(callback, keras.callbacks.TensorBoard):
            callback.log_dir = os.path.join(callback.log_dir, trial.trial_id)
    return copies
