"""Who runs what: nothing that ended is lost, and nothing of it is run again."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keras_gru.tuning import records
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, Record
from tests.tuning.models import (
    Parabola,
    Troubled,
    ended,
    finish,
    ledger,
    settings,
    space_of,
)

pytestmark = pytest.mark.once

TUNERS = ("hyperband", "bayesian", "random", "grid")


def _outcome(found: dict[int, Record]) -> list[tuple[Any, ...]]:
    return [(r.number, r.values, r.status, r.metric) for r in found.values()]


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_ledger_that_dies_at_every_moment_ends_with_the_same_trials(
    tmp_path: Path, tuner: str
) -> None:
    whole = ledger(tmp_path / "whole", settings(tuner))
    finish(whole)
    broken = tmp_path / "broken"
    for moment in range(8):
        # It dies with the trial of this number given away and not ended.
        book = ledger(broken, settings(tuner))
        assert len(finish(book, most=1)) == 1
        given = book.next("w")
        assert (given is not None) == (moment < 7)
    end = ledger(broken, settings(tuner))
    assert finish(end) == []
    assert _outcome(end.records) == _outcome(whole.records)
    assert [r.order for r in end.records.values()] == list(range(1, 9))


def test_what_was_broken_off_comes_first_and_once(tmp_path: Path) -> None:
    book = ledger(tmp_path, settings())
    first, second = book.next("a"), book.next("b", busy=[0])
    assert first is not None
    assert second is not None
    again = ledger(tmp_path, settings())  # both workers were killed
    given = again.next("c")
    assert (given.number, given.worker, given.starts) == (0, "c", 2)
    assert again.next("a", busy=[0]).number == 1
    assert again.next("b", busy=[0, 1]).number == 2


def test_an_end_is_on_the_disk(tmp_path: Path) -> None:
    book = ledger(tmp_path, settings())
    given = book.next("a")
    book.finish(ended(given))
    found = records.read(tmp_path / "trials" / "0000" / "trial.json")
    assert found == book.records[0]
    assert found.status == COMPLETED


@pytest.mark.parametrize("metrics", [{"height": float("nan")}, {"height": 1e999}, {}])
def test_an_objective_that_is_no_number_is_a_failure(
    tmp_path: Path, metrics: dict[str, float]
) -> None:
    book = ledger(tmp_path, settings())
    book.finish(replace(book.next("a"), metrics=metrics))
    assert book.records[0].status == FAILED
    message = book.records[0].message
    assert re.match("the objective 'height' is (nan|inf|missing)", message)
    # And can be read again: JSON of a NaN is Python's own.
    assert ledger(tmp_path, settings()).records[0].status == FAILED


def test_there_is_an_end(tmp_path: Path) -> None:
    book = ledger(tmp_path, settings(trials=2))
    finish(book)
    assert book.next("a") is None


def test_a_space_of_nothing_is_refused(tmp_path: Path) -> None:
    book = Ledger(tmp_path, settings())
    with pytest.raises(SweepError, match="nothing to search"):
        book.declare(space_of(_Nothing()))


class _Nothing:
    def build(self, hp: Any) -> None:
        pass


def test_another_space_is_refused(tmp_path: Path) -> None:
    book = ledger(tmp_path, settings())
    book.declare(space_of(Parabola()))  # the same again: another worker
    with pytest.raises(SweepError, match=r"mode, variant, x differ"):
        book.declare(space_of(Troubled()))


def test_another_seed_is_refused(tmp_path: Path) -> None:
    finish(ledger(tmp_path, settings()), most=1)
    with pytest.raises(SweepError, match="was not made with seed 4"):
        ledger(tmp_path, settings(seed=4))


# Torn files.


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_torn_record_costs_its_own_trial_at_most(
    tmp_path: Path, tuner: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = ledger(tmp_path / "whole", settings(tuner))
    finish(whole)
    torn = tmp_path / "torn"
    finish(ledger(torn, settings(tuner)))
    path = torn / "trials" / "0003" / "trial.json"
    path.write_bytes(path.read_bytes()[:40])
    book = ledger(torn, settings(tuner))
    assert f"note: {path} is damaged" in capfd.readouterr().err
    assert (
        path.with_name("trial.json.damaged-1").read_bytes()
        == ((tmp_path / "whole/trials/0003/trial.json").read_bytes()[:40])
    )
    ran = finish(book)
    assert [record.number for record in ran] == [3]
    if tuner in ("random", "grid", "hyperband"):  # the others saw what came after it
        assert ran[0].values == whole.records[3].values


def test_fifty_random_cuts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Any file, cut anywhere: at most its own trial is redone, and said in one line."""
    chance = random.Random(0)
    sweep = settings("hyperband", trials=12)
    folder = tmp_path / "sweep"
    finish(ledger(folder, sweep))
    files = [folder / "space.json", *sorted(folder.glob("trials/*/trial.json"))]
    for _ in range(50):
        path = chance.choice(files)
        content = path.read_bytes()
        cut = chance.randrange(len(content))
        path.write_bytes(content[:cut])
        capfd.readouterr()
        book = ledger(folder, sweep)
        ran = finish(book)
        said = capfd.readouterr().err.splitlines()
        whole = content[:cut].strip() == content.strip()  # only the newline was cut
        assert len(said) == (0 if whole else 1)
        expected = [] if whole or path.name == "space.json" else [path.parent.name]
        assert [record.trial_id for record in ran] == expected
        assert len(book.records) == 12
        assert all(r.status == COMPLETED for r in book.records.values())


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", '{"number": 3}', "\0" * 9])
def test_records_that_are_none(tmp_path: Path, content: str) -> None:
    book = ledger(tmp_path, settings())
    finish(book)
    path = tmp_path / "trials" / "0003" / "trial.json"
    path.write_text(content)
    again = ledger(tmp_path, settings())
    assert [record.number for record in finish(again)] == [3]


def test_a_record_in_the_place_of_another(tmp_path: Path) -> None:
    finish(ledger(tmp_path, settings()))
    trials = tmp_path / "trials"
    (trials / "0003" / "trial.json").write_bytes(
        (trials / "0004" / "trial.json").read_bytes()
    )
    again = ledger(tmp_path, settings())
    assert [record.number for record in finish(again)] == [3]
    assert json.loads((trials / "0003" / "trial.json").read_text())["number"] == 3


def test_the_best_of_what_was_completed(tmp_path: Path) -> None:
    def record(number: int, metric: float | None, status: str = COMPLETED) -> Record:
        return Record(number, {}, status, metric=metric)

    found = [
        record(0, 3.0),
        record(1, 1.0),
        record(2, 1.0),
        record(3, None, FAILED),
        record(4, None, RUNNING),
    ]

    def best(direction: str, trials: list[Record]) -> Record | None:
        book = Ledger(tmp_path, settings(direction=direction))
        book.records = {record.number: record for record in trials}
        return book.best

    assert best("min", found) is found[1]
    assert best("max", found) is found[0]
    assert best("min", found[3:]) is None
