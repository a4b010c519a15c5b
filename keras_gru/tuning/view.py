"""What a sweep shows of itself while it runs, and leaves at its end."""

from __future__ import annotations

import shutil
import time

from tqdm import tqdm

from keras_gru.files import replacing
from keras_gru.tuning import pictures, records, report, spaces, table
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import FAILED, RUNNING
from keras_gru.tuning.trials import MODEL

BEST = "best.keras"
PICTURES_EVERY = 20.0  # seconds; drawing takes about one


class View:
    """Tables, pictures, report and progress bar of a sweep, kept up to date."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._shown: list[tuple[int, str, int]] = []
        self._drawn = time.monotonic()
        self._bar = tqdm(total=ledger.settings.trials, desc="trials", unit="trial")

    def update(self) -> None:
        """Write the tables where something has changed; pictures now and then."""
        shown = [(r.number, r.status, r.starts) for r in self.ledger.trials]
        if shown == self._shown:
            return
        self._shown = shown
        self._write_tables(over=False)
        if time.monotonic() - self._drawn >= PICTURES_EVERY:
            self._write_report(over=False)
            self._drawn = time.monotonic()
        self._bar.set_postfix_str(standing(self.ledger), refresh=False)
        self._bar.update(self.ledger.ended - self._bar.n)

    def finish(self, reason: str) -> None:
        """Write everything for the last time."""
        self.update()
        self._write_tables(over=True)
        self._write_report(over=True, reason=reason)
        self._bar.close()

    def _write_tables(self, *, over: bool) -> None:
        folder, sweep = self.ledger.folder, self.ledger.settings
        table.trials_csv(
            folder / "trials.csv", self.ledger.trials, self._names(), over=over
        )
        best = records.best(self.ledger.trials, sweep.direction)
        if best is not None:
            model = folder / "trials" / best.trial_id / MODEL
            if over and model.is_file():
                with replacing(folder / BEST) as partial:
                    shutil.copyfile(model, partial)
            saved = str(model.relative_to(folder)) if model.is_file() else None
            table.best_json(folder / "best.json", best, sweep, saved)

    def _write_report(self, *, over: bool, reason: str = "") -> None:
        book = self.ledger
        drawn = {}
        if book.space is not None:
            drawn = pictures.draw(book.folder, book.trials, book.space, book.settings)
        report.write(
            book.folder / "report.html",
            book.trials,
            self._names(),
            book.settings,
            drawn,
            over=over,
            reason=reason,
        )

    def _names(self) -> list[str]:
        return spaces.names(self.ledger.space) if self.ledger.space else []


def standing(ledger: Ledger) -> str:
    """Trials running and failed, and the best one."""
    count = {
        status: sum(record.status == status for record in ledger.trials)
        for status in (RUNNING, FAILED)
    }
    words = f"{count[RUNNING]} running, {count[FAILED]} failed"
    best = records.best(ledger.trials, ledger.settings.direction)
    if best is None:
        return words
    name = ledger.settings.objective
    return f"{words}, best {name} {best.metric:.6g} (trial {best.trial_id})"
