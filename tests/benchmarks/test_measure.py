"""The order of timing, the number of repeats, and the refusal, with made-up workers."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest

from benchmarks.budget import LEAST_REPEATS, MOST_REPEATS, Budget
from benchmarks.check import WrongResult
from benchmarks.measure import measure
from benchmarks.rows import Group, Shape

pytestmark = pytest.mark.once

GROUP = Group(Shape(2, 10, 3, 4), False, "inference", 2, ("keep_after",))


def record(contender, status="ready", note="", is_ours=False):
    return {
        "backend": "jax",
        "contender": contender,
        "convention": "keep_after",
        "is_ours": is_ours,
        "status": status,
        "key": contender,
        "kernel": "",
        "error": 1e-7,
        "flops": None,
        "note": note,
    }


class MadeUpWorker:
    """Answers as a worker would; `log` is shared, to see the order."""

    pid = os.getpid()

    def __init__(self, name, records, seconds, log):
        self.name = name
        self._records = records
        self._seconds = seconds
        self.log = log

    def send(self, do, **arguments):
        assert do == "prepare"

    def receive(self):
        return self._records

    def ask(self, do, **arguments):
        if do == "release":
            return None
        self.log.append((arguments["key"], arguments["calls"]))
        return self._seconds


def measured(*records, seconds=0.02, repeats_fit=5):
    log = []
    workers = [
        MadeUpWorker("one", list(records[:1]), seconds, log),
        MadeUpWorker("two", list(records[1:]), seconds, log),
    ]
    budget = Budget(60, [1.0], clock=lambda: 0.0)
    budget.repeats = lambda each: repeats_fit
    budget.start_part()
    return measure(GROUP, "file", workers, budget, settle=lambda _: None), log


def test_each_contender_is_timed_once_a_repeat_in_an_order_drawn_anew():
    names = ["keras_gru", "keras.layers.GRU", "flax"]
    found, log = measured(*map(record, names), repeats_fit=20)
    assert [len(t.seconds) for t in found.timings] == [20, 20, 20]
    rounds = [[name for name, _ in log[i : i + 3]] for i in range(0, len(log), 3)]
    assert len(rounds) == 21  # the first is not kept
    assert all(sorted(each) == sorted(names) for each in rounds)
    # Nobody always follows the same one: what a library leaves behind is shared.
    # The two of one process stay together.
    followers = {pair for each in rounds[1:] for pair in pairwise(each)}
    ours, *theirs = names
    alone = {(ours, other) for other in theirs} | {(other, ours) for other in theirs}
    assert followers == alone | {tuple(theirs), tuple(reversed(theirs))}
    assert all(each.index(ours) != 1 for each in rounds)


def test_short_calls_are_timed_in_rows():
    _, log = measured(record("keras_gru"), record("flax"), seconds=0.001)
    assert log[0] == ("keras_gru", 1)
    assert log[-1][1] == 10


def test_a_wrong_contender_is_refused():
    wrong = record("flax", "wrong", "relative error 0.5")
    with pytest.raises(WrongResult, match=r"flax on jax.*relative error 0\.5"):
        measured(record("keras_gru"), wrong)


def test_a_failure_of_ours_is_refused():
    failed = record("keras_gru", "failed", "TypeError", is_ours=True)
    with pytest.raises(WrongResult, match="keras_gru on jax"):
        measured(failed, record("flax"))


def test_absent_and_failed_peers_are_listed():
    found, log = measured(
        record("keras_gru"),
        record("flax", "absent", "not installed: flax"),
        record("onnxruntime", "failed", "ValueError: x"),
    )
    assert found.absent == {
        "flax (jax)": ["not installed: flax"],
        "onnxruntime (jax)": ["ValueError: x"],
    }
    assert {name for name, _ in log} == {"keras_gru"}


def test_the_budget_is_shared_out_and_what_is_left_goes_on():
    now = 0.0
    budget = Budget(100, [1.0, 3.0], clock=lambda: now)
    budget.start_part()
    assert budget.repeats(2.5) == 10  # of 25 s
    now = 5.0
    budget.start_part()
    assert budget.repeats(9.5) == 10  # of 95 s
    assert budget.repeats(0.001) == MOST_REPEATS
    now = 300.0
    assert budget.repeats(1.0) == LEAST_REPEATS
    assert budget.left == -200
