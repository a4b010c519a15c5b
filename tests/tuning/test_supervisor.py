"""What the supervisor does about processes that end as a script says."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from keras_gru.tuning import children, records, supervisor
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.files import write_json
from keras_gru.tuning.names import ADDRESS, WRONG
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, SEED, Record
from keras_gru.tuning.supervisor import Plan, Supervisor
from tests.tuning.models import settings

pytestmark = pytest.mark.once

STAYS = None  # an exit code: it runs on


class Fake:
    """A child whose lives are given: an exit code each, and what it does first."""

    lives: dict[str, Iterator[tuple[Callable[[], None] | None, int | None]]]
    told: list[str]
    ended: list[str]
    folder: Path

    def __init__(self, name: str, module: str, log: Path, environment: object) -> None:
        self.name, self.log = name, log
        self.pid = 0
        self.code: int | None = None

    def start(self, arguments: Sequence[str]) -> None:
        self.pid += 100
        does, self.code = next(self.lives[self.name])
        if self.name == "chief" and self.code is STAYS:
            write_json(self.folder / ADDRESS, {"pid": self.pid})
        if does:
            does()

    def exit_code(self) -> int | None:
        return self.code

    @property
    def alive(self) -> bool:
        return self.pid > 0 and self.code is None

    def tell(self, line: str) -> None:
        self.told.append(line)

    def kill(self) -> None:
        self.ended.append(self.name)
        if self.alive:
            self.code = -signal.SIGKILL

    def end(self, seconds: float) -> None:
        self.kill()

    def last_words(self) -> str:
        return f"last words of {self.name}"


def write(folder: Path, number: int, **changes: Any) -> None:
    common = {"worker": "local-1", "starts": 1, "status": RUNNING}
    record = Record(number, {SEED: 1}, **{**common, **changes})
    records.write(folder, record)


@pytest.fixture
def supervise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setattr(supervisor, "Child", Fake)
    monkeypatch.setattr(supervisor, "TICK", 0.001)
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(Fake, "folder", tmp_path, raising=False)

    def run(
        *worker: tuple[Callable[[], None] | None, int | None],
        chief: Sequence[int | None] = (STAYS,),
        **plan: Any,
    ) -> str:
        lives = {
            "chief": iter([(None, code) for code in chief]),
            "local-1": iter(worker),
        }
        monkeypatch.setattr(Fake, "lives", lives, raising=False)
        monkeypatch.setattr(Fake, "told", [], raising=False)
        monkeypatch.setattr(Fake, "ended", [], raising=False)
        how = {
            "workers": 1,
            "host": "127.0.0.1",
            "port": 7000,
            "budget": None,
            "trial_timeout": None,
            "failures": 3,
            "environment": {},
        }
        changed: list[int] = []
        sweep = settings(trials=3)
        found = Supervisor(
            tmp_path,
            sweep,
            Plan(**{**how, **plan}),
            lambda found: changed.append(len(found)),
        )
        reason = found.run()
        if Fake.ended:  # it was not complete before it began
            assert changed[-1] == len(found.records)
            assert {*Fake.ended} == {"chief", "local-1"}
        return reason

    return run


def test_done_when_the_workers_are(supervise: Any, tmp_path: Path) -> None:
    def all_three() -> None:
        for number in range(3):
            write(tmp_path, number, status=COMPLETED, order=number + 1, metric=1.0)

    assert supervise((all_three, 0)) == ""


def test_complete_before_it_begins(supervise: Any, tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, number, status=COMPLETED, order=number + 1, metric=1.0)
    assert supervise() == ""  # no process has a life to live


def test_a_process_that_says_why_ends_the_sweep(supervise: Any) -> None:
    assert supervise((None, WRONG)) == "last words of local-1"
    reason = supervise((None, STAYS), chief=[WRONG])
    assert reason == "the chief cannot work: last words of chief"


def test_processes_that_only_die_end_the_sweep(supervise: Any) -> None:
    assert supervise(*[(None, -signal.SIGKILL)] * 5) == (
        "worker local-1 died 5 times before it had a trial (signal SIGKILL): "
        "last words of local-1"
    )
    reason = supervise((None, STAYS), chief=[1] * 5)
    assert reason == "the chief cannot work: last words of chief"


@pytest.mark.parametrize(
    ("code", "deaths", "how"),
    [
        (-signal.SIGKILL, supervisor.KILLS, "signal SIGKILL"),
        (-signal.SIGSEGV, supervisor.CRASHES, "signal SIGSEGV"),
        (3, supervisor.CRASHES, "exit code 3"),
    ],
)
def test_a_trial_that_kills_its_worker_is_given_up(
    supervise: Any, tmp_path: Path, code: int, deaths: int, how: str
) -> None:
    def begin() -> None:
        write(tmp_path, 0)

    told = f"its worker died {deaths} times in it ({how}); see logs/local-1.log"
    answered: list[str] = []

    def answer(self: Fake, line: str) -> None:
        answered.append(line)
        write(tmp_path, 0, status=FAILED, order=1, message=told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fake, "tell", answer)
        # Only once the chief has recorded it does the worker get another life.
        lives = [(begin, code)] * deaths + [(lambda: None, 0)]
        reason = supervise(*lives)
    assert reason == f"no trial was completed; the last one failed with: {told}"
    assert len(answered) == 1
    assert told in answered[0]


def test_a_trial_that_takes_too_long(supervise: Any, tmp_path: Path) -> None:
    told: list[str] = []

    def answer(self: Fake, line: str) -> None:
        told.append(line)
        write(tmp_path, 0, status=FAILED, order=1, message="too long")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fake, "tell", answer)
        supervise(
            (lambda: write(tmp_path, 0), STAYS), (lambda: None, 0), trial_timeout=0.05
        )
    assert '"message": "it took longer than 0.05 s", "seconds": 0.05' in told[0]


def test_a_new_chief_is_told_again(supervise: Any, tmp_path: Path) -> None:
    """One that was killed with the order on its way has not done it."""
    told: list[str] = []
    fakes: list[Fake] = []

    def answer(self: Fake, line: str) -> None:
        told.append(line)
        fakes.append(self)
        if len(told) == 1:
            self.code = -signal.SIGKILL
        else:
            write(tmp_path, 0, status=FAILED, order=1, message="too long")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fake, "tell", answer)
        supervise(
            (lambda: write(tmp_path, 0), STAYS),
            (lambda: None, 0),
            chief=[STAYS, STAYS],
            trial_timeout=0.05,
        )
    assert len(told) == 2
    assert fakes[0] is fakes[1]


def test_a_model_that_is_never_built(
    supervise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "START", 0.05)
    reason = supervise((None, STAYS), trial_timeout=0.05)
    assert reason == "the model was not built within 0.05 s, before any trial"


def test_the_budget(supervise: Any, tmp_path: Path) -> None:
    reason = supervise((lambda: write(tmp_path, 0), STAYS), budget=0.05)
    assert reason == "no trial was completed within the budget of 0.05 s"
    write(tmp_path, 0, status=COMPLETED, order=1, metric=1.0)
    assert supervise((lambda: write(tmp_path, 1), STAYS), budget=0.05) == ""


def test_failures_in_a_row_end_it_at_once(supervise: Any, tmp_path: Path) -> None:
    def three() -> None:
        for number in range(3):
            write(tmp_path, number, status=FAILED, order=number + 1, message="no")

    begun = time.monotonic()
    sweep = supervise((three, STAYS), failures=2)
    assert sweep == "3 trials in a row failed, the last one with: no"
    assert time.monotonic() - begun < 5.0
    # Those of before count no more when it is resumed: here it is complete.
    assert supervise(failures=2) == ""


def test_a_trial_lost_elsewhere_is_run_here(supervise: Any, tmp_path: Path) -> None:
    write(tmp_path, 0, worker="far")

    def lost() -> None:
        write(tmp_path, 0, worker="")

    def ends() -> None:
        write(tmp_path, 0, status=COMPLETED, order=1, metric=1.0)

    assert supervise((lost, 0), (ends, 0)) == ""


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    plan = Plan(1, "192.0.2.1", 0, None, None, 3, {})
    with pytest.raises(SweepError, match=r"address='192\.0\.2\.1' is not this machine"):
        Supervisor(tmp_path, settings(), plan, lambda found: None)


def test_threads_are_shared_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(children.os, "cpu_count", lambda: 8)
    assert children.environment("jax", 2)["OMP_NUM_THREADS"] == "4"
    assert "OMP_NUM_THREADS" not in children.environment("jax", 1)
    assert children.environment("jax", 1)["KERAS_BACKEND"] == "jax"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in children.environment("jax", 2)
