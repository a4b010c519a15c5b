"""The files of a run: a table of rows that grows, and a record of its sessions.

`NAME.csv` has the rows, `NAME_growth.csv` the growth with the number of time steps,
`NAME.json` machine, versions and sessions. A session that is broken off loses the
group it was at; the next one goes on from there.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import CONVENTIONS, Group

COLUMNS: dict[str, Callable[[str], Any]] = {
    "backend": str,
    "contender": str,
    "kernel": str,
    "batch": int,
    "timesteps": int,
    "features": int,
    "units": int,
    "update_gate": str,
    "reset_after": lambda text: text == "True",
    "masked": lambda text: text == "True",
    "mode": str,
    "threads": int,
    "repeats": int,  # times that each contender of the group was timed
    "calls": int,  # in a row, a timing is their mean
    "median_s": float,
    "q25_s": float,
    "q75_s": float,
    "min_s": float,
    "max_s": float,
    "gflops": float,  # products of used steps, 1e9 a second
    "share_of_sgemm": float,
    "ratio_to_keras": float,  # their time / ours: above 1 we are faster
    "ratio_to_torch_nn": float,
    "best_peer": str,
    "ratio_to_best_peer": float,
    "time_to_keep_after": float,  # our time / our keep-after: above 1 it is slower
    "error": float,  # largest relative error against the float64 oracle
    "others": float,  # share of the processors that others used
    "commit": str,
    "session": str,
    "note": str,
    "times_s": str,  # of each repeat
}

KEY = (
    *("backend", "contender", "batch", "timesteps", "features", "units"),
    *("update_gate", "reset_after", "masked", "mode", "threads"),
)
"""The columns that say what a row is; a new measurement replaces the old one."""

GROWTH_COLUMNS: dict[str, Callable[[str], Any]] = {
    "backend": str,
    "kernel": str,
    "batch": int,
    "timesteps": int,
    "features": int,
    "units": int,
    "threads": int,
    "repeats": int,
    "seconds": float,  # median of a training step
    "before_mib": float,  # in memory before the first step, data included
    "peak_mib": float,  # the most in memory, compilation and steps
    "error": float,
    "commit": str,
    "session": str,
    "note": str,
}
GROWTH_KEY = ("backend", "batch", "timesteps", "features", "units", "threads")

Row = dict[str, Any]


class Table:
    """A CSV file of known columns, written anew whenever rows are added."""

    def __init__(
        self,
        path: Path,
        columns: dict[str, Callable[[str], Any]],
        key: Sequence[str],
    ) -> None:
        self.path = path
        self._columns = columns
        self._key = key
        self._rows: dict[tuple[Any, ...], Row] = {}
        if path.exists():
            with path.open(newline="") as file:
                for line in csv.DictReader(file):
                    self._put({name: self._parse(name, line[name]) for name in line})

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def add(self, rows: Iterable[Row]) -> None:
        """Replaces rows of the same key, and saves; a crash leaves the old file."""
        for row in rows:
            self._put(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        with draft.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self._columns), lineterminator="\n")
            writer.writeheader()
            for row in self._rows.values():
                writer.writerow({name: _text(row.get(name)) for name in self._columns})
        os.replace(draft, self.path)

    def _put(self, row: Row) -> None:
        complete = {name: row.get(name) for name in self._columns}
        for name, parse in self._columns.items():
            if parse is str and complete[name] is None:
                complete[name] = ""  # as it will be read
        self._rows[tuple(complete[name] for name in self._key)] = complete

    def _parse(self, name: str, text: str) -> Any:
        if text == "" and self._columns[name] is not str:
            return None
        return self._columns[name](text)


def rows_table(csv_path: Path) -> Table:
    return Table(csv_path, COLUMNS, KEY)


def growth_table(csv_path: Path) -> Table:
    path = csv_path.with_name(csv_path.stem + "_growth.csv")
    return Table(path, GROWTH_COLUMNS, GROWTH_KEY)


def convention_of(row: Row) -> str | None:
    """The name of a row's convention, None for a matrix product."""
    for name, convention in CONVENTIONS.items():
        if all(row[field] == value for field, value in convention.items()):
            return name
    return None


def is_measured(
    group: Group, contenders: Iterable[tuple[str, str]], table: Table
) -> bool:
    """Whether the file has the group for each (backend, contender) of ours."""
    there = {
        (row["backend"], row["contender"], convention_of(row))
        for row in table.rows
        if all(row[name] == value for name, value in group.shape._asdict().items())
        and (row["masked"], row["mode"]) == (group.masked, group.mode)
        and row["threads"] == group.threads
    }
    return all(
        (backend, contender, convention) in there
        for backend, contender in contenders
        for convention in group.conventions
    )


class Sessions:
    """The record beside the table: `machine`, and what each session was."""

    def __init__(self, csv_path: Path) -> None:
        self.path = csv_path.with_suffix(".json")
        self.content: dict[str, Any] = {"machine": {}, "sessions": []}
        if self.path.exists():
            self.content = json.loads(self.path.read_text())

    @property
    def sessions(self) -> list[dict[str, Any]]:
        return self.content["sessions"]

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.content, indent=1, ensure_ascii=False)
        self.path.write_text(text + "\n")


def _text(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
