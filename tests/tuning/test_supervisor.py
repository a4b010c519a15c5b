"""What the supervisor does about workers that die, hang and leave things behind.

The workers are real processes under a real guard; what they run is a script of the
test's instead of a model, so that they start at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keras_gru.tuning import pool, records, supervisor
from keras_gru.tuning.records import COMPLETED, FAILED, Record
from tests.kills.processes import descendants
from tests.tuning.scripted import ROOT, Sweep

pytestmark = pytest.mark.once


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    return Sweep(tmp_path, monkeypatch)


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def wait_for(true: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.02)


def test_all_trials_in_order(sweep: Sweep) -> None:
    assert sweep.run({}) == ""
    assert [r.status for r in sweep.trials] == [COMPLETED] * 4
    assert [r.order for r in sweep.trials] == [1, 2, 3, 4]
    assert len(sweep.pids()) == 1  # one process for all
    assert sweep.run({"start": ["exit1"] * 9}) == ""  # complete: nothing is started
    assert len(sweep.pids()) == 1


@pytest.mark.parametrize(
    ("does", "deaths", "how"),
    [
        ("kill", supervisor.KILLS, "signal SIGKILL"),
        ("segfault", supervisor.CRASHES, "signal SIGSEGV"),
        ("exit0", supervisor.CRASHES, "exit code 0"),
        ("exit3", supervisor.CRASHES, "exit code 3"),
    ],
)
def test_a_trial_that_kills_its_worker_is_given_up(
    sweep: Sweep, does: str, deaths: int, how: str
) -> None:
    assert sweep.run({"0001": [does]}, trials=3) == ""
    assert [r.status for r in sweep.trials] == [COMPLETED, FAILED, COMPLETED]
    lost = sweep.trials[1]
    assert lost.message == (
        f"its worker died {deaths} times in it ({how}); see logs/worker-1.log"
    )
    assert (lost.starts, len(sweep.pids())) == (deaths, deaths + 1)


def test_a_death_costs_an_attempt_and_nothing_else(sweep: Sweep) -> None:
    script = {"0001": ["kill", "nothing"], "0002": ["exit0", "nothing"]}
    assert sweep.run(script) == ""
    assert [r.starts for r in sweep.trials] == [1, 2, 2, 1]
    assert {r.status for r in sweep.trials} == {COMPLETED}


def test_a_result_that_is_missing_is_not_taken_for_one(sweep: Sweep) -> None:
    assert sweep.run({"0000": ["no result", "nothing"]}, trials=2) == ""
    assert [r.starts for r in sweep.trials] == [2, 1]


def test_a_trial_that_never_gives_a_result_is_not_run_for_ever(sweep: Sweep) -> None:
    assert sweep.run({"0000": ["no result"]}, trials=2) == ""
    assert [r.status for r in sweep.trials] == [FAILED, COMPLETED]
    message = "its worker gave no result 2 times; see logs/worker-1.log"
    assert sweep.trials[0].message == message


@pytest.mark.parametrize("does", ["deaf", "children and hangs"])
def test_a_trial_that_takes_too_long(sweep: Sweep, does: str) -> None:
    assert sweep.run({"0000": [does]}, trials=2, trial_timeout=0.5) == ""
    assert [r.status for r in sweep.trials] == [FAILED, COMPLETED]
    assert sweep.trials[0].message == "it took longer than 0.5 s"
    assert sweep.trials[0].seconds == 0.5
    assert not any(map(alive, sweep.pids("children")))


@pytest.mark.parametrize("does", ["children", "thread", "print"])
def test_what_a_trial_leaves_behind_is_gone(sweep: Sweep, does: str) -> None:
    assert sweep.run({"trials": [does]}, trials=2) == ""
    assert {r.status for r in sweep.trials} == {COMPLETED}
    assert not any(map(alive, sweep.pids() + sweep.pids("children")))
    assert len(sweep.pids("children")) == (4 if does == "children" else 0)


SCRIPT = """
import sys
from pathlib import Path
import pytest
from tests.kills.processes import descendants
from tests.tuning.scripted import Sweep
with pytest.MonkeyPatch.context() as patch:
    Sweep(Path(sys.argv[1]), patch).run({"trials": [sys.argv[2]]}, workers=2)
"""


def test_nothing_outlives_a_supervisor_that_is_killed(
    sweep: Sweep, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "children and hangs"],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
    )
    try:
        wait_for(lambda: len(sweep.pids("children")) == 4, "children", 60.0)
    finally:
        process.kill()
        process.wait()
    left = sweep.pids() + sweep.pids("children")
    wait_for(lambda: not any(map(alive, left)), "end of the processes")
    assert sweep.run({}) == ""
    assert [r.starts for r in sweep.trials] == [2, 2, 1, 1]
    assert {r.status for r in sweep.trials} == {COMPLETED}


def test_workers_killed_from_outside(sweep: Sweep) -> None:
    """At any moment, guards too: no trial is lost, none that ended is run again."""
    done = threading.Event()
    killed = []

    def kill() -> None:
        while not done.wait(0.15):
            for process in descendants(os.getpid()):
                words = Path(f"/proc/{process}/cmdline").read_text(errors="replace")
                if "fake_worker" in words:
                    os.kill(process, signal.SIGKILL)
                    killed.append(words)
                    break

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        # Blame for the kills would be unjust here.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(supervisor, "KILLS", 999)
            patch.setattr(supervisor, "FAILED_STARTS", 999)
            assert sweep.run({"trials": ["sleep0.1"]}, trials=12, workers=2) == ""
    finally:
        done.set()
        killer.join()
    assert len(killed) >= 3
    assert {r.status for r in sweep.trials} == {COMPLETED}
    assert sorted(r.order for r in sweep.trials) == list(range(1, 13))


def test_a_result_that_a_killed_supervisor_did_not_record(sweep: Sweep) -> None:
    assert sweep.run({}, trials=1) == ""
    ended = sweep.trials[0]
    records.write(sweep.folder, replace(ended, order=0, metric=None))
    assert sweep.run({"trials": ["exit1"]}, trials=1) == ""
    assert sweep.trials == [ended]
    records.write(sweep.folder, Record(0, ended.values, starts=2))
    assert sweep.run({}, trials=1) == ""
    assert sweep.trials[0].starts == 3


def test_a_process_that_says_why_ends_the_sweep(sweep: Sweep) -> None:
    assert sweep.run({"start": ["wrong"]}) == "the model cannot be built"


def test_processes_that_only_die_end_the_sweep(sweep: Sweep) -> None:
    reason = sweep.run({"start": ["exit7"] * 9})
    assert reason == (
        "worker-1 died 5 times before it had a trial (exit code 7): it said nothing"
    )


def test_a_model_that_is_never_built(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "START", 0.3)
    reason = sweep.run({"start": ["deaf"]}, trial_timeout=0.2)
    assert reason == "the model was not built within 0.2 s, before any trial"


def test_the_budget(sweep: Sweep) -> None:
    reason = sweep.run({"trials": ["deaf"]}, budget=0.01, trial_timeout=None)
    assert reason == "no trial was completed within the budget of 0.01 min"
    script = {"0000": ["nothing"], "trials": ["deaf"]}
    assert sweep.run(script, budget=0.02, trial_timeout=None) == ""
    assert [r.status for r in sweep.trials] == [COMPLETED, "RUNNING"]


def test_failures_in_a_row_end_it(sweep: Sweep) -> None:
    reason = sweep.run({"trials": ["segfault"]}, max_failures=2)
    assert reason.startswith("2 trials in a row failed, the last one with: its worker")
    # Those of before count no more when it is resumed.
    assert sweep.run({}, max_failures=2) == ""
    assert [r.status for r in sweep.trials] == [FAILED] * 2 + [COMPLETED] * 2


def test_threads_are_shared_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(pool.os, "cpu_count", lambda: 8)
    assert pool.environment("jax", 2)["OMP_NUM_THREADS"] == "4"
    assert "OMP_NUM_THREADS" not in pool.environment("jax", 1)
    assert pool.environment("jax", 1)["KERAS_BACKEND"] == "jax"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in pool.environment("jax", 2)
