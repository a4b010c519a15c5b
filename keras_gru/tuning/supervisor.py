"""Starts chief and workers, restarts the dead, and ends everything when it is over."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from keras_gru.tuning import records
from keras_gru.tuning.children import Child
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.names import ADDRESS, LOCAL, WRONG
from keras_gru.tuning.records import COMPLETED, RUNNING, Record
from keras_gru.tuning.settings import Settings

# Deaths without a sign of progress in between, after which it will not get better.
BARREN = 5
# Deaths of workers in one trial after which the trial counts as failed: by a signal
# from outside, which may have meant anyone, and by a fault of the process's own.
KILLS, CRASHES = 5, 2
TICK = 0.1
START = 60.0  # seconds that the start of a worker may take

# The chief computes nothing with Keras; the NumPy backend, which needs JAX, starts in
# half the time of the others.
_LIGHT = {"KERAS_BACKEND": "numpy"} if importlib.util.find_spec("jax") else {}


@dataclass(frozen=True)
class Plan:
    """How a sweep is run; nothing here changes what its trials are.

    Attributes:
        workers: how many run at a time on this machine.
        host: the address that the chief listens on.
        port: 0 takes a free one.
        budget: seconds for all of it; None: no limit.
        trial_timeout: seconds for a trial; None: no limit.
        failures: so many failed trials in a row end the sweep.
        environment: of the processes.
    """

    workers: int
    host: str
    port: int
    budget: float | None
    trial_timeout: float | None
    failures: int
    environment: dict[str, str]


@dataclass
class _Slot:
    """A worker's place: its process, and what was seen of it."""

    child: Child
    barren: int = 0
    finished: bool = False
    trial: tuple[int, int] | None = None  # number and start of what it ran last
    begun: bool = False  # the running process has been given a trial
    since: float = field(default_factory=time.monotonic)


class Over(Exception):
    """The sweep is over; the reason, or "" where it is simply done."""


class Supervisor:
    """Runs the processes of a sweep.

    Args:
        folder: of the sweep.
        settings: of the sweep.
        plan: how to run it.
        changed: called with all records when one of them has changed, and about once
            a second for the clock's sake.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        plan: Plan,
        changed: Callable[[dict[int, Record]], None],
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.plan = plan
        self.records: dict[int, Record] = {}
        self._changed = changed
        self._stamps: dict[Path, int] = {}
        self._port = plan.port or _free_port(plan.host)
        self._chief = Child(
            "chief",
            "keras_gru.tuning.chief",
            folder / "logs" / "chief.log",
            {**plan.environment, **_LIGHT},
        )
        self._chief_listens = False
        self._chief_barren = 0
        self._slots = [
            _Slot(
                Child(
                    f"{LOCAL}{number}",
                    "keras_gru.tuning.worker",
                    folder / "logs" / f"{LOCAL}{number}.log",
                    plan.environment,
                )
            )
            for number in range(1, plan.workers + 1)
        ]
        self._verdicts: dict[int, str] = {}  # failed trials that the chief must record
        self._told: set[tuple[int, int]] = set()  # (trial, chief's pid)
        self._deaths: dict[int, int] = {}
        self._reported = 0.0

    def run(self) -> str:
        """Run to the end.

        Returns:
            Why it ended early; "" where it is complete.
        """
        self._begun = time.monotonic()
        (self.folder / ADDRESS).unlink(missing_ok=True)
        self._look()
        self._after = max((r.order for r in self.records.values()), default=0)
        if sum(r.order > 0 for r in self.records.values()) >= self.settings.trials:
            return ""  # resumed, and complete
        self._start_chief(fresh=True)
        try:
            while True:
                self._tick()
                time.sleep(TICK)
        except Over as over:
            return str(over)
        finally:
            for slot in self._slots:
                slot.child.kill()
            self._chief.end(seconds=2.0)
            self._look()
            self._changed(self.records)

    def _tick(self) -> None:
        """Look at everything once; what is not mended yet is seen again."""
        if self._look() or time.monotonic() - self._reported >= 1.0:
            self._changed(self.records)
            self._reported = time.monotonic()
        self._check_chief()
        for slot in self._slots:
            self._check_worker(slot)
        self._tell_verdicts()
        self._check_end()

    def _look(self) -> bool:
        """Read the records that have changed; whether there were any."""
        changed = False
        for path in self.folder.glob("trials/*/trial.json"):
            try:
                stamp = path.stat().st_mtime_ns
                if self._stamps.get(path) != stamp:
                    record = records.read(path)
                    self.records[record.number] = record
                    self._stamps[path] = stamp
                    changed = True
            # Damaged, and soon set aside by the chief, whose files they are.
            except (FileNotFoundError, ValueError):
                continue
        return changed

    def _start_chief(self, *, fresh: bool = False) -> None:
        self._chief_listens = False
        self._chief.start(
            [
                *("--folder", str(self.folder)),
                *("--host", self.plan.host),
                *("--port", str(self._port)),
                *("--failures", str(self.plan.failures)),
                *("--after", str(self._after)),
                *(["--fresh"] if fresh else []),
            ]
        )

    def _check_chief(self) -> None:
        code = self._chief.exit_code()
        if code is not None:
            self._chief_barren = 0 if self._chief_listens else self._chief_barren + 1
            if code == WRONG or self._chief_barren >= BARREN:
                raise Over(f"the chief cannot work: {self._chief.last_words()}")
            self._chief.kill()
            # Fresh again where it died before it had taken the trials back.
            self._start_chief(fresh=not (self.folder / ADDRESS).is_file())
        elif not self._chief_listens:
            self._chief_listens = self._speaker() == self._chief.pid

    def _speaker(self) -> int:
        """The process of the chief that listened last; 0 before the first one."""
        path = self.folder / ADDRESS
        if not path.is_file():
            return 0
        return int(json.loads(path.read_text(encoding="utf-8"))["pid"])

    def _check_worker(self, slot: _Slot) -> None:
        code = slot.child.exit_code()
        running = self._trial_of(slot.child.name)
        if running is not None:
            slot.barren = 0
            if slot.trial != (running.number, running.starts):
                slot.trial = (running.number, running.starts)
                slot.begun = True
                slot.since = time.monotonic()
        if slot.child.alive:
            self._check_time(slot, running)
        elif slot.finished:
            self._start_again_for_the_lost(slot)
        elif code == 0:
            slot.finished = True
        elif running is not None and running.number in self._verdicts:
            return  # until the chief has recorded it, it would be given the same again
        elif code is None:
            self._start_worker(slot)
        elif code == WRONG:
            raise Over(slot.child.last_words())
        else:
            self._mourn(slot, running, code)

    def _mourn(self, slot: _Slot, running: Record | None, code: int) -> None:
        """A worker died: blame its trial where that is likely, and start it again."""
        how = _how(code)
        if running is None:
            slot.barren += 1
            if slot.barren >= BARREN:
                raise Over(
                    f"worker {slot.child.name} died {slot.barren} times before it had "
                    f"a trial ({how}): {slot.child.last_words()}"
                )
        else:
            deaths = self._deaths[running.number] = (
                self._deaths.get(running.number, 0) + 1
            )
            if deaths >= (KILLS if code == -signal.SIGKILL else CRASHES):
                self._verdicts[running.number] = (
                    f"its worker died {deaths} times in it ({how}); "
                    f"see logs/{slot.child.log.name}"
                )
                return
        self._start_worker(slot)

    def _start_worker(self, slot: _Slot) -> None:
        slot.child.kill()  # what the dead one had started
        slot.finished = slot.begun = False
        slot.since = time.monotonic()
        slot.child.start(
            [
                *("--folder", str(self.folder)),
                *("--address", f"{_reachable(self.plan.host)}:{self._port}"),
                *("--id", slot.child.name),
            ]
        )

    def _check_time(self, slot: _Slot, running: Record | None) -> None:
        """Kill a worker whose trial takes too long."""
        limit = self.plan.trial_timeout
        if limit is None:
            return
        # The start of a process and its backend is no part of a trial.
        late = time.monotonic() - slot.since > limit + (0.0 if slot.begun else START)
        if late and running is not None:
            slot.child.kill()
            self._verdicts[running.number] = f"it took longer than {limit:g} s"
        elif late and not (self.folder / "space.json").is_file():
            raise Over(f"the model was not built within {limit:g} s, before any trial")

    def _tell_verdicts(self) -> None:
        """Have the chief record what only the supervisor knows."""
        for number, message in list(self._verdicts.items()):
            record = self.records.get(number)
            if record is None or record.status != RUNNING:
                del self._verdicts[number]
                continue
            told = (number, self._chief.pid)
            if self._chief_listens and told not in self._told:
                self._told.add(told)
                limit = self.plan.trial_timeout if "longer" in message else None
                order = {"fail": record.trial_id, "message": message, "seconds": limit}
                self._chief.tell(json.dumps(order))

    def _start_again_for_the_lost(self, slot: _Slot) -> None:
        """Run a trial that a worker elsewhere has lost after this one was done."""
        waiting = [
            r for r in self.records.values() if r.status == RUNNING and not r.worker
        ]
        if waiting and not any(other.child.alive for other in self._slots):
            self._start_worker(slot)

    def _check_end(self) -> None:
        row = records.failures_in_a_row(self.records.values(), self._after)
        if len(row) >= self.plan.failures:
            raise Over(
                f"{len(row)} trials in a row failed, the last one with: "
                f"{row[-1].message}"
            )
        budget = self.plan.budget
        if budget is not None and time.monotonic() - self._begun > budget:
            if any(r.status == COMPLETED for r in self.records.values()):
                raise Over("")
            raise Over(f"no trial was completed within the budget of {budget:g} s")
        running = any(r.status == RUNNING for r in self.records.values())
        if not running and all(slot.finished for slot in self._slots):
            if not any(r.status == COMPLETED for r in self.records.values()):
                said = f"; the last one failed with: {row[-1].message}" if row else ""
                raise Over(f"no trial was completed{said}")
            raise Over("")

    def _trial_of(self, worker: str) -> Record | None:
        """What a worker runs, as far as the records tell."""
        for record in self.records.values():
            if record.status == RUNNING and record.worker == worker:
                return record
        return None


def _free_port(host: str) -> int:
    """A port that nobody listens on. The same for every chief: workers know it."""
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise SweepError(f"address={host!r} is not this machine's: {error}") from (
                error
            )
        return int(probe.getsockname()[1])


def _how(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _reachable(host: str) -> str:
    """The address by which this machine reaches itself."""
    return "127.0.0.1" if host in ("0.0.0.0", "") else host
