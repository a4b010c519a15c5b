"""The one training loop: every program's, resumable to the bit after any kill.

The loop knows nothing of what it trains. Everything that the next weights depend on is
either a pure function of the step (the batch, through `Task.batch`) or a variable of
the model or its optimizer (weights, moments, learning-rate position, seeds of the
dropout masks, carried recurrent states). So a checkpoint holds the variables and the
step, and a training that goes on from one cannot differ from one that never stopped.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zoo.errors import TrainingFailed, ZooError
from zoo.runs import RunFolder
from zoo.training import checkpoint as checkpoints
from zoo.training.checkpoint import Checkpoint, DamagedCheckpoint
from zoo.training.objective import Objective

if TYPE_CHECKING:
    import keras

Arrays: TypeAlias = "np.ndarray | dict[str, np.ndarray] | tuple[np.ndarray, ...]"
Batch: TypeAlias = "tuple[Arrays, Arrays] | tuple[Arrays, Arrays, Arrays]"


class Task(ABC):
    """What a program gives to the loop.

    Attributes:
        model: compiled and built, its optimizer too; `train_on_batch` is one step. Its
            layers have names of their own: Keras' numbered ones depend on what else was
            built in the process, and a checkpoint is checked by names and shapes.
        portable: another build of it that takes any batch; its weights stand in the
            same order. It holds the best weights while they are written.
        total_steps: when to stop.
        steps_per_epoch: batches in a pass over the data.
        validate_every: steps between two validations.
        loss_scale: turns the training loss into the unit of the validation's, for
            what is shown and drawn of it.
    """

    loss_scale: float = 1.0
    model: keras.Model
    portable: keras.Model
    total_steps: int
    steps_per_epoch: int
    validate_every: int

    def prepare(self, step: int) -> None:  # noqa: B027
        """Do what must be done before batch `step`; a function of `step` only."""

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """Return batch `step`; a function of `step` only.

        Inputs, targets and, where there are any, sample weights: each an array or a
        dict or tuple of arrays. Shapes may differ from step to step.
        """

    @abstractmethod
    def validate(self, values: list[np.ndarray]) -> dict[str, float]:
        """Return the validation figures of weights.

        Args:
            values: of `model.weights`, in their order; the averaged ones where the
                optimizer averages (`use_ema`). `model` itself must stay as it is.
        """

    def save_weights(self, path: Path, values: list[np.ndarray]) -> None:
        """Write a weights file from the values of `model.weights`."""
        from zoo.training import weights

        self.portable.set_weights(values)
        weights.save(self.portable, path)


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: batches done.
        seconds: time spent, over all starts of the program.
        history: one entry a validation: step, seconds, train loss, figures.
        best: the values of `model.weights` at the best validation, or None before it.
        loss: mean training loss since the last validation.
    """

    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: list[np.ndarray] | None = None
    loss_sum: float = 0.0
    loss_count: int = 0

    @property
    def loss(self) -> float:
        return self.loss_sum / max(self.loss_count, 1)


def fit(
    task: Task,
    run: RunFolder,
    objective: Objective,
    *,
    facts: dict[str, Any],
    report: Callable[[str], None],
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_validation: Callable[[Progress], None] = lambda progress: None,
    checkpoint_seconds: float,
) -> Progress:
    """Train `task` to its last step, from the newest whole checkpoint of `run`.

    Args:
        task: the model and its data.
        run: where checkpoints, best weights and history go.
        objective: which validation figure chooses the best weights.
        facts: what the checkpoint's training depends on besides `task` (the hash of
            the data); a checkpoint with other facts is refused.
        report: takes lines for the reader: what was resumed, what is damaged.
        on_step: called after every batch.
        on_validation: called after every validation, before its checkpoint.
        checkpoint_seconds: most seconds of work that a kill may cost. A checkpoint is
            also written at every validation. When they are written does not change
            the weights.

    Returns:
        The progress at the end.

    Raises:
        TrainingFailed: the loss or a variable became NaN or infinite. The last good
            checkpoint stays.
        ZooError: the checkpoints of `run` are damaged or of another training.
    """
    progress = _restore(task, run, facts, report)
    begun = time.perf_counter() - progress.seconds
    saved = time.perf_counter()
    for step in range(progress.step, task.total_steps):
        task.prepare(step)
        loss = float(task.model.train_on_batch(*task.batch(step)))
        if not math.isfinite(loss):
            raise _diverged(run, f"the loss became {loss} at step {step + 1}")
        progress.step = step + 1
        progress.loss_sum += loss * task.loss_scale
        progress.loss_count += 1
        progress.seconds = time.perf_counter() - begun
        on_step(progress)
        last = progress.step == task.total_steps
        validated = last or progress.step % task.validate_every == 0
        if validated:
            _validate(task, run, objective, progress)
            progress.seconds = time.perf_counter() - begun
            on_validation(progress)
        if validated or time.perf_counter() - saved >= checkpoint_seconds:
            _save(task, run, facts, progress)
            saved = time.perf_counter()
    return progress


def _validate(
    task: Task, run: RunFolder, objective: Objective, progress: Progress
) -> None:
    """Append to the history; keep the weights where they are the best so far."""
    from zoo.training.weights import weights_to_use

    values = weights_to_use(task.model)
    figures = task.validate(values)
    figure = figures[objective.name]
    if not math.isfinite(figure):
        raise _diverged(run, f"validation gave {figure} at step {progress.step}")
    best_before = (
        float(objective.best(progress.history)[objective.name])
        if progress.history
        else objective.worst
    )
    progress.history.append(
        {
            "step": progress.step,
            "seconds": round(progress.seconds, 1),
            "train_loss": progress.loss,
            **figures,
        }
    )
    progress.loss_sum, progress.loss_count = 0.0, 0
    if objective.better(figure, than=best_before):
        progress.best = values
        # Before the checkpoint that says so: after a kill between the two, the resumed
        # training comes here again and writes the same weights.
        task.save_weights(run.best_weights, values)
    run.write_history(progress.history)


def _variables(task: Task) -> dict[str, Any]:
    """Name -> variable, for all that one step reads and writes."""
    named: dict[str, Any] = {}
    for group, variables in (
        ("model", task.model.variables),
        ("optimizer", task.model.optimizer.variables),
    ):
        for index, variable in enumerate(variables):
            named[f"{group}/{index:03d}/{variable.name}"] = variable
    return named


def _save(
    task: Task, run: RunFolder, facts: dict[str, Any], progress: Progress
) -> None:
    from zoo.training.weights import values_of

    named = _variables(task)
    arrays = dict(zip(named, values_of(list(named.values())), strict=True))
    bad = checkpoints.require_finite(arrays)
    if bad is not None:
        raise _diverged(run, f"{bad} is no longer finite after step {progress.step}")
    for index, value in enumerate(progress.best or []):
        arrays[f"best/{index:03d}"] = value
    metadata = {
        "facts": facts,
        "seconds": progress.seconds,
        "history": progress.history,
        "loss_sum": progress.loss_sum,
        "loss_count": progress.loss_count,
    }
    checkpoints.save(run.checkpoints, Checkpoint(progress.step, arrays, metadata))


def _restore(
    task: Task, run: RunFolder, facts: dict[str, Any], report: Callable[[str], None]
) -> Progress:
    """Put the newest whole checkpoint into the task's variables."""
    try:
        checkpoint = checkpoints.latest(run.checkpoints)
    except DamagedCheckpoint as error:
        raise ZooError(
            f"{error}; nothing is left to resume: train again with another --out"
        ) from error
    if checkpoint is None:
        return Progress()
    for path in checkpoint.damaged:
        report(
            f"{path} is damaged; going on from the one before it "
            f"(step {checkpoint.step})"
        )
        path.unlink()
    if checkpoint.metadata["facts"] != facts:
        before = checkpoint.metadata["facts"]
        raise ZooError(
            f"{run.path} was trained on other data: it has {before}, this is {facts}"
        )
    named = _variables(task)
    best = {
        name: array
        for name, array in checkpoint.arrays.items()
        if name.startswith("best/")
    }
    shapes = {
        name: array.shape
        for name, array in checkpoint.arrays.items()
        if name not in best
    }
    if shapes != {name: tuple(variable.shape) for name, variable in named.items()}:
        raise ZooError(
            f"{run.checkpoints}: the checkpoint of step {checkpoint.step} is of "
            f"another model: the code or its libraries have changed since"
        )
    for name, variable in named.items():
        variable.assign(checkpoint.arrays[name])
    progress = Progress(
        step=checkpoint.step,
        seconds=checkpoint.metadata["seconds"],
        history=checkpoint.metadata["history"],
        best=[best[name] for name in sorted(best)] or None,
        loss_sum=checkpoint.metadata["loss_sum"],
        loss_count=checkpoint.metadata["loss_count"],
    )
    if progress.best is not None:  # the file may have been lost or damaged since
        task.save_weights(run.best_weights, progress.best)
    return progress


def _diverged(run: RunFolder, what: str) -> TrainingFailed:
    kept = sorted(run.checkpoints.glob("step-*.npz"))
    good = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint yet"
    return TrainingFailed(f"training stopped: {what}; {good}")
