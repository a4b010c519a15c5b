"""keras_gru.GRU wherever keras.layers.GRU works: every use of tests/drop_in."""

from __future__ import annotations

import collections

import pytest

from tests.drop_in import table
from tests.drop_in.judge import BACKEND, judge

COMMITTED = table.read()
WRITE = "`python -m tests.drop_in` writes docs/drop_in.md anew"


@pytest.mark.parametrize(
    "use",
    [use for use in table.USES if BACKEND in use.backends],
    ids=lambda use: use.name,
)
def test_use(use):
    outcome = judge(use)
    assert outcome.verdict == use.expected(BACKEND), outcome.details
    assert outcome.verdict == COMMITTED[use.group, use.title][BACKEND], WRITE


def test_the_file_is_written_from_the_uses():
    """Its rows, their order and the reasons are those of the code."""
    assert table.PATH.read_text(encoding="utf-8") == table.render(COMMITTED), WRITE


def test_each_use_has_a_name_of_its_own():
    names = collections.Counter(use.name for use in table.USES)
    assert [name for name, count in names.items() if count > 1] == []
