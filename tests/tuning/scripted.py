"""A sweep whose workers are real processes that play a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keras_gru.tuning import pool, records
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Plan
from keras_gru.tuning.supervisor import Supervisor
from tests.tuning.models import settings

ROOT = Path(__file__).parents[2]


class Sweep:
    """A sweep of scripted trials."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = monkeypatch

    def run(
        self, script: dict[str, Any], trials: int = 4, workers: int = 1, **changes: Any
    ) -> str:
        self._patch.setattr(pool, "MODULE", "tests.tuning.fake_worker")
        common: dict[str, Any] = {"budget": None, "trial_timeout": 20.0}
        common |= {"engine": "processes", "max_failures": 9}
        environment = {"KERAS_GRU_FAKE": json.dumps(script), "PYTHONPATH": str(ROOT)}
        plan = Plan(workers=workers, **{**common, **changes})
        self.ledger = Ledger(self.folder, settings("random", trials))
        shown = lambda: None  # noqa: E731
        return Supervisor(self.ledger, plan, shown, "", environment).run()

    @property
    def trials(self) -> list[Record]:
        on_disk = records.read_all(self.folder, self.ledger.settings.seed)
        assert on_disk == self.ledger.records
        return [record for _, record in sorted(on_disk.items())]

    def pids(self, file: str = "starts") -> list[int]:
        path = self.folder / file
        return [int(line) for line in path.read_text().split()] if path.exists() else []
