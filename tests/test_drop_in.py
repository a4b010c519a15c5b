"""keras_gru.GRU wherever keras.layers.GRU works: every use of tests/drop_in."""

from __future__ import annotations

import collections
import warnings

import pytest

from tests.drop_in import table
from tests.drop_in.judge import (
    BACKEND,
    BOTH_REFUSE,
    DIFFERS,
    FAILS,
    ONLY_OURS,
    OURS,
    SAME,
    STOCK,
    Use,
    judge,
    refused,
)

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
    committed = COMMITTED.get((use.group, use.title), table.NOT_YET)
    assert outcome.verdict == committed[BACKEND], WRITE


def test_the_file_is_written_from_the_uses():
    """Its rows, their order and the reasons are those of the code."""
    assert table.PATH.read_text(encoding="utf-8") == table.render(COMMITTED), WRITE


def test_each_use_has_a_name_of_its_own():
    names = collections.Counter(use.name for use in table.USES)
    assert [name for name, count in names.items() if count > 1] == []


def _refuse(layers, side=None, error=ValueError):
    if side in (None, layers):
        raise error("no")


def _warn(layers):
    if layers is OURS:
        warnings.warn("careful", stacklevel=2)


JUDGED = {
    "the same": (lambda layers: [1, 2.0, "a"], SAME),
    "another number": (lambda layers: 1.0 if layers is OURS else 1.001, FAILS),
    "another type": (lambda layers: 1.0 if layers is OURS else 1, FAILS),
    "another length": (lambda layers: [1] * (1 + (layers is OURS)), FAILS),
    "ours refuses": (lambda layers: _refuse(layers, OURS), FAILS),
    "Keras refuses": (lambda layers: _refuse(layers, STOCK), ONLY_OURS),
    "both refuse": (lambda layers: _refuse(layers), BOTH_REFUSE),
    "ours crashes": (
        lambda layers: _refuse(layers, error=KeyError if layers is OURS else OSError),
        FAILS,
    ),
    "not a number": (lambda layers: _refuse(layers, STOCK) or float("nan"), FAILS),
    "a warning": (
        lambda layers: warnings.warn(str(layers is OURS), stacklevel=1),
        FAILS,
    ),
    "nothing is refused": (lambda layers: refused(lambda: layers), FAILS),
}


@pytest.mark.parametrize(("function", "verdict"), JUDGED.values(), ids=JUDGED)
def test_the_judge(function, verdict):
    assert judge(_made_up(function)).verdict == verdict


def test_a_difference_on_purpose_must_be_declared_and_be_one():
    other = _made_up(lambda layers: layers is OURS, (DIFFERS, "on purpose"))
    assert judge(other).verdict == DIFFERS
    same = _made_up(lambda layers: 1, (DIFFERS, "on purpose"))
    assert judge(same).verdict != same.expected(BACKEND)


def _made_up(function, declared=(SAME, "")):
    return Use("made", "up", function, (BACKEND,), "float32", {BACKEND: declared})
