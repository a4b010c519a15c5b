"""Ray runs the trials that one machine would have run."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from keras_gru import tuning
from keras_gru.tuning import records
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, Record
from tests.tuning.models import HEIGHT, TRIALS, Parabola, run_sweep

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray's own imports
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    import ray
    from ray import tune

    from keras_gru.tuning import on_ray


class Hill(Parabola):
    """A parabola whose highest rows fail."""

    def fit(self, hp: Any, model: None, **arguments: Any) -> dict[str, float]:
        if hp.get("x") < -0.5:
            raise RuntimeError("too steep")
        return super().fit(hp, model)


class Falling(keras_tuner.HyperModel):
    """A training whose loss falls to the floor that its value sets."""

    def __init__(self, kills: Path) -> None:
        super().__init__()
        self.kills = kills

    def build(self, hp: Any) -> keras.Model:
        hp.Choice("floor", [4.0, 1.0, 2.0, 3.0])
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    def fit(self, hp: Any, model: keras.Model, *, callbacks: Any, epochs: int) -> Any:
        x = np.ones((4, 1), "float32")
        y = x + hp.get("floor") ** 0.5 * np.array([[1.0], [-1.0]] * 2, "float32")
        kill = keras.callbacks.LambdaCallback(on_epoch_begin=self._kill)
        used = [*callbacks, kill]
        return model.fit(x, y, callbacks=used, epochs=epochs, verbose=0)

    def _kill(self, epoch: int, logs: Any) -> None:
        with self.kills.open("a") as file:
            file.write(f"{self.trial.trial_id} {epoch}\n")
        if epoch == 2 and self.kills.read_text().count(" 2\n") == 1:
            os._exit(1)  # once


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's, not ours
        yield


def test_the_trials_are_those_of_one_machine(tmp_path: Path) -> None:
    # On Ray trials end in any order, and so many failures may come in a row.
    trials = TRIALS + 2
    setting = {"workers": 2, "engine": "ray", "max_failures": trials}
    here = run_sweep(Hill(), tmp_path / "here")
    there = run_sweep(Hill(), tmp_path / "there", **setting)

    def outcome(record: Record) -> tuple[Any, ...]:
        return record.number, record.status, record.metric, record.values

    assert [*map(outcome, there.trials)] == [*map(outcome, here.trials)]
    assert {record.status for record in there.trials} == {COMPLETED, FAILED}
    failed = next(r for r in there.trials if r.status == FAILED)
    assert failed.message.startswith("RuntimeError: too steep (test_on_ray.py:")
    assert (there.folder / "report.html").is_file()
    more = run_sweep(Hill(), tmp_path / "there", **setting, trials=trials, resume=True)
    assert more.trials[:TRIALS] == there.trials
    assert len(more.trials) == trials


def test_a_trial_whose_process_dies_goes_on_and_a_bad_one_is_stopped(
    tmp_path: Path,
) -> None:
    starts = tmp_path / "starts"
    found = tuning.run(
        Falling(starts),
        objective=keras_tuner.Objective("loss", "min"),
        out=tmp_path / "sweep",
        tuner="grid",
        trials=4,
        epochs=6,
        engine="ray",
        scheduler=tune.schedulers.MedianStoppingRule(
            "training_iteration", "loss", "min", grace_period=1, min_samples_required=1
        ),
    )
    assert {record.status for record in found.trials} == {COMPLETED}
    assert found.best.hyperparameters == {"floor": 1.0}
    assert found.best.epochs == 6
    begun = starts.read_text().split("\n")
    first = found.trials[0].trial_id
    # Killed in its third epoch, it went on with it.
    assert [line for line in begun if line.startswith(first)] == [
        f"{first} {epoch}" for epoch in (0, 1, 2, 2, 3, 4, 5)
    ]
    stopped = [r for r in found.trials if r.epochs is not None and r.epochs < 6]
    assert {r.hyperparameters["floor"] for r in stopped} <= {2.0, 3.0}
    assert stopped
    assert found.model().layers


def test_what_ended_unrecorded_is_not_run_again_where_ray_knows_it(
    tmp_path: Path,
) -> None:
    first = run_sweep(Parabola(), tmp_path, trials=2, engine="ray")
    running = replace(first.trials[1], status=RUNNING, order=0)
    for starts in (1, 2):
        records.write(tmp_path, running)
        again = run_sweep(Parabola(), tmp_path, trials=2, engine="ray", resume=True)
        assert [r.metric for r in again.trials] == [r.metric for r in first.trials]
        assert [r.starts for r in again.trials] == [1, starts]
        shutil.rmtree(tmp_path / on_ray.STORAGE)


def test_processes_with_another_backend_say_so(tmp_path: Path) -> None:
    variables = {"KERAS_BACKEND": "numpy", "PYTHONPATH": str(ROOT)}
    ray.init("local", runtime_env={"env_vars": variables})
    try:
        with pytest.raises(tuning.SweepFailed, match="have KERAS_BACKEND=numpy"):
            run_sweep(Hill(), tmp_path, trials=1, engine="ray", backend="torch")
    finally:
        ray.shutdown()


def test_the_scheduler_is_of_the_setting() -> None:
    from tests.tuning.models import settings

    assert on_ray._scheduler(settings()) is None
    for stopping, kind in (
        ("asha", tune.schedulers.ASHAScheduler),
        ("median", tune.schedulers.MedianStoppingRule),
    ):
        assert type(on_ray._scheduler(settings(stopping=stopping))) is kind
    assert HEIGHT.direction == "min"
