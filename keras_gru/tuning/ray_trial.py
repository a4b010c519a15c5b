"""A trial in a process of Ray's."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
from ray import tune

from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.trials import failed, run_trial

NUMBER = "tuner/number"  # of the trial, among the values that Ray hands on
RECORD = "record"  # what a trial reports besides the objective, as JSON
BACKUP = "backup"


@dataclass(frozen=True)
class RayTrial:
    """What a process of Ray's runs."""

    hypermodel: Any
    settings: Settings
    space: Any
    folder: Path
    fit: dict[str, Any]

    def run(self, values: dict[str, Any]) -> None:
        """Train the model of these values; report each epoch, and the end."""
        begun = time.perf_counter()
        values = dict(values)
        record = Record(values.pop(NUMBER), values)
        folder = self.folder / record.trial_id
        backup = folder / BACKUP
        shutil.rmtree(backup, ignore_errors=True)
        backup.mkdir(parents=True)
        checkpoint = tune.get_checkpoint()  # after a loss, or of a better trial
        if checkpoint is not None:
            checkpoint.to_directory(str(backup))
        try:
            end = run_trial(
                self.hypermodel,
                self.settings,
                self.space,
                record,
                folder,
                self.fit,
                backup=backup,
                callbacks=[_Report(backup, record, self.settings)],
            )
        except (Exception, SystemExit) as error:
            end = failed(record, error, time.perf_counter() - begun)
        metric = end.metrics.get(self.settings.objective, float("nan"))
        report = {self.settings.objective: metric, RECORD: json.dumps(asdict(end))}
        tune.report(report)


class _Report(keras.callbacks.Callback):
    """Reports the best so far after each epoch, and what a restart goes on from."""

    STATE = ("_metrics",)  # for a callback that keeps the state of others

    def __init__(self, backup: Path, record: Record, settings: Settings) -> None:
        super().__init__()
        self._backup = backup
        self._record = record
        self._settings = settings
        self._metrics: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        name = self._settings.objective
        if not logs or name not in logs:
            return
        found = {name: float(value) for name, value in logs.items()}
        best = max if self._settings.direction == "max" else min
        known = [self._metrics] if self._metrics else []
        self._metrics = best([*known, found], key=lambda metrics: metrics[name])
        so_far = replace(self._record, metrics=self._metrics, epochs=epoch + 1)
        checkpoint = None
        # From the last epoch there is nothing to go on to.
        if any(self._backup.iterdir()) and epoch + 1 < self.params["epochs"]:
            checkpoint = tune.Checkpoint.from_directory(str(self._backup))
        report = {name: self._metrics[name], RECORD: json.dumps(asdict(so_far))}
        tune.report(report, checkpoint=checkpoint)
