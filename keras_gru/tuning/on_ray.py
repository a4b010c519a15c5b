"""Sweeps on more than one machine: Ray Tune runs what the ledger proposes.

Proposals, records and report are those of one machine; Ray starts the trials where
there is room, starts them again where a machine was lost, and lets its schedulers stop
them early. `out` must be on a file system that all machines share.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import ray
from ray import tune

from keras_gru.tuning.errors import Over, SweepError, one_line
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.ray_trial import NUMBER, RECORD, RayTrial
from keras_gru.tuning.records import RUNNING, Record
from keras_gru.tuning.settings import Plan, Settings
from keras_gru.tuning.spaces import explore

STORAGE = "ray"  # Ray's own files, below the sweep's folder
RETRIES = 3  # times that a trial is started again when its process or node is lost


def search(
    ledger: Ledger,
    plan: Plan,
    changed: Callable[[], None],
    hypermodel: Any,
    fit: Mapping[str, Any],
    environment: Mapping[str, str],
    address: str | None,
    scheduler: Any,
) -> str:
    """Run the trials of a sweep on Ray."""
    ours = not ray.is_initialized()
    if ours:
        # Else Ray's processes give way to everything else on the machine.
        os.environ.setdefault("RAY_worker_niceness", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        variables = {**environment, "RAY_CHDIR_TO_TRIAL_DIR": "0"}
        try:
            # None would find a cluster that has crashed.
            runtime = {"env_vars": variables}
            ray.init(address or "local", runtime_env=runtime, log_to_driver=False)
        except ConnectionError as error:
            raise SweepError(
                f"address={address!r}: {one_line(error)}; expected that of a cluster "
                f"begun with `ray start --head`, with its RAY_AUTH_MODE and token"
            ) from error
    try:
        # Not here, where a model would take the memory of a GPU.
        task = ray.remote(_explored).remote(hypermodel, environment["KERAS_BACKEND"])
        try:
            ledger.declare(ray.get(task))
        except SweepError as error:
            return one_line(getattr(error, "cause", error))
        folder = ledger.folder.resolve() / "trials"
        space = ledger.space
        trial = RayTrial(hypermodel, ledger.settings, space, folder, dict(fit))
        proposals = _Proposals.active = _Proposals(ledger, plan, changed)
        storage = ledger.folder.resolve() / STORAGE
        processors = max(1, int(ray.cluster_resources()["CPU"]) // plan.workers)
        trainable = tune.with_resources(trial.run, {"cpu": processors})
        _go_on(proposals, storage, trainable)
        if not proposals.reason and ledger.ended < ledger.settings.trials:
            stopping = scheduler or _scheduler(ledger.settings)
            _tuner(proposals, plan, storage, trainable, stopping).fit()
    finally:
        if ours:
            ray.shutdown()
    return proposals.reason or ledger.outcome()


def _explored(hypermodel: Any, backend: str) -> Any:
    if keras.backend.backend() != backend:
        raise SweepError(
            f"backend={backend!r}, but Ray's processes have KERAS_BACKEND="
            f"{keras.backend.backend()}: give it to ray.init(runtime_env=…)"
        )
    return explore(hypermodel)


def _go_on(proposals: _Proposals, storage: Path, trainable: Any) -> None:
    """Have Ray end the trials that it ran when the sweep was killed."""
    trials = proposals.ledger.trials
    running = {r.worker: r.number for r in trials if r.status == RUNNING}
    experiments = sorted(storage.glob("*"), key=lambda path: int(path.name))
    if not running or not experiments:
        return
    if not tune.Tuner.can_restore(str(experiments[-1])):
        return  # it was killed before Ray had noted anything
    tuner = tune.Tuner.restore(str(experiments[-1]), trainable, resume_errored=True)
    for result in tuner.get_results():
        number = running.get(Path(result.path).name)
        if number is None:
            continue
        if _reported(result.metrics).get("status", RUNNING) != RUNNING:
            proposals.on_trial_complete(Path(result.path).name, result.metrics)
        else:
            proposals.busy.add(number)
    if proposals.busy:
        tuner.fit()
        proposals.busy.clear()  # what it did not end after all


def _tuner(
    proposals: _Proposals, plan: Plan, storage: Path, trainable: Any, scheduler: Any
) -> tune.Tuner:
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=proposals,
            num_samples=-1,  # until there is nothing to propose
            max_concurrent_trials=plan.workers,
            scheduler=scheduler,
            time_budget_s=plan.budget and 60.0 * plan.budget,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name=f"{1 + len(list(storage.glob('*')))}",
            storage_path=str(storage),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            stop=plan.trial_timeout and {"time_total_s": plan.trial_timeout},
            verbose=0,
        ),
    )


def _scheduler(settings: Settings) -> Any:
    """What ends trials early."""
    common = {"metric": settings.objective, "mode": settings.direction}
    if settings.stopping == "asha":
        return tune.schedulers.ASHAScheduler(max_t=settings.epochs or 100, **common)
    if settings.stopping == "median":
        return tune.schedulers.MedianStoppingRule(
            time_attr="training_iteration", grace_period=1, **common
        )
    return None


class _Proposals(tune.search.Searcher):
    """The ledger as Ray knows a search algorithm."""

    active: _Proposals  # of this process

    def __init__(self, ledger: Ledger, plan: Plan, changed: Callable[[], None]) -> None:
        super().__init__()
        self.ledger = ledger
        self.reason = ""
        self.busy: set[int] = set()
        self._plan = plan
        self._changed = changed

    def __reduce__(self) -> Any:
        # Ray stores it with the experiment, but the ledger is on the disk already.
        return getattr, (_Proposals, "active")

    def suggest(self, trial_id: str) -> Any:
        """Values for a trial; None: ask again later."""
        try:
            self.ledger.check_limits(self._plan)
        except Over as over:
            self.reason = str(over)
            return self.FINISHED
        given = self.ledger.next(trial_id, self.busy)
        self._changed()
        if given is None:
            return None if self.busy else self.FINISHED
        self.busy.add(given.number)
        return {**given.values, NUMBER: given.number}

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,
    ) -> None:
        known = {record.worker: record for record in self.ledger.trials}
        if trial_id not in known:
            return  # its record was damaged, and its trial given away anew
        record = known[trial_id]
        self.busy.discard(record.number)
        budget = self._plan.budget
        late = budget is not None and self.ledger.seconds > 60.0 * budget
        reported = _reported(result)
        done = reported.get("status", RUNNING) != RUNNING
        if record.status != RUNNING or (late and not done):
            return  # known before a resume; or broken off, for the next resume
        if error or not reported:
            message = f"its process was lost {RETRIES + 1} times; see {STORAGE}/"
            self.ledger.fail(record.number, message)
        else:
            own = {"worker": record.worker, "starts": record.starts}
            self.ledger.finish(Record(**{**reported, **own}))
        self._changed()

    def save(self, checkpoint_path: str) -> None:
        """Ray wants a file; the ledger has its own."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        pass


def _reported(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The record that a trial has told last; {} before it told one."""
    return dict(json.loads(result[RECORD])) if result and RECORD in result else {}
