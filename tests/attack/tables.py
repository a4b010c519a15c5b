"""CSVs that are cut, mixed up or no tables, into `predict forecasting`."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas

from tests.attack.outcomes import REFUSED, REPAIRED, SAME, Different
from zoo.errors import ZooError
from zoo.forecasting.table import read
from zoo.forecasting.use import Forecaster

ROWS = 130
CELLS = ("", "NaN", "none", "12,5", "1_000", "inf", "1e400", "0x1F", "True", "?", "x\0")


@functools.cache
def _forecaster() -> Forecaster:
    return Forecaster.from_preset("etth1-96")


def tables(rng: np.random.Generator, folder: Path) -> str:
    """A CSV of the preset's series, damaged once or twice.

    What is read without a word must be rows of the table as it was.
    """
    columns = _forecaster().scaler.columns
    whole = rng.normal(size=(ROWS, len(columns))).round(3)
    times = pandas.date_range("2024-03-01", periods=ROWS, freq="h")
    cells = [["time", *columns]]
    for time, row in zip(times, whole, strict=True):
        cells.append([str(time), *(str(value) for value in row)])
    for _ in range(int(rng.integers(3))):
        if len(cells) > 1:
            (_rows, _times, _numbers)[rng.integers(3)](rng, cells)
    separator, end = ",", "\n"
    if rng.integers(5) == 0:
        separator, end = str(rng.choice([";", "\t", "|", ":", " "])), "\r\n"
    content = (end.join(separator.join(row) for row in cells) + end).encode()
    path = folder / "a.csv"
    path.write_bytes(_bytes(rng, content) if rng.integers(2) else content)
    missing = str(rng.choice(["refuse", "forward", "mask"]))
    try:
        found = read(path, columns=columns, missing=missing)
        forecast = _forecaster().predict(found)
    except ZooError as error:
        if "\n" in str(error):
            raise Different(f"more than one line: {error}") from error
        return REFUSED
    if not np.isfinite(forecast.values).all():
        raise Different("a forecast that is not finite")
    if found.notes:
        return REPAIRED
    # A zone that all times have stays with them.
    rows = times.get_indexer(found.times.tz_localize(None))
    if (rows < 0).any() or not np.array_equal(found.values, whole[rows]):
        raise Different("other rows, and nothing was said")
    return SAME


def _place(rng: np.random.Generator, cells: list[list[str]]) -> int:
    return int(rng.integers(1, len(cells)))


def _rows(rng: np.random.Generator, cells: list[list[str]]) -> None:
    """Repeat, swap, remove, shorten rows, or take all of them."""
    how, row = int(rng.integers(6)), _place(rng, cells)
    if how == 0:
        cells.insert(row, list(cells[row]))
    elif how == 1:
        cells[row], cells[-1] = cells[-1], cells[row]
    elif how == 2:
        del cells[row]
    elif how == 3:
        cells[row] = cells[row][: int(rng.integers(len(cells[row])))]
    elif how == 4:
        cells[row] = [*cells[row], "1"]
    else:
        del cells[int(rng.integers(4)) :]


def _times(rng: np.random.Generator, cells: list[list[str]]) -> None:
    """Zones of some rows or all, other forms, words."""
    how = int(rng.integers(5))
    first = 1 if rng.integers(2) else _place(rng, cells)
    zones = ("Z", "+01:00", "-05:30", " CET")
    for row in cells[first:]:
        if how == 0:
            row[0] += zones[rng.integers(2) if rng.integers(2) else 0]
        elif how == 1:
            row[0] += "+01:00"
        elif how == 2:
            row[0] = "/".join([row[0][8:10], row[0][5:7], row[0][:4]]) + row[0][10:]
        elif how == 3:
            row[0] = zones[-1] + row[0]
        else:
            row[0] = row[0][: int(rng.integers(6, 20))]


def _numbers(rng: np.random.Generator, cells: list[list[str]]) -> None:
    """Cells of other types."""
    for _ in range(int(rng.integers(1, 5))):
        row = cells[_place(rng, cells)] or [""]
        row[int(rng.integers(len(row)))] = str(rng.choice(CELLS))


def _bytes(rng: np.random.Generator, content: bytes) -> bytes:
    """Cut, quote, encode otherwise, or overwrite."""
    how = int(rng.integers(7))
    place = int(rng.integers(len(content) + 1))
    if how == 0:
        return content[:place]
    if how == 1:
        return content[:place] + b'"' + content[place:]
    if how == 2:
        return content[:place] + rng.bytes(int(rng.integers(1, 9))) + content[place:]
    if how == 3:
        return content.decode().encode("utf-16")
    if how == 4:
        return b"\xef\xbb\xbf" + content
    if how == 5:
        return rng.bytes(int(rng.integers(300)))
    return b""
