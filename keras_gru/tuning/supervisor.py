"""Has workers run the trials, starts the dead ones again, and ends everything."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from typing import Any

import keras_tuner

from keras_gru.tuning import records
from keras_gru.tuning.errors import Over, SweepError
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.pool import Worker
from keras_gru.tuning.records import RUNNING, Record
from keras_gru.tuning.settings import Plan

# Starts in a row in which a worker dies before it has built the model.
FAILED_STARTS = 5
# Attempts without a result after which a trial counts as failed: by a signal from
# outside, which may have meant anyone, and by a fault of the process's own.
KILLS, CRASHES = 5, 2
START = 60.0  # seconds that the start of a worker may take
LOOK = 1.0  # seconds between two looks at the clock, where nothing happens


class Supervisor:
    """Runs the trials of a sweep."""

    def __init__(
        self,
        ledger: Ledger,
        plan: Plan,
        changed: Callable[[], None],
        digest: str,
        environment: Mapping[str, str],
    ) -> None:
        self.ledger = ledger
        self.plan = plan
        self._changed = changed
        self._workers = [
            Worker(f"worker-{n}", ledger.folder, digest, environment)
            for n in range(1, plan.workers + 1)
        ]
        self._lost: dict[int, int] = {}  # trial -> attempts without a result

    def run(self) -> str:
        """Run to the end."""
        for record in self.ledger.trials:
            if not record.order:  # maybe it ended while we were being killed
                self._take_result(record)
        if self.ledger.ended >= self.ledger.settings.trials:
            return ""  # resumed, and complete
        try:
            for worker in self._workers:
                worker.start()
            while True:
                self.ledger.check_limits(self.plan)
                for worker in self._workers:
                    if worker.ready and worker.record is None:
                        self._offer(worker)
                self._changed()
                self._check_end()
                self._wait()
        except Over as over:
            return str(over)
        finally:
            for worker in self._workers:
                worker.end()
            self._changed()

    def _wait(self) -> None:
        """Until a worker says something or ends, a trial is late, or a second."""
        wait([worker.pipe.fileno() for worker in self._workers], LOOK)
        for worker in self._workers:
            for answer in worker.answers():
                self._hear(worker, answer)
            if worker.ended:
                self._replace(worker)
            self._check_time(worker)

    def _hear(self, worker: Worker, answer: dict[str, Any]) -> None:
        if "wrong" in answer:
            raise Over(answer["wrong"])
        if "space" in answer:
            space = keras_tuner.HyperParameters.from_config(answer["space"])
            try:
                self.ledger.declare(space)
            except SweepError as error:
                raise Over(str(error)) from error
            worker.ready, worker.deaths = True, 0
            if worker.record is not None:  # the one that its predecessor died in
                worker.run(self.ledger.give(worker.record, worker.name))
        elif worker.record is not None:
            if not self._take_result(worker.record):
                self._blame(worker.record, CRASHES, "gave no result")
            worker.record = None

    def _blame(self, record: Record, most: int, did: str, how: str = "") -> bool:
        """Count an attempt that came to nothing; whether the trial has failed by it."""
        times = self._lost[record.number] = 1 + self._lost.get(record.number, 0)
        if times >= most:
            log = f"logs/{record.worker}.log"
            message = f"its worker {did} {times} times{how}; see {log}"
            self.ledger.fail(record.number, message)
        return times >= most

    def _offer(self, worker: Worker) -> None:
        """Give an idle worker what is next."""
        busy = {w.record.number for w in self._workers if w.record is not None}
        given = self.ledger.next(worker.name, busy)
        if given is not None:
            worker.run(given)

    def _take_result(self, record: Record) -> bool:
        """Record the end that a worker has written; whether it has written one."""
        try:
            found = records.read(records.path(self.ledger.folder, record.number))
        except records.DAMAGED:
            return False  # damaged: the trial is run again
        if found.status != RUNNING:
            self.ledger.finish(found)
        return found.status != RUNNING

    def _replace(self, worker: Worker) -> None:
        """A worker has ended: blame its trial where that is likely, start another."""
        code = worker.end()
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = f"signal {signal.Signals(-code).name}"
        record = worker.record
        if record is not None and self._take_result(record):
            worker.record = None
        elif record is not None and worker.ready:
            most = KILLS if code == -signal.SIGKILL else CRASHES
            if self._blame(record, most, "died", f" in it ({how})"):
                worker.record = None
        if not worker.ready:
            worker.deaths += 1
            if worker.deaths >= FAILED_STARTS:
                raise Over(
                    f"{worker.name} died {worker.deaths} times before it had a "
                    f"trial ({how}): {worker.last_words()}"
                )
        worker.start()

    def _check_time(self, worker: Worker) -> None:
        """Kill a worker whose trial takes too long."""
        seconds = self.plan.trial_timeout
        if seconds is None or (worker.ready and worker.record is None):
            return
        # The start of a process and its backend is no part of a trial.
        if time.monotonic() - worker.since <= seconds + (0 if worker.ready else START):
            return
        limit = f"{seconds:g} s"
        if not worker.ready:
            if self.ledger.space is None:
                raise Over(f"the model was not built within {limit}, before any trial")
            worker.deaths += 1
        worker.end()
        if worker.record is not None and worker.ready:
            if not self._take_result(worker.record):
                message = f"it took longer than {limit}"
                self.ledger.fail(worker.record.number, message, seconds)
            worker.record = None
        worker.start()

    def _check_end(self) -> None:
        """Over where a worker is ready, all are idle, and there was nothing to give."""
        ready = any(worker.ready for worker in self._workers)
        if ready and not any(worker.record for worker in self._workers):
            raise Over(self.ledger.outcome())
