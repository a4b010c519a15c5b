"""Train a recogniser: its data, its task, what it leaves at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.files import write_text
from zoo.loop import Progress, Task
from zoo.program import Program
from zoo.program import Settings as CommonSettings
from zoo.program import Setup as AnySetup
from zoo.runs import RunFolder
from zoo.speech import data, recordings
from zoo.speech.config import DEFAULT_TASK, SIZES, Config, for_task
from zoo.speech.data import statistics
from zoo.speech.features import Features
from zoo.speech.recordings import Recording, Split
from zoo.trained import Trained as AnyTrained
from zoo.training.objective import Objective
from zoo.training.optimizers import adamw

if TYPE_CHECKING:
    import keras

    from zoo.speech.augment import Spoken
    from zoo.speech.use import Recogniser


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """The common ones, what is recognised, and who is kept for the test.

    Attributes:
        task: a name in `zoo.speech.config.TASKS`.
        hold_out: a speaker whose recordings test and do not train; None: the split by
            takes.
    """

    task: str = DEFAULT_TASK
    hold_out: str | None = None

    @property
    def source(self) -> str:
        without = f"-without-{self.hold_out}" if self.hold_out else ""
        return f"{self.dataset}-{self.task}{without}"


@dataclass(frozen=True)
class Corpus:
    """A dataset and its split."""

    name: str
    recordings: list[Recording]
    split: Split

    @cached_property
    def sha256(self) -> str:
        return recordings.digest(self.recordings)


Setup = AnySetup[Settings, Config, Corpus]
Trained = AnyTrained[Settings, Config, Corpus]


class Speech(Program[Settings, Config, Corpus]):
    """Spoken digits, one by one or in strings."""

    name = "speech"
    settings_type = Settings
    config_type = Config
    sizes = SIZES
    objective = Objective("nats", like_loss=True)
    headline = "wer"
    columns = (
        "validation_nats",
        "validation_accuracy",
        "validation_wer",
        "test_nats",
        "test_accuracy",
        "test_wer",
    )

    def load(self, settings: Settings) -> Corpus:
        found = recordings.load(str(settings.dataset))
        split = Split.of(found, settings.hold_out)
        return Corpus(str(settings.dataset), found, split)

    def extras(self, settings: Settings, data: Corpus) -> dict[str, Any]:
        features = statistics(data.split.train, self.config(settings, {}))
        return {"mean": features.mean.tolist(), "std": features.std.tolist()}

    def config(self, settings: Settings, extras: Mapping[str, Any]) -> Config:
        return replace(
            for_task(self.sizes[settings.size], settings.task),
            variant=settings.variant,
            epochs=settings.epochs,
        )

    def check(self, setup: Setup) -> None:
        _batches(setup).require_one_batch()

    def summary(self, setup: Setup) -> str:
        name, split = f"{setup.data.name}, {setup.settings.task}", setup.data.split
        return (
            f"{name}: {len(split.train):,} recordings "
            f"train, {len(split.validation):,} validate, {len(split.test):,} test"
        )

    def build(self, config: Config) -> keras.Model:
        from zoo.speech.model import build

        return build(config)

    def task(self, setup: Setup) -> SpeechTask:
        return SpeechTask(
            setup.config,
            _batches(setup),
            examples(setup.data.split, "validation", setup.config.task),
        )

    def finish(
        self, setup: Setup, task: Task, run: RunFolder, progress: Progress
    ) -> dict[str, Any]:
        """Test the best weights; write what they got wrong."""
        from zoo.speech.evaluation import figures, recognise

        assert progress.best is not None  # the last step always validates
        task.portable.set_weights(progress.best)
        spoken = examples(setup.data.split, "test", setup.config.task)
        features = features_of(setup.extras, setup.config)
        logits, said = recognise(task.portable, spoken, features, setup.config)
        wrong = [
            f"said {' '.join(map(str, one.digits))}, heard "
            f"{' '.join(map(str, heard)) or 'nothing'} "
            f"({', '.join(sorted(set(one.speakers)))})\n"
            for one, heard in zip(spoken, said, strict=True)
            if list(one.digits) != heard
        ]
        head = f"{len(wrong)} of {len(spoken)} test examples are wrong\n"
        write_text(run.samples, head + "".join(wrong))
        tested = figures(logits, said, spoken, setup.config)
        return {f"test_{name}": value for name, value in tested.items()}

    def licence(self, settings: Settings) -> str:
        return recordings.LICENCES[str(settings.dataset)]

    def evaluate(self, trained: Trained, **options: Any) -> dict[str, Any]:
        from zoo.speech.use import evaluate

        return evaluate(trained, **options)

    def predictor(self, trained: Trained) -> Recogniser:
        from zoo.speech.use import Recogniser

        return Recogniser(trained)


PROGRAM = Speech()


def features_of(extras: Mapping[str, Any], config: Config) -> Features:
    """The features of a run, with the statistics of its training data."""
    return Features(
        config.mels,
        config.stack,
        np.array(extras["mean"], np.float32),
        np.array(extras["std"], np.float32),
    )


def examples(split: Split, part: str, task: str) -> list[Spoken]:
    """What a model is validated ("validation") or tested ("test") on."""
    if part == "validation":
        return data.examples(
            split.validation, task, data.VALIDATION_SEED, data.VALIDATION_STRINGS
        )
    return data.examples(split.test, task, data.TEST_SEED, data.TEST_STRINGS)


def _batches(setup: Setup) -> data.Batches:
    return data.Batches(
        setup.data.split.train,
        features_of(setup.extras, setup.config),
        setup.config,
        setup.settings.seed,
    )


class SpeechTask(Task):
    """The recogniser as the shared loop sees it."""

    def __init__(
        self, config: Config, batches: data.Batches, validation: list[Spoken]
    ) -> None:
        from zoo.speech.model import build, loss

        self.config = config
        self.batches = batches
        self.validation = validation
        self.steps_per_epoch = batches.steps_per_epoch
        self.total_steps = config.epochs * batches.steps_per_epoch
        self.validate_every = max(1, math.ceil(self.total_steps / config.validations))
        # First, so that the seed gives the same initial weights to every start.
        self.model = build(config, seed=batches.seed)
        self.model.compile(
            optimizer=adamw(
                config,
                self.total_steps,
                1.0 - 1.0 / max(2.0, config.averaging * self.total_steps),
            ),
            loss=loss(config),
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self.portable = build(config)
        self._compile_for_any_shape()

    def _compile_for_any_shape(self) -> None:
        """See `zoo.training.tracing.forget_shapes`."""
        from zoo.training.tracing import forget_shapes, train_on_any_shape

        def predict(rows: int, steps: int) -> None:
            self.portable.predict_on_batch(self.batches.silence(rows, steps)[0])

        train_on_any_shape(self.model, self.batches.silence)
        forget_shapes(predict)

    def batch(self, step: int) -> data.Batch:
        return self.batches.batch(step)

    def validate(self, values: list[np.ndarray]) -> dict[str, float]:
        from zoo.speech.evaluation import figures, recognise

        self.portable.set_weights(values)
        logits, said = recognise(
            self.portable, self.validation, self.batches.features, self.config
        )
        return figures(logits, said, self.validation, self.config)
