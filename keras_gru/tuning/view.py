"""What a sweep shows of itself while it runs, and leaves at its end."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from keras_gru.files import replacing
from keras_gru.tuning import hparams, pictures, records, report, tables
from keras_gru.tuning.progress import Line
from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.space import read as read_space
from keras_gru.tuning.supervisor import Plan

MODEL = "best.keras"
PICTURES_EVERY = 20.0  # seconds; drawing takes about one


class View:
    """Tables, pictures, report and line of a sweep, kept up to date."""

    def __init__(self, folder: Path, sweep: Settings, plan: Plan) -> None:
        self.folder = folder
        self.sweep = sweep
        self.line = Line(sweep, plan.workers, plan.budget)
        self._shown: list[tuple[int, str, int]] = []
        self._drawn = time.monotonic()
        self._ended = -1

    def update(self, found: dict[int, Record]) -> None:
        """Write the tables where something has changed; pictures now and then."""
        trials = [record for _, record in sorted(found.items())]
        shown = [(r.number, r.status, r.starts) for r in trials]
        if shown != self._shown:
            self._shown = shown
            self._tables(trials, over=False)
        ended = sum(record.order > 0 for record in trials)
        if ended != self._ended and time.monotonic() - self._drawn >= PICTURES_EVERY:
            self._draw(trials, over=False)
            self._drawn, self._ended = time.monotonic(), ended
        self.line.show(trials)

    def finish(self, found: dict[int, Record], reason: str) -> None:
        """Write everything for the last time."""
        trials = [record for _, record in sorted(found.items())]
        self._tables(trials, over=True)
        self._draw(trials, over=True, reason=reason)
        self.line.finish(trials)

    def _tables(self, trials: list[Record], *, over: bool) -> None:
        dimensions = read_space(self.folder / "space.json")
        tables.trials_csv(self.folder / "trials.csv", trials, dimensions, over=over)
        for record in trials:
            hparams.write(self.folder, record, self.sweep)
        best = records.best(trials, self.sweep.direction)
        if best is not None:
            model = self.folder / "trials" / best.trial_id / "model.keras"
            if over and model.is_file():
                with replacing(self.folder / MODEL) as partial:
                    shutil.copyfile(model, partial)
            tables.best_json(
                self.folder / "best.json",
                best,
                self.sweep,
                str(model.relative_to(self.folder)) if model.is_file() else None,
            )

    def _draw(self, trials: list[Record], *, over: bool, reason: str = "") -> None:
        dimensions = read_space(self.folder / "space.json")
        drawn = pictures.draw(self.folder, trials, dimensions, self.sweep)
        report.write(
            self.folder / "report.html",
            trials,
            dimensions,
            self.sweep,
            drawn,
            over=over,
            reason=reason,
        )
