"""Series to forecast: which, and which of their rows train, choose and test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.config import Checked, Count, File
from zoo.datasets import PublicFile, locate, read_text
from zoo.errors import ZooError
from zoo.forecasting import synthetic
from zoo.forecasting.config import Config, Missing
from zoo.forecasting.table import Table, read

ETTH1 = PublicFile(
    "ETTh1.csv",
    "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv",
    sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    licence="CC BY-ND 4.0",
)
EXCHANGE_RATE = PublicFile(
    "exchange_rate.txt.gz",
    "https://raw.githubusercontent.com/laiguokun/multivariate-time-series-data/"
    "master/exchange_rate/exchange_rate.txt.gz",
    sha256="6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d",
    licence="not stated",
)

DATASETS = {
    "synthetic": "three series of 3,360 hours, made on the spot",
    "etth1": "ETTh1, two years of hours of a transformer, 7 series, CC BY-ND 4.0",
    "exchange_rate": "8 currencies in dollars, 7,588 days from 1990",
}
LICENCES = {
    "synthetic": "made by zoo/forecasting/synthetic.py, Apache-2.0",
    "etth1": ETTH1.licence,
    "exchange_rate": EXCHANGE_RATE.licence,
}

COUNTRIES = (
    *("australia", "britain", "canada", "switzerland"),
    *("china", "japan", "new_zealand", "singapore"),
)
MONTH = 30 * 24  # rows of ETTh1
# Parts of the rows that train, and that train or validate; the rest tests.
SHARES = {"exchange_rate": (0.6, 0.8)}
USUAL_SHARES = (0.7, 0.8)


@dataclass(frozen=True)
class Data:
    """A table and its parts: its first rows train, the next validate, the last test.

    Attributes:
        name: of the dataset, or the path of a file.
        table: the series.
        ends: the row behind each part.
        season: rows after which a naive forecast repeats itself.
    """

    name: str
    table: Table
    ends: tuple[int, int, int]
    season: int

    @cached_property
    def sha256(self) -> str:
        """Of names, times and values."""
        found = hashlib.sha256("\n".join(self.table.columns).encode())
        found.update("\n".join(map(str, self.table.times)).encode())
        found.update(np.ascontiguousarray(self.table.values).tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Source(Checked):
    """What a forecaster is trained on.

    Attributes:
        dataset: series; by default synthetic, which needs no network.
        csv: a table to train on, in the place of a dataset: its first 70 percent
            train, the next 10 validate, the rest tests.
        time_column: of the CSV; by default its first.
        target: of the CSV, the columns to forecast, A,B; by default all others.
        missing: of the CSV, what becomes of missing values: refuse; forward, the last
            known value stands for them; mask, that and they do not count as targets.
        season: rows in a season, for the naive forecast; by default by the time step:
            24 hours, 7 days, 12 months.
    """

    dataset: Literal["synthetic", "etth1", "exchange_rate"] | None = None
    csv: File | None = None
    time_column: str | None = None
    target: str | tuple[str, ...] | None = None
    missing: Missing = "refuse"
    season: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.csv and self.dataset:
            raise ZooError("--csv and --dataset exclude each other: give one")
        if not self.csv:
            for name in ("time_column", "target"):
                if getattr(self, name) is not None:
                    option = name.replace("_", "-")
                    raise ZooError(f"--{option} is of a --csv; give the file")
            if not self.dataset:
                object.__setattr__(self, "dataset", "synthetic")

    @property
    def licence(self) -> str:
        return LICENCES.get(self.dataset or "", "not stated: a file of yours")

    def load(self) -> Data:
        """Read the table and split it; what was repaired is told on stderr."""
        table = self._table()
        table.tell()
        rows = len(table.values)
        if self.dataset == "etth1":
            # As the literature has it; the last four months are not used.
            ends = (12 * MONTH, 16 * MONTH, 20 * MONTH)
        else:
            first, second = SHARES.get(self.dataset or "", USUAL_SHARES)
            ends = (int(first * rows), int(second * rows), rows)
        season = table.season if self.dataset != "exchange_rate" else 7
        return Data(self.csv or str(self.dataset), table, ends, self.season or season)

    def _table(self) -> Table:
        if self.csv:
            target = (self.target,) if isinstance(self.target, str) else self.target
            return read(Path(self.csv), self.time_column, target, self.missing)
        if self.dataset == "etth1":
            return read(locate(ETTH1))
        if self.dataset == "exchange_rate":
            return _exchange_rate()
        return synthetic.table()


def _exchange_rate() -> Table:
    """The file has neither names nor dates: the countries by its readme, and days."""
    import pandas

    lines = read_text(locate(EXCHANGE_RATE)).split()
    values = np.array([[float(cell) for cell in line.split(",")] for line in lines])
    return Table(COUNTRIES, pandas.RangeIndex(1, len(values) + 1), values)


def label(config: Config, source: Source) -> str:
    """What was learnt, for the name of a run folder."""
    name = source.dataset or Path(str(source.csv)).stem
    words = [name, str(config.look_back), str(config.horizon)]
    told = {config.model: "segments", config.layer: "gru", config.head: "point"}
    return "-".join([*words, *(word for word, usual in told.items() if word != usual)])
