"""The files of a run: what is read is what was written, and a run goes on."""

from __future__ import annotations

import pytest

from benchmarks import results
from benchmarks.rows import SHAPES, Group
from tests.benchmarks import made_up

pytestmark = pytest.mark.once

OURS = [("jax", "keras_gru"), ("torch", "keras_gru")]


def group(mode="training", conventions=("keep_after", "replace_before")):
    return Group(SHAPES[1], False, mode, 2, conventions)


def test_rows_survive_the_file(tmp_path):
    path = tmp_path / "deep" / "name.csv"
    table = results.rows_table(path)
    table.add(made_up.rows())
    once_more = results.rows_table(path)
    assert len(once_more.rows) == len(made_up.rows())
    for row, original in zip(once_more.rows, table.rows, strict=True):
        for name, value in original.items():
            if isinstance(value, float):
                assert abs(row[name] - value) <= 1e-5 * abs(value)
            else:
                assert row[name] == value, name


def test_a_row_measured_again_replaces_the_old_one(tmp_path):
    path = tmp_path / "name.csv"
    results.rows_table(path).add(made_up.rows(ours=0.1))
    table = results.rows_table(path)
    table.add(made_up.rows(ours=0.2))
    assert len(table.rows) == len(made_up.rows())
    medians = {r["median_s"] for r in table.rows if r["contender"] == "keras_gru"}
    assert medians == {0.2}


def test_only_what_is_there_is_measured(tmp_path):
    path = tmp_path / "name.csv"
    assert not results.is_measured(group(), OURS, results.rows_table(path))
    results.rows_table(path).add(made_up.rows())
    table = results.rows_table(path)
    assert results.is_measured(group(), OURS, table)
    assert not results.is_measured(group("generation"), OURS, table)
    without = [row for row in table.rows if row["backend"] != "jax"]
    other = results.rows_table(tmp_path / "other.csv")
    other.add(without)
    assert not results.is_measured(group(), OURS, other)
    assert results.is_measured(group(), OURS[1:], other)


def test_growth_has_a_file_of_its_own(tmp_path):
    table = results.growth_table(tmp_path / "name.csv")
    table.add(made_up.growing())
    assert (tmp_path / "name_growth.csv").exists()
    assert len(results.growth_table(tmp_path / "name.csv").rows) == 4


def test_sessions_survive_the_file(tmp_path):
    record = results.Sessions(tmp_path / "name.csv")
    record.sessions.append({"command": "run — all"})
    record.save()
    assert results.Sessions(tmp_path / "name.csv").content == record.content
