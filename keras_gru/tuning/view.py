"""What a sweep shows of itself while it runs, and leaves at its end."""

from __future__ import annotations

import shutil
import time

from tqdm import tqdm

from keras_gru.files import replacing
from keras_gru.tuning import pictures, report
from keras_gru.tuning.ledger import Ledger
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
        self._bar.set_postfix_str(self.ledger.standing(), refresh=False)
        self._bar.update(self.ledger.ended - self._bar.n)

    def finish(self, reason: str) -> None:
        """Write everything for the last time."""
        self.update()
        self._write_tables(over=True)
        self._write_report(over=True, reason=reason)
        self._bar.close()

    def _write_tables(self, *, over: bool) -> None:
        report.write_csv(self.ledger, over=over)
        folder, best = self.ledger.folder, self.ledger.best
        if best is not None:
            model = folder / "trials" / best.trial_id / MODEL
            if over and model.is_file():
                with replacing(folder / BEST) as partial:
                    shutil.copyfile(model, partial)
            saved = str(model.relative_to(folder)) if model.is_file() else None
            report.write_best(self.ledger, best, saved)

    def _write_report(self, *, over: bool, reason: str = "") -> None:
        report.write_html(self.ledger, pictures.draw(self.ledger), over, reason)
