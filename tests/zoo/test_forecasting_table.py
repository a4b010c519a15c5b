"""Tables: what is read, what is repaired and told, what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from zoo.errors import ZooError
from zoo.forecasting.table import Table, of_frame, read

pytestmark = pytest.mark.once

HOURS = [f"2024-03-01 {hour:02}:00:00" for hour in range(10)]


def _write(
    path: Path, rows: list[str], head: str = "time,a,b", end: str = "\n"
) -> Path:
    path.write_text("\n".join([head, *rows]) + end, encoding="utf-8")
    return path


def _rows(times: list[str] = HOURS, separator: str = ",") -> list[str]:
    return [
        separator.join((time, str(row), f"{row * 0.5 - 1}"))
        for row, time in enumerate(times)
    ]


def test_a_table_is_read(tmp_path: Path) -> None:
    found = read(_write(tmp_path / "a.csv", _rows()))
    assert found.columns == ("a", "b")
    np.testing.assert_array_equal(found.values[:, 1], np.arange(10) * 0.5 - 1)
    assert str(found.times[3]) == "2024-03-01 03:00:00"
    assert found.notes == ()
    assert found.season == 24
    assert [str(one) for one in found.after(2)] == [
        "2024-03-01 10:00:00",
        "2024-03-01 11:00:00",
    ]


def test_columns_are_chosen(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", [f"x,{row}" for row in _rows()], "word,time,a,b")
    found = read(path, "time", ["b"])
    assert found.columns == ("b",)
    with pytest.raises(ZooError, match="no column 'c'; it has word, time, a, b"):
        read(path, "time", ["c"])
    with pytest.raises(ZooError, match="row 2: the time 'x' cannot be read"):
        read(path)
    with pytest.raises(ZooError, match="row 2, column 'word': 'x'; expected a number"):
        read(path, "time")


@pytest.mark.parametrize(
    ("first", "step", "season", "next_time"),
    [
        ("2024-01-01", "MS", 12, "2024-09-01"),
        ("2024-01-31", "ME", 12, "2024-09-30"),
        ("2024-03-31", "QE", 4, "2026-03-31"),
        ("2024-02-15", pandas.DateOffset(years=1), 1, "2032-02-15"),
        ("2024-01-01", "D", 7, "2024-01-09"),
        ("2024-01-05", "B", 5, "2024-01-17"),
        ("2024-01-01", "15min", 96, "2024-01-01 02:00:00"),
    ],
)
def test_steps_of_the_calendar(
    tmp_path: Path, first: str, step: str, season: int, next_time: str
) -> None:
    times = [str(one) for one in pandas.date_range(first, periods=8, freq=step)]
    found = read(_write(tmp_path / "a.csv", _rows(times)))
    assert found.season == season
    assert str(found.after(1)[0]).startswith(next_time)


def test_whole_numbers_are_times(tmp_path: Path) -> None:
    found = read(_write(tmp_path / "a.csv", _rows([str(3 * row) for row in range(9)])))
    assert list(found.after(2)) == [27, 30]
    assert found.season == 1


# Repaired, or guessed, and told.


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators(tmp_path: Path, separator: str) -> None:
    rows = _rows(separator=separator)
    path = _write(tmp_path / "a.csv", rows, separator.join(("time", "a", "b")))
    found = read(path)
    assert found.columns == ("a", "b")
    assert found.notes == (f"{path}: columns are separated by {separator!r}",)


def test_a_last_row_that_may_be_cut(tmp_path: Path) -> None:
    (note,) = read(_write(tmp_path / "a.csv", _rows(), end="")).notes
    assert note.endswith("the last row has no line end: the file may have been cut")


def test_days_first(tmp_path: Path) -> None:
    times = [f"{day}.01.2024" for day in range(13, 20)]
    found = read(_write(tmp_path / "a.csv", _rows(times)))
    assert str(found.times[0].date()) == "2024-01-13"
    assert "times are read as %d.%m.%Y" in found.notes[0]


def test_days_and_months_that_may_be_either(tmp_path: Path) -> None:
    times = [f"{day:02}/01/2024" for day in range(1, 8)]
    path = _write(tmp_path / "a.csv", _rows(times))
    with pytest.raises(ZooError, match=r"'01/01/2024' may be %d/%m/%Y or %m/%d/%Y"):
        read(path)


def test_zones_are_put_into_utc(tmp_path: Path) -> None:
    times = ["2024-03-01T00:00+02:00", "2024-03-01T00:00+01:00", "2024-03-01T00:00Z"]
    found = read(_write(tmp_path / "a.csv", _rows(times)))
    assert [one.hour for one in found.times] == [22, 23, 0]
    assert "times of 3 zones are put into UTC" in found.notes[0]


def test_a_zone_of_all_times_is_kept(tmp_path: Path) -> None:
    found = read(_write(tmp_path / "a.csv", _rows([f"{one}+02:00" for one in HOURS])))
    assert str(found.after(1)[0]) == "2024-03-01 10:00:00+02:00"
    assert found.notes == ()


def test_missing_values(tmp_path: Path) -> None:
    rows = _rows()
    rows[3] = f"{HOURS[3]},,0.5"
    rows[4] = f"{HOURS[4]},NaN,1"
    path = _write(tmp_path / "a.csv", rows)
    with pytest.raises(
        ZooError, match=r"2 values are missing, the first in row 5, col"
    ):
        read(path)
    forward = read(path, missing="forward")
    assert list(forward.values[2:6, 0]) == [2, 2, 2, 5]
    assert (
        "2 values are missing, the first in row 5; the last known" in forward.notes[0]
    )
    mask = read(path, missing="mask")
    assert np.isnan(mask.values).sum() == 2
    np.testing.assert_array_equal(mask.known, forward.values)
    assert "do not count as targets" in mask.notes[0]
    rows[0] = f"{HOURS[0]},,1"
    with pytest.raises(ZooError, match="'a' does not begin with a number"):
        read(_write(path, rows), missing="forward")


# Refused.


@pytest.mark.parametrize(
    ("row", "content", "words"),
    [
        (2, f"{HOURS[2]},2", "row 4: 2 cells; expected 3, as in the header"),
        (2, f"{HOURS[2]},2,0,7", "row 4: 4 cells; expected 3"),
        (2, f"{HOURS[2]},two,0", "row 4, column 'a': 'two'; expected a number"),
        (2, f"{HOURS[2]},1_0,0", "row 4, column 'a': '1_0'; expected a number"),
        (2, f"{HOURS[2]},inf,0", "row 4, column 'a': 'inf'; expected a number within"),
        (
            2,
            f"{HOURS[2]},1e30,0",
            "row 4, column 'a': '1e30'; expected a number within",
        ),
        (2, f"{HOURS[1]},2,0", "03-01 01:00:00 stands in rows 3 and 4; keep one"),
        (
            5,
            f"{HOURS[2]},2,0",
            "row 7: 2024-03-01 02:00:00 stands behind 2024-03-01 04",
        ),
        (
            9,
            "2024-03-01 12:00:00,1,1",
            "1 gaps, the first between rows 10 and 11: 2024",
        ),
        (2, ",2,0", "row 4: the time is missing"),
        (2, "soon,2,0", "row 4: the time 'soon' cannot be read"),
        (
            2,
            f"{HOURS[2]}Z,2,0",
            "row 4: the time '2024-03-01 02:00:00Z' and that of row",
        ),
        (2, f'{HOURS[2]},"2,0', "unexpected end of data"),
    ],
)
def test_rows_that_are_wrong(
    tmp_path: Path, row: int, content: str, words: str
) -> None:
    rows = _rows()
    rows[row] = content
    with pytest.raises(ZooError) as caught:
        read(_write(tmp_path / "a.csv", rows))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "0 rows below the header; expected 3"),
        (b"time,a\n", "0 rows below the header; expected 3"),
        (b"time,a,a\n" + b"1,2,3\n" * 4, "the column 'a' stands twice"),
        (b"time\n1\n2\n3\n", "the series (none); expected columns"),
        (b"time,a\n\xff\xfe", "is not UTF-8"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ZooError) as caught:
        read(tmp_path / "a.csv")
    assert words in str(caught.value)


def test_a_data_frame() -> None:
    frame = pandas.DataFrame(
        {"when": pandas.date_range("2024-01-01", periods=5, freq="h"), "x": range(5)}
    )
    found = of_frame(frame)
    assert found.columns == ("x",)
    assert found.values.dtype == float
    frame["x"] = [1.0, None, 2.0, 3.0, 4.0]
    with pytest.raises(ZooError, match="the table: 1 values are missing"):
        of_frame(frame)
    with pytest.raises(ZooError, match="the times are float64"):
        of_frame(frame, time_column="x", columns=["when"])


def test_the_last_known_value() -> None:
    values = np.array([[1.0, 2.0], [np.nan, 3.0], [np.nan, np.nan]])
    table = Table(("a", "b"), pandas.RangeIndex(3), values)
    np.testing.assert_array_equal(table.known, [[1, 2], [1, 3], [1, 3]])
