"""`Validation`: figures at even distances, the best weights, the curves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from keras_gru.resume import ExactResume
from keras_gru.resume.checkpoint import last_good, values_of
from zoo.errors import TrainingFailed
from zoo.files import naming
from zoo.training import plots, weights
from zoo.training.objective import Objective
from zoo.training.runs import Run
from zoo.training.weights import digest_of, weights_to_use

# At most so many values of the training loss: a curve has no more pixels.
TRAINING_POINTS = 500

Measure = Callable[[list[np.ndarray]], dict[str, float]]


class Validation(keras.callbacks.Callback):
    """Measures the model, keeps its best weights, and draws the learning curve.

    Keras validates at the ends of epochs; a language model may have one or two of
    them, and a choice among few weights is poor.

    Args:
        run: its folder is where best weights, history and curves go.
        resume: of the same training; it knows the step.
        portable: another build of the model that takes any batch, its weights in the
            same order; the best weights are written through it.
        measure: from values of `model.weights` (averaged, where the optimizer
            averages) to figures. The model itself must stay as it is.
        objective: the figure that chooses the best weights.
        loss_scale: turns the training loss into the unit of the figure's.

    Attributes:
        history: one entry a validation: step, seconds, train_loss (mean since the
            validation before, or since the epoch began), figures.
        best: the best weights.
        elapsed: seconds of training, over all starts of the program.
    """

    STATE = ("history", "best", "elapsed", "done")

    def __init__(
        self,
        run: Run,
        resume: ExactResume,
        portable: keras.Model,
        measure: Measure,
        objective: Objective,
        loss_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.run = run.folder
        self.resume = resume
        self.portable = portable
        self.measure = measure
        self.objective = objective
        self.loss_scale = loss_scale
        self.total_steps = run.config.epochs * resume.data.batches
        self.every = max(1, math.ceil(self.total_steps / run.config.validations))
        self.history: list[dict[str, Any]] = []
        self.best: list[np.ndarray] = []
        self.checkpoint_due = False
        self.done = 0
        self._begun = time.perf_counter()
        self._points_every = max(1, self.total_steps // TRAINING_POINTS)
        self.run.events.mkdir(exist_ok=True)
        # A file a start: what a kill made a training do twice stands in two of them.
        self._events = self.run.events / f"events.out.tfevents.{time.time_ns()}"
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._begun

    @elapsed.setter
    def elapsed(self, seconds: float) -> None:
        self._begun = time.perf_counter() - seconds

    def result(self) -> dict[str, Any]:
        """Figures of the best weights, and hashes, once the training has ended."""
        best = self.objective.best(self.history)
        return {
            "parameters": self.portable.count_params(),
            "steps": self.done,
            "seconds": round(self.elapsed, 1),
            "train_loss": best["train_loss"],
            **{f"validation_{name}": best[name] for name in figure_names(best)},
            "best_step": best["step"],
            "best_weights_sha256": digest_of(self.best),
            "final_weights_sha256": digest_of(values_of(self.model.weights)),
        }

    # What Keras calls.

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.best and epoch == self.resume.initial_epoch:
            self._save_best()  # it may have been lost or damaged since

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        step = self.resume.step(batch)
        if batch and step % self.resume.data.batches:
            self._after(step, None)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
        self.done = (epoch + 1) * self.resume.data.batches
        self._after(self.done, float(logs["loss"]))
        if self.history:  # for the callbacks behind this one
            newest = self.history[-1]
            logs.update({name: newest[name] for name in figure_names(newest)})

    def _after(self, step: int, loss: float | None) -> None:
        """Do what is due after `step` batches."""
        validates = step % self.every == 0 or step == self.total_steps
        if not validates and step % self._points_every:
            return
        if loss is None:
            loss = float(self.model.get_metrics_result()["loss"])
        loss *= self.loss_scale
        self._draw("loss/training", loss, step)
        if validates:
            self._validate(step, loss)
            self.model.reset_metrics()

    def _validate(self, step: int, loss: float) -> None:
        values = weights_to_use(self.model)
        figures = self.measure(values)
        figure = figures[self.objective.name]
        for name, value in {"loss": loss, "validation": figure}.items():
            if not math.isfinite(value):
                raise TrainingFailed(
                    f"training stopped: the {name} was {value} at step {step}; "
                    f"{last_good(self.run.checkpoints)}"
                )
        before = (
            float(self.objective.best(self.history)[self.objective.name])
            if self.history
            else self.objective.worst
        )
        seconds = round(self.elapsed, 1)
        entry = {"step": step, "seconds": seconds, "train_loss": loss, **figures}
        self.history.append(entry)
        if self.objective.better(figure, than=before):
            self.best = values
            # Before the checkpoint that says so: after a kill between the two, the
            # resumed training comes here again and writes the same weights.
            self._save_best()
        self.run.write_history(self.history)
        for name, value in figures.items():
            self._draw(f"validation/{name}", value, step)
        plots.learning_curve(
            self.history, self.objective, self.run.path.name, self.run.learning_curve
        )
        told = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        print(
            f"step {step:>6,}/{self.total_steps:,}  {seconds:6.0f} s"
            f"  training {loss:.4f}  validation {told}",
            flush=True,
        )
        self.checkpoint_due = True

    def _draw(self, curve: str, value: float, step: int) -> None:
        """A point for TensorBoard; where it shows a clock stands the training time."""
        summary = Summary(value=[Summary.Value(tag=curve, simple_value=value)])
        self._write(Event(step=step, wall_time=self.elapsed, summary=summary))

    def _write(self, event: Event) -> None:
        # On every backend and at once: Keras' own callback needs TensorFlow, and a kill
        # takes what waits in the queue of a SummaryWriter.
        with naming(self._events), self._events.open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())

    def _save_best(self) -> None:
        self.portable.set_weights(self.best)
        weights.save(self.portable, self.run.best_weights)


def figure_names(entry: Mapping[str, Any]) -> list[str]:
    """The names of a history entry's figures."""
    return [name for name in entry if name not in ("step", "seconds", "train_loss")]
