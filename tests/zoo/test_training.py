"""The shared loop: every form of batch, averaged weights, both directions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_gru
from zoo import loop as training
from zoo.backend import seed_everything
from zoo.loop import Batch, Task
from zoo.runs import RunFolder
from zoo.training import weights
from zoo.training.objective import Objective
from zoo.training.weights import values_of, weights_to_use


class _Sums(Task):
    """Two inputs of a length that changes from step to step, with a mask."""

    total_steps = 9
    steps_per_epoch = 3
    validate_every = 2

    def __init__(self, figures: list[float], momentum: float | None) -> None:
        self.figures = figures
        self.validated: list[list[np.ndarray]] = []
        self.model = _build()
        ema = {"use_ema": True, "ema_momentum": momentum} if momentum else {}
        self.model.compile(keras.optimizers.Adam(0.05, **ema), loss="mse")
        self.model.optimizer.build(self.model.trainable_variables)
        self.portable = _build()

    def batch(self, step: int) -> Batch:
        random = np.random.default_rng(step)
        length = 2 + step % 3
        inputs = {
            name: random.normal(size=(4, length, 2)).astype("float32")
            for name in ("left", "right")
        }
        weight = (np.arange(length) < 2) * np.ones((4, 1), "float32")  # (batch, time)
        sums = inputs["left"].sum(-1) + inputs["right"].sum(-1)
        return inputs, sums[..., None], weight

    def validate(self, values: list[np.ndarray]) -> dict[str, float]:
        self.validated.append(values)
        return {"figure": self.figures[len(self.validated) - 1]}


def _build() -> keras.Model:
    left, right = (keras.Input((None, 2), name=name) for name in ("left", "right"))
    joined = keras.layers.Concatenate(name="joined")([left, right])
    states = keras_gru.GRU(3, return_sequences=True, name="gru")(joined)
    outputs = keras.layers.Dense(1, name="sums")(states)  # (batch, time, 1)
    return keras.Model({"left": left, "right": right}, outputs, name="sums")


def _fit(
    task: Task, folder: Path, objective: Objective, **options: Any
) -> training.Progress:
    return training.fit(
        task,
        RunFolder(folder),
        objective,
        facts={},
        report=print,
        checkpoint_seconds=0,
        **options,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("maximise", "best_step"), [(False, 4), (True, 6)], ids=["least", "greatest"]
)
def test_the_best_weights_are_those_of_the_first_best_figure(
    folder: Path, maximise: bool, best_step: int
) -> None:
    seed_everything(0)
    task = _Sums([2.0, 1.0, 3.0, 1.0, 3.0], momentum=None)
    objective = Objective("figure", maximise)
    progress = _fit(task, folder, objective)
    assert [entry["step"] for entry in progress.history] == [2, 4, 6, 8, 9]
    assert objective.best(progress.history)["step"] == best_step
    expected = task.validated[best_step // 2 - 1]
    loaded = _build()
    weights.load(loaded, folder / "best.weights.h5")
    for found, value in zip(values_of(loaded.weights), expected, strict=True):
        np.testing.assert_array_equal(found, value)


def test_averaged_weights_are_validated_and_kept_and_the_others_trained_on(
    folder: Path,
) -> None:
    seed_everything(0)
    task = _Sums([1.0] * 4 + [0.0], momentum=0.5)
    seen: list[list[np.ndarray]] = []
    progress = _fit(
        task,
        folder,
        Objective("figure"),
        on_step=lambda progress: seen.append(values_of(task.model.weights)),
    )
    # a <- a / 2 + w / 2, from the first step's w.
    averages = seen[0]
    for step in seen[1:]:
        averages = [(a + w) / 2 for a, w in zip(averages, step, strict=True)]
    assert progress.best is not None
    for found, expected, last in zip(progress.best, averages, seen[-1], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.abs(found - last).max() > 1e-4
    for found, last in zip(values_of(task.model.weights), seen[-1], strict=True):
        np.testing.assert_array_equal(found, last)


class _Stop(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_a_training_of_changing_shapes_goes_on_to_the_same_bits(
    folder: Path, tmp_path: Path, momentum: float | None
) -> None:
    figures = [5.0, 4.0, 3.0, 2.0, 1.0]

    def train(into: Path, on_step: Callable[[training.Progress], None]) -> _Sums:
        seed_everything(1)
        task = _Sums(figures, momentum)
        _fit(task, into, Objective("figure"), on_step=on_step)
        return task

    whole = train(folder, lambda progress: None)

    def stop(progress: training.Progress) -> None:
        if progress.step == 5:
            raise _Stop

    stopped = tmp_path / "stopped"
    shutil.copytree(folder, stopped, ignore=lambda *_: ["checkpoints"])
    with pytest.raises(_Stop):
        train(stopped, stop)
    resumed = train(stopped, lambda progress: None)
    for found, expected in zip(
        weights_to_use(resumed.model), weights_to_use(whole.model), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_an_objective_knows_which_way_is_better() -> None:
    history = [{"x": 2.0}, {"x": 1.0, "first": 1}, {"x": 1.0}, {"x": 3.0}]
    assert Objective("x").best(history) == {"x": 1.0, "first": 1}
    assert Objective("x", maximise=True).best(history) == {"x": 3.0}
    assert Objective("x").better(-1e300, than=Objective("x", maximise=True).worst) is (
        False
    )
    for objective in (Objective("x"), Objective("x", maximise=True)):
        assert objective.better(0.0, than=objective.worst)
