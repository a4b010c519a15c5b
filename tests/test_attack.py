"""A few cases of each kind of attack; `python -m tests.attack` runs thousands."""

from __future__ import annotations

import pytest

pytest.importorskip("tokenizers", reason="the extra [zoo] is not installed")

from tests.attack.__main__ import run
from tests.attack.cases import KINDS

pytestmark = pytest.mark.once


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_of_each(kind: str) -> None:
    outcomes = [run(kind, number, seed=20) for number in range(6)]
    assert set(outcomes) <= {"same", "refused", "repaired"}


def test_a_failure_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user would see as a traceback does not pass."""

    def broken(rng: object, folder: object) -> str:
        raise KeyError("units")

    monkeypatch.setitem(KINDS, "native", broken)
    assert run("native", 0, seed=0) == "FAILED KeyError: 'units'"
