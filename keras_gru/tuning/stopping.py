"""The median rule: a trial that is worse than most others were is not trained on.

After each epoch a trial notes its best objective so far, ``trials/ID/epochs.json``, and
reads those of the others. Source: Golovin et al. 2017, "Google Vizier", section 3.2.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path

import keras
import keras_tuner

from keras_gru.files import write_json
from keras_gru.tuning.settings import Settings

FILE = "epochs.json"
OTHERS = 3  # trials that must have come as far


class MedianStopping(keras.callbacks.Callback):
    """Ends a training that is behind the median of the trials before it.

    Args:
        folder: of the trial; the others' stand beside it.
        settings: of the sweep.
    """

    STATE = ("_best",)  # for a callback that keeps the state of others

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__()
        self.folder = folder
        self.objective = keras_tuner.Objective(settings.objective, settings.direction)
        self._best: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if not logs or not self.objective.has_value(logs):
            return
        best = max if self.objective.direction == "max" else min
        value = float(self.objective.get_value(logs))
        self._best.append(best([value, *self._best[-1:]]))
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / FILE, self._best)
        others = [
            reached[len(self._best) - 1]
            for reached in self._others()
            if len(reached) >= len(self._best)
        ]
        if len(others) >= OTHERS:
            median = statistics.median(others)
            if self.objective.better_than(median, self._best[-1]):
                print(f"behind the median, {median:.6g}: stopped after {epoch + 1}")
                self.model.stop_training = True

    def _others(self) -> list[list[float]]:
        return [
            json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(self.folder.parent.glob(f"*/{FILE}"))
            if path.parent != self.folder
        ]
