"""Has workers run the trials, starts the dead ones again, and ends everything."""

from __future__ import annotations

import json
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras_tuner

from keras_gru.tuning import records
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.ledger import Ledger, Report
from keras_gru.tuning.pool import Answer, Worker
from keras_gru.tuning.records import COMPLETED, RESULT, RUNNING, Record

# Starts in a row in which a worker dies before it has built the model.
FAILED_STARTS = 5
# Deaths of workers in one trial after which the trial counts as failed: by a signal
# from outside, which may have meant anyone, and by a fault of the process's own.
KILLS, CRASHES = 5, 2
START = 60.0  # seconds that the start of a worker may take
LOOK = 1.0  # seconds between two lines of progress, where nothing happens


@dataclass(frozen=True)
class Plan:
    """How a sweep is run; nothing here changes what its trials are.

    Attributes:
        workers: how many run at a time.
        budget: seconds for all of it; None: no limit.
        trial_timeout: seconds for a trial; None: no limit.
        failures: so many failed trials in a row end the sweep.
        environment: of the workers.
    """

    workers: int
    budget: float | None
    trial_timeout: float | None
    failures: int
    environment: dict[str, str]


class Slot:
    """A worker's place: the worker, what it runs, since when."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.record: Record | None = None
        self.ready = False  # it has built the model
        self.since = time.monotonic()
        self.deaths = 0  # before it was ready


class Over(Exception):
    """The sweep is over; the reason, or "" where it is simply done."""


class Supervisor:
    """Runs the trials of a sweep.

    Args:
        ledger: the trials.
        digest: of the hypermodel's pickle.
        plan: how to run it.
        changed: called with all records when one of them has changed, and about once
            a second for the clock's sake.
    """

    def __init__(
        self,
        ledger: Ledger,
        digest: str,
        plan: Plan,
        changed: Callable[[dict[int, Record]], None],
    ) -> None:
        self.ledger = ledger
        self.plan = plan
        self._changed = changed
        self._slots = [
            Slot(Worker(f"worker-{n}", ledger.folder, digest, plan.environment))
            for n in range(1, plan.workers + 1)
        ]
        self._deaths: dict[int, list[int]] = {}  # trial -> exit codes of its workers
        self._selector = selectors.DefaultSelector()
        self._after = max((r.order for r in ledger.records.values()), default=0)

    def run(self) -> str:
        """Run to the end.

        Returns:
            Why it ended early; "" where it is complete.
        """
        self._begun = time.monotonic()
        self._collect_results()
        if sum(r.order > 0 for r in self.ledger.records.values()) >= (
            self.ledger.settings.trials
        ):
            return ""  # resumed, and complete
        try:
            for slot in self._slots:
                self._start(slot)
            while True:
                self._check_limits()
                for slot in self._slots:
                    self._offer(slot)
                self._changed(self.ledger.records)
                self._check_end()
                self._wait()
        except Over as over:
            return str(over)
        finally:
            for slot in self._slots:
                slot.worker.end()
            self._selector.close()
            self._changed(self.ledger.records)

    def _wait(self) -> None:
        """Until a worker says something or ends, a trial is late, or a second."""
        for key, _ in self._selector.select(self._patience()):
            slot, pipe = key.data
            if self._selector.get_map().get(pipe) is not key:
                continue  # its worker was started again in this round
            for answer in slot.worker.answers():
                self._hear(slot, answer)
            if pipe == slot.worker.pipes()[1]:
                self._replace(slot)
        for slot in self._slots:
            self._check_time(slot)

    def _patience(self) -> float:
        limits = [slot.since + self._limit(slot) for slot in self._slots if slot.record]
        if self.plan.budget is not None:
            limits.append(self._begun + self.plan.budget)
        left = min(limits, default=float("inf")) - time.monotonic()
        return min(max(left, 0.0), LOOK)

    def _start(self, slot: Slot) -> None:
        slot.worker.start()
        slot.ready = False
        slot.since = time.monotonic()
        for pipe in slot.worker.pipes():
            self._selector.register(pipe, selectors.EVENT_READ, (slot, pipe))

    def _end(self, slot: Slot) -> int | None:
        for pipe in slot.worker.pipes():
            self._selector.unregister(pipe)
        return slot.worker.end()

    def _hear(self, slot: Slot, answer: Answer) -> None:
        if "wrong" in answer:
            raise Over(answer["wrong"])
        if "space" in answer:
            try:
                self.ledger.declare(
                    keras_tuner.HyperParameters.from_config(answer["space"])
                )
            except SweepError as error:
                raise Over(str(error)) from error
            slot.ready, slot.deaths = True, 0
            if slot.record is not None:  # the one that its predecessor died in
                self._give(slot, self.ledger.give(slot.record, slot.worker.name))
        elif slot.record is not None:
            self._take_result(slot.record)
            slot.record = None

    def _offer(self, slot: Slot) -> None:
        """Give an idle worker what is next."""
        if not slot.ready or slot.record is not None:
            return
        busy = {s.record.number for s in self._slots if s.record is not None}
        given = self.ledger.next(slot.worker.name, busy)
        if isinstance(given, Record):
            self._give(slot, given)

    def _give(self, slot: Slot, record: Record) -> None:
        slot.record = record
        slot.since = time.monotonic()
        slot.worker.tell(record.trial_id)

    def _take_result(self, record: Record) -> bool:
        """Record what a worker has left of a trial; whether it has left anything."""
        path = self.ledger.folder / "trials" / record.trial_id / RESULT
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("start") != record.starts:
                return False  # of an earlier start
            failed = found.pop("failed")
            self.ledger.finish(record.number, Report(**found), failed=failed)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return False  # absent, or damaged: the trial is run again
        return True

    def _collect_results(self) -> None:
        """Of trials that ended while the supervisor was being killed."""
        for record in list(self.ledger.records.values()):
            if record.status == RUNNING:
                self._take_result(record)

    def _replace(self, slot: Slot) -> None:
        """A worker has ended: blame its trial where that is likely, start another."""
        code = self._end(slot)
        record, how = slot.record, _how(code)
        if record is not None and not self._take_result(record):
            if slot.ready:
                self._count_death(slot, record, code, how)
        elif record is not None:
            slot.record = None
        if not slot.ready:
            slot.deaths += 1
            if slot.deaths >= FAILED_STARTS:
                raise Over(
                    f"{slot.worker.name} died {slot.deaths} times before it had a "
                    f"trial ({how}): {slot.worker.last_words()}"
                )
        self._start(slot)

    def _count_death(
        self, slot: Slot, record: Record, code: int | None, how: str
    ) -> None:
        codes = self._deaths.setdefault(record.number, [])
        codes.append(0 if code is None else code)
        if len(codes) >= (KILLS if code == -signal.SIGKILL else CRASHES):
            message = (
                f"its worker died {len(codes)} times in it ({how}); "
                f"see logs/{slot.worker.log.name}"
            )
            self.ledger.finish(record.number, Report(message=message), failed=True)
            slot.record = None

    def _limit(self, slot: Slot) -> float:
        limit = self.plan.trial_timeout
        if limit is None:
            return float("inf")
        # The start of a process and its backend is no part of a trial.
        return limit if slot.ready else limit + START

    def _check_time(self, slot: Slot) -> None:
        """Kill a worker whose trial takes too long."""
        if time.monotonic() - slot.since <= self._limit(slot):
            return
        if slot.ready and slot.record is None:
            return
        limit = f"{self.plan.trial_timeout:g} s"
        if slot.record is None or not slot.ready:
            if self.ledger.space is None:
                raise Over(f"the model was not built within {limit}, before any trial")
            slot.deaths += 1
        self._end(slot)
        if slot.record is not None and slot.ready:
            report = Report(
                seconds=self.plan.trial_timeout, message=f"it took longer than {limit}"
            )
            if not self._take_result(slot.record):
                self.ledger.finish(slot.record.number, report, failed=True)
            slot.record = None
        self._start(slot)

    def _check_limits(self) -> None:
        found = self.ledger.records.values()
        row = records.failures_in_a_row(found, self._after)
        if len(row) >= self.plan.failures:
            raise Over(
                f"{len(row)} trials in a row failed, the last one with: "
                f"{row[-1].message}"
            )
        budget = self.plan.budget
        if budget is not None and time.monotonic() - self._begun > budget:
            if any(r.status == COMPLETED for r in found):
                raise Over("")
            raise Over(f"no trial was completed within the budget of {budget:g} s")

    def _check_end(self) -> None:
        """Over where a worker is ready, all are idle, and there was nothing to give."""
        if any(s.record for s in self._slots) or not any(s.ready for s in self._slots):
            return
        found = self.ledger.records.values()
        if any(r.status == COMPLETED for r in found):
            raise Over("")
        row = records.failures_in_a_row(found, self._after)
        said = f"; the last one failed with: {row[-1].message}" if row else ""
        raise Over(f"no trial was completed{said}")


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
