"""Tables of time series: read from a CSV, checked, every repair told.

What is wrong is an error of one line that names the row; the header is row 1, and empty
lines do not count.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.datasets import read_text
from zoo.errors import ZooError
from zoo.forecasting.config import Missing

if TYPE_CHECKING:
    import pandas

SEPARATORS = ",;\t|"
NOTHING = frozenset(("", "na", "n/a", "nan", "nat", "null", "none", "?"))
LARGEST = 1e15  # more digits than a float64 keeps apart
ZONE = re.compile(r"\d[T ]\d.*(Z|[+-]\d\d(:?\d\d)?)$", re.IGNORECASE)
# Of times that are not ISO 8601.
FORMS = tuple(
    day + hour
    for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y.%m.%d")
    for hour in ("", " %H:%M", " %H:%M:%S")
)


@dataclass(frozen=True)
class Table:
    """Several series at even times.

    Attributes:
        columns: the names of the series.
        times: of the rows, a `pandas.DatetimeIndex` or an index of whole numbers, in
            steps of the same length (of months and business days, by the calendar).
        values: (rows, series), NaN where a value is missing and masked.
        notes: what was repaired or guessed, a line each.
    """

    columns: tuple[str, ...]
    times: pandas.Index
    values: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> np.ndarray:
        """The values, the last known one in the place of a missing one."""
        places = np.where(
            np.isnan(self.values), 0, np.arange(len(self.values))[:, None]
        )
        places = np.maximum.accumulate(places, axis=0)
        return np.take_along_axis(self.values, places, axis=0)

    @property
    def season(self) -> int:
        """Steps in the season to expect: a day of hours, a year of months; else 1."""
        frequency = _frequency(self.times)
        return 1 if frequency is None else frequency[1]

    def tell(self) -> None:
        """Print the notes on stderr."""
        for note in self.notes:
            print(f"note: {note}", file=sys.stderr)

    def after(self, count: int) -> pandas.Index:
        """The next `count` times."""
        import pandas

        frequency = _frequency(self.times)
        if frequency is None:
            step = int(self.times[-1] - self.times[-2])
            return pandas.Index(self.times[-1] + step * np.arange(1, count + 1))
        try:
            found = pandas.date_range(
                self.times[-1], periods=count + 1, freq=frequency[0]
            )
        except (OverflowError, ValueError) as error:
            raise ZooError(f"{count} steps behind {self.times[-1]}: {error}") from error
        return found[1:]


def read(
    path: Path,
    time_column: str | None = None,
    columns: Sequence[str] | None = None,
    missing: Missing = "refuse",
) -> Table:
    """Read a CSV.

    Args:
        path: UTF-8, with a header; columns are separated by commas, or else by
            semicolons, tabulators or bars, which is told.
        time_column: its name; None: the first column.
        columns: the series; None: all other columns.
        missing: what becomes of empty cells, and of nan, null and the like.

    Raises:
        ZooError: rows of different lengths; a column that is not there or stands
            twice; times that cannot be read, go back, stand twice or have gaps, some
            with a zone and others without; text or infinity in a column of numbers;
            missing values, where they are refused.
    """
    text = read_text(path)
    notes = []
    if not text.endswith(("\n", "\r")):
        notes.append(
            f"{path}: the last row has no line end: the file may have been cut"
        )
    head = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=head.count)
    if separator != "," and separator in head:
        notes.append(f"{path}: columns are separated by {separator!r}")
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue  # an empty line
            if rows and len(cells) != len(rows[0]):
                raise ZooError(
                    f"{path}, row {len(rows) + 1}: {len(cells)} cells; expected "
                    f"{len(rows[0])}, as in the header"
                )
            rows.append([cell.strip() for cell in cells])
    except csv.Error as error:
        raise ZooError(f"{path}, line {reader.line_num}: {error}") from error
    import pandas

    names, content = rows[0] if rows else [], rows[1:]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ZooError(f"{path}: the column {twice[0]!r} stands twice in the header")
    if len(content) < 3:
        raise ZooError(f"{path}: {len(content)} rows below the header; expected 3")
    frame = pandas.DataFrame(content, columns=names, dtype=object)
    found = of_frame(frame, str(path), time_column, columns, missing)
    return Table(found.columns, found.times, found.values, (*notes, *found.notes))


def of_frame(
    frame: pandas.DataFrame,
    name: str = "the table",
    time_column: str | None = None,
    columns: Sequence[str] | None = None,
    missing: Missing = "refuse",
) -> Table:
    """Check a `pandas.DataFrame`, its cells text or not; see `read`.

    Args:
        frame: with a column of times.
        name: what the errors call it.
        time_column: as for `read`.
        columns: as for `read`.
        missing: as for `read`.
    """
    names = [str(one) for one in frame.columns]
    time_column = names[0] if time_column is None else time_column
    columns = columns or [one for one in names if one != time_column]
    for one in (time_column, *columns):
        if one not in names:
            raise ZooError(f"{name} has no column {one!r}; it has {', '.join(names)}")
    if not columns or time_column in columns or len({*columns}) < len(columns):
        raise ZooError(
            f"{name}: the series {', '.join(columns) or '(none)'}; expected columns "
            f"that differ from each other and from the times, {time_column!r}"
        )
    notes: list[str] = []
    times = _times(frame.iloc[:, names.index(time_column)], name, notes)
    _check_steps(times, name)
    values = np.stack(
        [_numbers(frame.iloc[:, names.index(one)], one, name) for one in columns],
        axis=1,
    )
    gone = np.isnan(values)
    if gone.any():
        row, column = np.argwhere(gone)[0]
        where = f"{name}: {gone.sum():,} values are missing, the first in row {row + 2}"
        if missing == "refuse":
            raise ZooError(
                f"{where}, column {columns[column]!r}; --missing forward repeats the "
                f"last known value"
            )
        if gone[0].any():
            first = columns[int(gone[0].argmax())]
            raise ZooError(f"{where}: {first!r} does not begin with a number")
        told = {
            "forward": "the last known value stands for them",
            "mask": "the last known value is read, and they do not count as targets",
        }
        notes.append(f"{where}; {told[missing]}")
    found = Table(tuple(columns), times, values, tuple(notes))
    if missing == "forward" and gone.any():
        return Table(found.columns, times, found.known, found.notes)
    return found


def _numbers(column: Any, name: str, where: str) -> np.ndarray:
    """(rows,), NaN where a value is missing."""
    values = np.empty(len(column))
    for row, cell in enumerate(column):
        try:
            if isinstance(cell, str):
                empty = cell.lower() in NOTHING
                # Python also takes 1_000.
                values[row] = math.nan if empty else float(cell.replace("_", "x"))
            else:
                values[row] = math.nan if cell is None else float(cell)
        except (TypeError, ValueError) as error:
            raise ZooError(
                f"{where}, row {row + 2}, column {name!r}: {_short(cell)}; expected a "
                f"number such as -1.5"
            ) from error
        if abs(values[row]) > LARGEST:
            raise ZooError(
                f"{where}, row {row + 2}, column {name!r}: {_short(cell)}; expected a "
                f"number within ±{LARGEST:g}"
            )
    return values


def _times(column: Any, where: str, notes: list[str]) -> pandas.Index:
    """Times as an index; what was guessed is added to `notes`."""
    import pandas

    if not (pandas.api.types.is_object_dtype(column) or _is_text(column)):
        if pandas.api.types.is_integer_dtype(column):
            return pandas.Index(column.to_numpy(dtype="int64"))
        if pandas.api.types.is_datetime64_any_dtype(column) and column.notna().all():
            return pandas.DatetimeIndex(column)
        raise ZooError(f"{where}: the times are {column.dtype}; expected times")
    texts = [str(cell) for cell in column]
    for row, text in enumerate(texts):
        if text.lower() in NOTHING:
            raise ZooError(f"{where}, row {row + 2}: the time is missing")
    if all(re.fullmatch(r"[+-]?\d{1,15}", text) for text in texts):
        return pandas.Index([int(text) for text in texts])
    zones = [match[1].upper() if (match := ZONE.search(one)) else None for one in texts]
    if None in zones and len({*zones}) > 1:
        row = [zone is None for zone in zones].index(zones[0] is not None)
        raise ZooError(
            f"{where}, row {row + 2}: the time {_short(texts[row])} and that of row 2, "
            f"{_short(texts[0])}: one has a zone, the other none; expected the same in "
            f"all rows"
        )
    utc = len({*zones}) > 1
    if utc:
        notes.append(f"{where}: times of {len({*zones})} zones are put into UTC")
    found = _parsed(texts, "ISO8601", utc)
    if found.isna().any():
        read_as = {form: _parsed(texts, form, utc) for form in FORMS}
        able = [form for form, other in read_as.items() if other.notna().all()]
        if len(able) == 1:
            notes.append(f"{where}: times are read as {able[0]}")
            return pandas.DatetimeIndex(read_as[able[0]])
        if able:
            raise ZooError(
                f"{where}: times such as {_short(texts[0])} may be "
                f"{' or '.join(able)}; expected times such as 2024-01-31 15:00:00"
            )
        row = int(found.isna().to_numpy().argmax())
        raise ZooError(
            f"{where}, row {row + 2}: the time {_short(texts[row])} cannot be read; "
            f"expected times such as 2024-01-31 15:00:00, or whole numbers, in one form"
        )
    return pandas.DatetimeIndex(found)


def _parsed(texts: list[str], form: str, utc: bool) -> Any:
    """A `pandas.Series` of times, NaT where a text has not this form."""
    import pandas

    return pandas.to_datetime(
        pandas.Series(texts), format=form, errors="coerce", utc=utc
    )


def _is_text(column: Any) -> bool:
    import pandas

    return bool(pandas.api.types.is_string_dtype(column))


def _check_steps(times: pandas.Index, where: str) -> None:
    """Raise unless each time follows the one before it by the same step."""
    import pandas

    stamps = times.asi8 if isinstance(times, pandas.DatetimeIndex) else times.to_numpy()
    steps = np.diff(stamps)
    if not steps.all():
        row = int((steps == 0).argmax())
        raise ZooError(
            f"{where}: the time {times[row]} stands in rows {row + 2} and {row + 3}; "
            f"keep one of them"
        )
    if (steps < 0).any():
        row = int((steps < 0).argmax())
        raise ZooError(
            f"{where}, row {row + 3}: {times[row + 1]} stands behind {times[row]}; "
            f"sort the rows by time"
        )
    found, counts = np.unique(steps, return_counts=True)
    usual = steps == found[counts.argmax()]
    if not usual.all() and _frequency(times) is None:
        row, like = int((~usual).argmax()), int(usual.argmax())
        raise ZooError(
            f"{where}: {(~usual).sum()} gaps, the first between rows {row + 2} and "
            f"{row + 3}: {times[row]} and {times[row + 1]}, where a step is "
            f"{times[like + 1] - times[like]}; add the rows, with empty cells and "
            f"--missing, or cut the table"
        )


def _frequency(times: pandas.Index) -> tuple[Any, int] | None:
    """The step as pandas has it, and a season of it; None: numbers, or no one step."""
    import pandas

    if not isinstance(times, pandas.DatetimeIndex):
        return None
    step, day = times[1] - times[0], pandas.Timedelta(days=1)
    if (times[1:] - times[:-1] == step).all():
        seasons = {day: 7, 7 * day: 52}
        return step, seasons.get(step, max(1, int(day / step)))
    offsets = pandas.tseries.offsets
    for offset, season in (
        (offsets.BDay(), 5),
        (offsets.DateOffset(months=1), 12),
        (offsets.MonthEnd(), 12),
        (offsets.DateOffset(months=3), 4),
        (offsets.QuarterEnd(startingMonth=times[0].month), 4),
        (offsets.DateOffset(years=1), 1),
    ):
        if all(a + offset == b for a, b in itertools.pairwise(times)):
            return offset, season
    return None


def _short(cell: Any) -> str:
    told = repr(cell)
    return told if len(told) <= 40 else f"{told[:36]}…'"
