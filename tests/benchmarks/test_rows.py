"""The list of rows: complete, selectable, with the right arithmetic."""

from __future__ import annotations

import itertools

import pytest

from benchmarks import rows
from benchmarks.rows import Group, Shape

pytestmark = pytest.mark.once

CONVENTIONS = ("keep_after", "keep_before", "replace_after", "replace_before")
SHAPES = (
    "64x100x128x256",
    "32x100x512x512",
    "1x200x128x256",
    "128x50x64x64",
    "16x1000x64x128",
    "256x20x32x32",
)


def row_ids(groups):
    return [row_id for group in groups for row_id in group.row_ids()]


def test_every_row_is_there_once():
    two = itertools.product(
        SHAPES, CONVENTIONS, ("masked", "unmasked"), ("inference", "training"), "2"
    )
    one = itertools.product(
        SHAPES, ("keep_after",), ("masked", "unmasked"), ("inference", "training"), "1"
    )
    steps = [("1x1x128x256", c, "unmasked", "generation", "2") for c in CONVENTIONS]
    expected = ["/".join(parts) for parts in (*two, *one, *steps)]
    found = row_ids(rows.groups((2, 1)))
    assert sorted(found) == sorted(expected)


def test_rows_are_selected_by_parts_and_patterns():
    everything = rows.groups((2, 1))
    found = row_ids(rows.select(everything, ["1x200x128x256/keep_after", "*/1"]))
    assert "1x200x128x256/keep_after/masked/training/2" in found
    assert "256x20x32x32/keep_after/masked/training/1" in found
    assert len(found) == 4 + 24
    assert row_ids(rows.select(everything, [])) == row_ids(everything)
    assert rows.select(everything, ["growth"]) == []


def test_a_selected_group_keeps_only_the_selected_conventions():
    (group,) = rows.select(rows.groups((2,)), ["*/replace_*/unmasked/generation/*"])
    assert group.conventions == ("replace_after", "replace_before")


@pytest.mark.parametrize(("mode", "times"), [("inference", 1), ("training", 3)])
def test_arithmetic_is_that_of_used_steps(mode, times):
    group = Group(Shape(2, 10, 3, 4), True, mode, 2, CONVENTIONS)
    assert group.flops(used_steps=7) == times * 2 * 7 * (3 + 4) * 3 * 4


def test_a_group_survives_json():
    for group in rows.groups((2, 1)):
        assert Group.from_json(group.to_json()) == group


def test_peers_run_the_keep_forms():
    assert rows.keep_forms(CONVENTIONS) == ("keep_after", "keep_before")
    assert rows.keep_forms(("replace_before",)) == ("keep_before",)
