"""`ExactResume` with a model and a dataset that know nothing of the zoo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_gru.resume import ExactResume, NotFinite, ResumeError
from keras_gru.resume.checkpoint import values_of

EPOCHS, BATCHES = 3, 5


class Shuffled(keras.utils.PyDataset):
    """Batches in an order that the end of an epoch changes."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.random = np.random.default_rng(0)
        self.order = np.arange(BATCHES)
        self.factor = factor

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(int(self.order[index]))
        inputs = random.normal(size=(4, 6)).astype("float32")
        return inputs, self.factor * inputs.sum(-1, keepdims=True)

    def on_epoch_end(self) -> None:
        self.random.shuffle(self.order)


class Kill(Exception):
    """Stands for a kill."""


class KillAt(keras.callbacks.Callback):
    """Ends everything before a batch, hard."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.place, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.place:
            raise Kill


def _train(
    folder: Path,
    *others: keras.callbacks.Callback,
    seconds: float = 0.0,
    units: int = 8,
    data: keras.utils.PyDataset | None = None,
    facts: dict[str, Any] | None = None,
) -> tuple[list[np.ndarray], dict[str, Sequence[float]], keras.callbacks.Callback]:
    """Train as a new process would; weights, history, the plateau's callback."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(units, activation="tanh"),
            keras.layers.Dropout(0.3),  # without a seed
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.3, use_ema=True), "mse", metrics=["mae"])
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9.0)
    resume = ExactResume(folder, data or Shuffled(), seconds=seconds, facts=facts)
    history = model.fit(
        resume.data,
        epochs=EPOCHS,
        initial_epoch=resume.initial_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[*others, *resume.callbacks(plateau)],
    )
    values = values_of([*model.variables, *model.optimizer.variables])
    return values, history.history, plateau


@pytest.mark.parametrize("seconds", [0.0, 99.0], ids=["each step", "each epoch"])
def test_killed_twice_it_ends_as_if_never(tmp_path: Path, seconds: float) -> None:
    values, history, plateau = _train(tmp_path / "whole", seconds=99.0)
    for place in ((0, 3), (2, 2)):
        with pytest.raises(Kill):
            _train(tmp_path / "killed", KillAt(*place), seconds=seconds)
    again, history_again, plateau_again = _train(tmp_path / "killed", seconds=seconds)
    assert len(again) == len(values)
    for found, expected in zip(again, values, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert history_again.keys() == history.keys()
    for name, expected in history.items():
        np.testing.assert_array_equal(history_again[name], expected)
    assert (plateau_again.wait, plateau_again.best) == (plateau.wait, plateau.best)


def test_it_goes_on_from_the_middle_of_an_epoch(tmp_path: Path) -> None:
    with pytest.raises(Kill):
        _train(tmp_path, KillAt(1, 4))
    resume = ExactResume(tmp_path, Shuffled())
    assert (resume.initial_epoch, resume.resumed_from) == (1, BATCHES + 3)


def test_a_finished_training_trains_no_more(tmp_path: Path) -> None:
    values, history, _ = _train(tmp_path)
    again, history_again, _ = _train(tmp_path)
    for found, expected in zip(again[:4], values[:4], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert len(history_again["loss"]) == len(history["loss"]) == EPOCHS


def test_other_trainings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Kill):
        _train(tmp_path, KillAt(1, 1), facts={"data": "one"})
    with pytest.raises(ResumeError, match="of another training"):
        _train(tmp_path, facts={"data": "two"})
    with pytest.raises(ResumeError, match="of another model"):
        _train(tmp_path, units=9, facts={"data": "one"})


def test_a_loss_without_bounds_leaves_the_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Kill):
        _train(tmp_path, KillAt(0, 2))
    (good,) = tmp_path.iterdir()
    with pytest.raises(NotFinite, match=f"no longer finite.*{good.name}"):
        _train(tmp_path, data=Shuffled(np.inf))
    assert list(tmp_path.iterdir()) == [good]
