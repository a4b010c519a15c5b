"""`ExactResume`: a training with `model.fit` that a kill cannot change.

Example:
    Any Keras model and any `keras.utils.PyDataset` whose batches depend on nothing but
    the index and how often `on_epoch_end` was called; run it again after a kill:

    .. code-block:: python

        from keras_gru.resume import ExactResume

        model.compile("adam", "sparse_categorical_crossentropy")
        resume = ExactResume("checkpoints", batches, seconds=60)
        model.fit(
            resume.data,
            epochs=10,
            initial_epoch=resume.initial_epoch,
            shuffle=False,
            callbacks=resume.callbacks(keras.callbacks.EarlyStopping("loss")),
        )

    Build the model from the same seed each time, and call
    `keras.utils.set_random_seed` first.
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gru.resume import checkpoint as checkpoints
from keras_gru.resume.checkpoint import Checkpoint, values_of
from keras_gru.resume.errors import NotFinite, ResumeError

# What Keras' own callbacks decide by; a callback of yours names it in `STATE`.
STATES = {
    keras.callbacks.EarlyStopping: (
        *("wait", "best", "best_epoch", "stopped_epoch", "best_weights"),
    ),
    keras.callbacks.ModelCheckpoint: ("best", "epochs_since_last_save"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}


class ExactResume(keras.callbacks.Callback):
    """Checkpoints from which a killed `fit` goes on to the same bits.

    A checkpoint holds all that the next step reads: weights, carried states, seeds of
    the dropout masks, optimizer, metrics, the logs of past epochs, the state of other
    callbacks, and how many batches of the epoch are done. It is written beside the one
    before, forced to the disk, then renamed; it has a hash, and the last two are kept.
    One is written where `seconds` have passed since the last, at the end of each epoch,
    and where a callback has set its attribute `checkpoint_due`.

    Nothing is read from the device in a step without a checkpoint, and the callback
    does its work before a step and not after it: Keras hands losses to callbacks that
    come after a step, and waits for the device to know them.

    Stays the same only on the same machine, backend and versions, as all numbers do.
    The number of a batch that Keras gives to callbacks counts from the resumed batch
    in the first epoch; `step` gives the true one.

    Args:
        folder: of the checkpoints; the newest whole one is gone on from.
        data: the batches; an epoch has `len(data)` of them.
        seconds: the most work that a kill may cost, besides the one batch.
        facts: what else decides the training, such as the hash of the data, as JSON; a
            checkpoint with other facts is refused.

    Attributes:
        data: the batches that are still to do; give it to `fit`.
        initial_epoch: give it to `fit`.
        damaged: checkpoints that were newer and could not be read.

    Raises:
        ResumeError: the checkpoints are all damaged, or of another training.
    """

    def __init__(
        self,
        folder: str | Path,
        data: keras.utils.PyDataset,
        *,
        seconds: float = 60.0,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.data = Remaining(data)
        self.seconds = seconds
        self.facts = dict(facts or {})
        self._others: tuple[keras.callbacks.Callback, ...] = ()
        self._logs: list[dict[str, float]] = []
        self._epoch = 0
        self._torch = TorchGenerator()
        self._saved = time.monotonic()
        self._checkpoint = self._newest()
        self.initial_epoch = 0
        if self._checkpoint is not None:
            self.initial_epoch = int(self._checkpoint.metadata["epoch"])

    @property
    def damaged(self) -> list[Path]:
        return [] if self._checkpoint is None else self._checkpoint.damaged

    @property
    def resumed_from(self) -> int:
        """The step of the checkpoint; 0 where the training begins."""
        return 0 if self._checkpoint is None else self._checkpoint.step

    def callbacks(
        self, *others: keras.callbacks.Callback
    ) -> list[keras.callbacks.Callback]:
        """The callbacks for `fit`: others, whose state is kept too, then this one.

        Of a callback that has `STATE`, a tuple of attribute names, these attributes are
        kept: numbers, what JSON holds, or lists of arrays. Of Keras' own, those that
        they decide by.
        """
        self._others = others
        return [*others, self]

    def tell_damage(self) -> None:
        """Name damaged checkpoints on stderr, and remove them."""
        for path in self.damaged:
            print(
                f"note: {path} is damaged; going on from the one before it "
                f"(step {self.resumed_from})",
                file=sys.stderr,
            )
            path.unlink()

    def step(self, batch: int) -> int:
        """Batches done in all epochs, before batch `batch` of Keras' count."""
        return self._epoch * self.data.batches + self.data.skipped + batch

    # What Keras calls.

    def on_train_begin(self, logs: Any = None) -> None:
        if self._checkpoint is None:
            return
        self.data.replay(self.initial_epoch)
        self._torch.set_state(self._checkpoint.metadata["torch"])
        self._restore()
        self._restore_callbacks()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        done = 0
        if (found := self._checkpoint) is not None:
            if epoch != self.initial_epoch:
                raise ValueError(
                    f"fit began with epoch {epoch}, the checkpoint is of epoch "
                    f"{self.initial_epoch}: expected "
                    f"fit(..., initial_epoch=resume.initial_epoch)"
                )
            done = int(found.metadata["batch"])
            if done:
                # Once more: Keras has reset the metrics, callbacks maybe the states.
                self._restore()
            self._fill_history()
            self._checkpoint = None
        self.data.begin(done)
        # An epoch that is gone on with has fewer batches than Keras expects.
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        if done:
            warnings.filterwarnings("ignore", message="Your input ran out of data")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        done = self.data.skipped + batch
        if done == self.data.batches:
            # Keras ends the epoch. Had it asked TensorFlow for one more batch, the
            # failing step would have drawn seeds and counted as one.
            raise StopIteration
        if batch == 0:
            self._torch.begin(self._epoch, resumed=done > 0)
        elif self._due():
            self._save(self._epoch, done)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._warnings.__exit__(None, None, None)
        self.data.end()
        self._logs.append({name: float(value) for name, value in (logs or {}).items()})
        self._save(epoch + 1, 0)

    def on_train_end(self, logs: Any = None) -> None:
        if self._checkpoint is not None:  # there was nothing left to do
            self._fill_history()

    # Checkpoints.

    def _due(self) -> bool:
        return time.monotonic() - self._saved >= self.seconds or any(
            getattr(one, "checkpoint_due", False) for one in self._others
        )

    def _newest(self) -> Checkpoint | None:
        try:
            found = checkpoints.latest(self.folder)
        except checkpoints.DamagedCheckpoint as error:
            raise ResumeError(
                f"{error}; nothing is left to resume: train in another folder"
            ) from error
        if found is not None and found.metadata["facts"] != self.facts:
            raise ResumeError(
                f"{self.folder} is of another training: it was begun with "
                f"{found.metadata['facts']}, this is {self.facts}"
            )
        return found

    def _variables(self) -> dict[str, Any]:
        """Name -> variable, for all that one step reads and writes."""
        model = self.model
        model_variables = [*model.variables, *_states(model)]
        named: dict[str, Any] = {}
        for group, variables in (
            ("model", model_variables),
            ("optimizer", model.optimizer.variables),
            ("metrics", model.metrics_variables),
        ):
            for index, variable in enumerate(variables):
                # Less the numbers that Keras gives: they depend on what else was built.
                name = re.sub(r"_\d+", "", variable.name)
                named[f"{group}/{index:03d}/{name}"] = variable
        return named

    def _save(self, epoch: int, batch: int) -> None:
        named = self._variables()
        arrays = dict(zip(named, values_of(list(named.values())), strict=True))
        step = epoch * self.data.batches + batch
        bad = checkpoints.require_finite(arrays)
        if bad is not None:
            raise NotFinite(
                f"training stopped: {bad} is no longer finite at step {step}; "
                f"{checkpoints.last_good(self.folder)}"
            )
        states: list[dict[str, Any]] = []
        for place, callback in enumerate(self._others):
            states.append({})
            for name in _state_names(callback):
                value = getattr(callback, name)
                if _is_arrays(value):
                    states[-1][name] = len(value)
                    for index, array in enumerate(value):
                        arrays[f"callback/{place}/{name}/{index:03d}"] = array
                else:
                    states[-1][name] = _plain(value)
        metadata = {
            "torch": self._torch.state(),
            "facts": self.facts,
            "epoch": epoch,
            "batch": batch,
            "logs": self._logs,
            "callbacks": states,
        }
        checkpoints.save(self.folder, Checkpoint(step, arrays, metadata))
        self._saved = time.monotonic()
        for callback in self._others:
            if getattr(callback, "checkpoint_due", False):
                callback.checkpoint_due = False

    def _restore(self) -> None:
        """Put the checkpoint's values into the variables."""
        assert self._checkpoint is not None
        arrays = {
            name: array
            for name, array in self._checkpoint.arrays.items()
            if not name.startswith("callback/")
        }
        shapes = _shapes(arrays)
        model = self.model
        if model.built:
            model.optimizer.build(model.trainable_variables)
        if shapes != _shapes(self._variables()):
            # TensorFlow makes metrics, and models without a shape, in the first step.
            first = self.data.dataset[0]
            model.test_on_batch(*(first if isinstance(first, tuple) else (first,)))
            model.optimizer.build(model.trainable_variables)
        if shapes != _shapes(self._variables()):
            raise ResumeError(
                f"{self.folder}: the checkpoint of step {self._checkpoint.step} is of "
                f"another model: the code or its libraries have changed since"
            )
        for name, variable in self._variables().items():
            variable.assign(arrays[name])

    def _restore_callbacks(self) -> None:
        assert self._checkpoint is not None
        states = self._checkpoint.metadata["callbacks"]
        if len(states) != len(self._others):
            raise ResumeError(
                f"{self.folder}: begun with {len(states)} callbacks, gone on with "
                f"{len(self._others)}"
            )
        for place, (callback, state) in enumerate(
            zip(self._others, states, strict=True)
        ):
            for name, value in state.items():
                first = f"callback/{place}/{name}/"
                arrays = [
                    array
                    for key, array in sorted(self._checkpoint.arrays.items())
                    if key.startswith(first)
                ]
                setattr(callback, name, arrays or value)
        self._logs = list(self._checkpoint.metadata["logs"])

    def _fill_history(self) -> None:
        """Let the history that `fit` returns have the past epochs."""
        history = self.model.history
        history.epoch = list(range(len(self._logs)))
        history.history = {}
        for logs in self._logs:
            for name, value in logs.items():
                history.history.setdefault(name, []).append(value)


class Remaining(keras.utils.PyDataset):
    """The batches that are still to do.

    Before the training Keras looks at batches and lets an epoch begin and end; the
    dataset itself is told of the true epochs only.
    """

    def __init__(self, dataset: keras.utils.PyDataset) -> None:
        # One worker: several read ahead, in what may be another epoch of the dataset.
        super().__init__(workers=1)
        self.dataset = dataset
        self.batches = len(dataset)
        self.skipped = 0
        self._training = False

    def __len__(self) -> int:
        return self.batches - self.skipped

    def __getitem__(self, index: int) -> Any:
        if not self._training and hasattr(self.dataset, "example"):
            return self.dataset.example(index)
        return self.dataset[index + self.skipped]

    def on_epoch_begin(self) -> None:
        if self._training:
            self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Nothing: `end` tells the dataset, once, when the callbacks are told."""

    def replay(self, epochs: int) -> None:
        """Let the dataset pass the epochs that are done."""
        for _ in range(epochs):
            self.dataset.on_epoch_begin()
            self.dataset.on_epoch_end()

    def begin(self, skipped: int) -> None:
        """An epoch begins, of which `skipped` batches are done."""
        self.skipped = skipped
        self._training = True

    def end(self) -> None:
        self.dataset.on_epoch_end()
        self.skipped = 0
        self._training = False


class TorchGenerator:
    """The generator of torch's process, which Keras' layers without a seed draw from.

    Keras' data loaders draw from it too, more or less often, so that it is seeded anew
    at the first batch of each epoch. Other backends have no such generator.
    """

    def __init__(self) -> None:
        self._seed = 0
        self._resumed: list[str] = []
        if keras.backend.backend() == "torch":
            import torch

            self._seed = torch.initial_seed()

    def state(self) -> dict[str, Any]:
        """As JSON."""
        if keras.backend.backend() != "torch":
            return {}
        import torch

        states = [torch.get_rng_state()]
        if torch.cuda.is_available():
            states.append(torch.cuda.get_rng_state())
        return {"seed": self._seed, "states": [bytes(s.tolist()).hex() for s in states]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave; it holds from the first batch on."""
        if state:
            self._seed, self._resumed = state["seed"], state["states"]

    def begin(self, epoch: int, resumed: bool) -> None:
        """The first batch comes, of an epoch or of what is left of one."""
        if keras.backend.backend() != "torch":
            return
        import torch

        if not resumed:
            drawn = np.random.default_rng([self._seed, epoch]).integers(2**63)
            torch.manual_seed(int(drawn))
            return
        states = [torch.tensor(list(bytes.fromhex(one))) for one in self._resumed]
        torch.set_rng_state(states[0].to(torch.uint8))
        for state in states[1:]:
            torch.cuda.set_rng_state(state.to(torch.uint8))


def _shapes(arrays: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(array.shape) for name, array in arrays.items()}


def _state_names(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    if hasattr(callback, "STATE"):
        return tuple(callback.STATE)
    names: tuple[str, ...] = ()
    for kind, of_kind in STATES.items():
        if isinstance(callback, kind):
            names = of_kind
    return tuple(name for name in names if hasattr(callback, name))


def _is_arrays(value: Any) -> bool:
    return isinstance(value, list) and value != [] and isinstance(value[0], np.ndarray)


def _plain(value: Any) -> Any:
    """NumPy's and the backend's scalars as Python's."""
    if value is None or isinstance(value, bool | int | str | list | dict | tuple):
        return value
    return float(value)


def _states(model: keras.Model) -> list[Any]:
    """States that stateful layers carry and Keras does not count as variables."""
    known = {id(variable) for variable in model.variables}
    found = []
    for layer in model.layers:
        states = keras.tree.flatten(getattr(layer, "states", None) or [])
        if getattr(layer, "stateful", False):
            found += [state for state in states if id(state) not in known]
    return found
