"""`model.fit` with the shared callbacks: the best weights, averaged ones, both ways."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru.resume import seed_everything
from keras_gru.resume.checkpoint import values_of
from zoo.training import fit as training
from zoo.training import weights
from zoo.training.objective import Objective
from zoo.training.runs import RunFolder
from zoo.training.validation import Validation

EPOCHS, STEPS = 3, 3


class Sums:
    """Two inputs of a length that changes from step to step, with weights."""

    steps_per_epoch = STEPS

    def batch(self, step: int) -> Any:
        return self._batch(step, rows=4, length=2 + step % 3)

    def example(self, index: int) -> Any:
        return self._batch(0, rows=4 + index, length=2 + index)

    def _batch(self, seed: int, rows: int, length: int) -> Any:
        random = np.random.default_rng(seed)
        inputs = {
            name: random.normal(size=(rows, length, 2)).astype("float32")
            for name in ("left", "right")
        }
        weight = (np.arange(length) < 2) * np.ones((rows, 1), "float32")
        sums = inputs["left"].sum(-1) + inputs["right"].sum(-1)
        return inputs, sums[..., None], weight  # (batch, time)


def build() -> keras.Model:
    left, right = (keras.Input((None, 2), name=name) for name in ("left", "right"))
    joined = keras.layers.Concatenate(name="joined")([left, right])
    states = keras_gru.GRU(3, return_sequences=True, name="gru")(joined)
    outputs = keras.layers.Dense(1, name="sums")(states)  # (batch, time, 1)
    return keras.Model({"left": left, "right": right}, outputs, name="sums")


class EachStep(keras.callbacks.Callback):
    """The weights after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[np.ndarray]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(values_of(self.model.weights))


def fit(
    folder: Path, figures: list[float], objective: Objective, momentum: float | None
) -> tuple[Validation, list[list[np.ndarray]], list[list[np.ndarray]]]:
    """-> the validations, what each was given, the weights after each step."""
    seed_everything(0)
    model = build()
    ema = {"use_ema": True, "ema_momentum": momentum} if momentum else {}
    model.compile(keras.optimizers.Adam(0.05, **ema), loss="mse")
    validated: list[list[np.ndarray]] = []

    def measure(values: list[np.ndarray]) -> dict[str, float]:
        validated.append(values)
        return {"figure": figures[len(validated) - 1]}

    each = EachStep()
    run = SimpleNamespace(
        config=SimpleNamespace(epochs=EPOCHS, validations=5),
        folder=RunFolder(folder),
        checkpoint_seconds=0,
        data_sha256="",
        check_size=lambda parameters: None,
        callbacks=(),
    )
    validation = training.fit(
        run,
        model,
        build(),
        Sums(),
        measure,
        objective,
        before=lambda _: [each],
    )
    return validation, validated, each.seen


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
    objective = Objective("figure", maximise)
    figures = [2.0, 1.0, 3.0, 1.0, 3.0]
    validation, validated, _ = fit(folder, figures, objective, None)
    assert [entry["step"] for entry in validation.history] == [2, 4, 6, 8, 9]
    assert objective.best(validation.history)["step"] == best_step
    expected = validated[best_step // 2 - 1]
    stored = build()
    weights.load(stored, folder / "best.weights.h5")
    for found, value in zip(values_of(stored.weights), expected, strict=True):
        np.testing.assert_array_equal(found, value)


def test_averaged_weights_are_validated_and_kept_and_the_others_trained_on(
    folder: Path,
) -> None:
    figures = [1.0] * 4 + [0.0]
    validation, _, seen = fit(folder, figures, Objective("figure"), 0.5)
    assert len(seen) == EPOCHS * STEPS
    # a <- a / 2 + w / 2, from the first step's w.
    averages = seen[0]
    for step in seen[1:]:
        averages = [(a + w) / 2 for a, w in zip(averages, step, strict=True)]
    for found, expected, last in zip(validation.best, averages, seen[-1], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.abs(found - last).max() > 1e-4


def test_an_objective_knows_which_way_is_better() -> None:
    history = [{"x": 2.0}, {"x": 1.0, "first": 1}, {"x": 1.0}, {"x": 3.0}]
    assert Objective("x").best(history) == {"x": 1.0, "first": 1}
    assert Objective("x", maximise=True).best(history) == {"x": 3.0}
    assert Objective("x").better(-1e300, than=Objective("x", maximise=True).worst) is (
        False
    )
    for objective in (Objective("x"), Objective("x", maximise=True)):
        assert objective.better(0.0, than=objective.worst)
