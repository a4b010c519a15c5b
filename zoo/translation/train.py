"""Train a translation model: its data, its task, what it leaves at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.errors import ZooError
from zoo.files import write_text
from zoo.loop import Batch, Task
from zoo.program import Program
from zoo.program import Settings as CommonSettings
from zoo.program import Setup as AnySetup
from zoo.trained import Trained as AnyTrained
from zoo.training.objective import Objective
from zoo.training.optimizers import adamw
from zoo.translation import data
from zoo.translation.batches import Batches
from zoo.translation.config import SIZES, Config
from zoo.translation.subwords import EOS, Subwords

if TYPE_CHECKING:
    import keras

    from zoo.loop import Progress
    from zoo.runs import RunFolder

SAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """What the command line decides.

    Attributes:
        pair: the languages of a dataset that has several; None for the others.
        source_file, target_file: aligned files to train on; dataset is None then.
    """

    files = ("source_file", "target_file")

    pair: str | None = None
    source_file: str | None = None
    target_file: str | None = None

    @property
    def source(self) -> str:
        if self.source_file is not None:
            return Path(self.source_file).stem
        return "-".join(filter(None, (self.dataset, self.pair)))


Setup = AnySetup[Settings, Config, data.Corpus]
Trained = AnyTrained[Settings, Config, data.Corpus]


class Translate(Program[Settings, Config, data.Corpus]):
    """Sentences of one language into another."""

    name = "translation"
    settings_type = Settings
    config_type = Config
    sizes = SIZES
    objective = Objective("bleu", maximise=True)
    columns = ("validation_bleu", "validation_nats")
    headline = "bleu"
    times: ClassVar = {"source": "source_time"}

    def load(self, settings: Settings) -> data.Corpus:
        if settings.source_file is not None and settings.target_file is not None:
            return data.from_files(
                Path(settings.source_file), Path(settings.target_file)
            )
        return data.load(str(settings.dataset), settings.pair)

    def licence(self, settings: Settings) -> str:
        """The licence of the sentences."""
        return data.LICENCES.get(str(settings.dataset), "that of the files")

    def extras(self, settings: Settings, data: data.Corpus) -> dict[str, Any]:
        lines = (line for pair in data.splits["train"] for line in pair)
        size = self.sizes[settings.size].vocabulary_size
        return {"subwords": Subwords.learn(lines, size).to_json()}

    def config(self, settings: Settings, extras: Mapping[str, Any]) -> Config:
        return replace(
            self.sizes[settings.size],
            variant=settings.variant,
            epochs=settings.epochs,
            vocabulary_size=len(subwords_of(extras)),
        )

    def check(self, setup: Setup) -> None:
        _batches(setup)

    def summary(self, setup: Setup) -> str:
        _, notes = _training_ids(setup)
        parts = [
            f"{setup.data.name}: {len(setup.data.splits['train']):,} pairs, "
            f"{setup.config.vocabulary_size:,} subwords",
            *setup.data.notes,
            *notes,
        ]
        return "; ".join(parts)

    def build(self, config: Config) -> keras.Model:
        from zoo.translation.model import build

        return build(config)

    def task(self, setup: Setup) -> TranslationTask:
        return TranslationTask(
            setup.config,
            _batches(setup),
            setup.data.splits["validation"],
            subwords_of(setup.extras),
            setup.settings.seed,
        )

    def finish(
        self, setup: Setup, task: Task, run: RunFolder, progress: Progress
    ) -> dict[str, Any]:
        """Leave translations of the first validation sentences."""
        from zoo.translation.translate import Translator

        assert progress.best is not None  # the last step always validates
        task.portable.set_weights(progress.best)
        translate = Translator(task.portable, setup.config, subwords_of(setup.extras))
        shown = setup.data.splits["validation"][:SAMPLES]
        found = translate([source for source, _ in shown])
        samples = [
            f"source       {source}\nreference    {target}\ntranslation  {made.text}\n"
            for (source, target), made in zip(shown, found, strict=True)
        ]
        write_text(run.samples, "\n".join(samples))
        print("\n" + "\n".join(samples))
        return {}

    def evaluate(self, trained: Trained, **options: Any) -> dict[str, Any]:
        """BLEU, chrF and accuracy; see `zoo.translation.use.evaluate`."""
        from zoo.translation.use import evaluate

        return evaluate(trained, **options)

    def predictor(self, trained: Trained) -> Callable[..., Any]:
        """See `zoo.translation.use.Sentences`."""
        from zoo.translation.use import Sentences

        return Sentences(trained)


PROGRAM = Translate()


def subwords_of(extras: Mapping[str, Any]) -> Subwords:
    """The vocabulary of a run."""
    return Subwords.from_json(str(extras["subwords"]))


def _training_ids(setup: Setup) -> tuple[list[tuple[list[int], list[int]]], list[str]]:
    """Ids of the training pairs that are not too long, and a note on the others."""
    subwords, longest = subwords_of(setup.extras), setup.config.max_length
    pairs = setup.data.splits["train"]
    sources = subwords.encode([source for source, _ in pairs])
    targets = subwords.encode([target for _, target in pairs])
    kept = [
        (source, target)
        for source, target in zip(sources, targets, strict=True)
        if max(len(source), len(target)) <= longest
    ]
    if not kept:
        raise ZooError(
            f"{setup.data.name}: no training pair has at most {longest} subwords on "
            f"either side; split the lines into sentences"
        )
    if len(kept) == len(pairs):
        return kept, []
    skipped = len(pairs) - len(kept)
    return kept, [f"{skipped:,} pairs skipped: over {longest} subwords"]


def _batches(setup: Setup) -> Batches:
    pairs, _ = _training_ids(setup)
    return Batches(
        [source for source, _ in pairs],
        [target for _, target in pairs],
        tokens=setup.config.batch_tokens,
        pad_to=setup.config.pad_to,
        word_dropout=setup.config.word_dropout,
        seed=setup.settings.seed,
    )


class TranslationTask(Task):
    """The translation model as the shared loop sees it."""

    def __init__(
        self,
        config: Config,
        batches: Batches,
        validation: list[data.Pair],
        subwords: Subwords,
        seed: int,
    ) -> None:
        from zoo.translation.loss import smoothed_cross_entropy
        from zoo.translation.model import build
        from zoo.translation.translate import Translator

        self.config = config
        self.batches = batches
        self.steps_per_epoch = batches.steps_per_epoch
        self.total_steps = config.epochs * batches.steps_per_epoch
        self.validate_every = max(1, math.ceil(self.total_steps / config.validations))
        # First, so that the seed gives the same initial weights to every start.
        self.model = build(config, seed)
        self.model.compile(
            optimizer=adamw(config, self.total_steps, config.averaging),
            loss=smoothed_cross_entropy(config.label_smoothing),
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self.portable = build(config)
        self._greedy = Translator(self.portable, config, subwords, beam=1)
        self._sources = [source for source, _ in validation]
        self._references = [target for _, target in validation]
        self._validation = Batches(
            subwords.encode(self._sources),
            subwords.encode(self._references),
            tokens=2 * config.batch_tokens,
            pad_to=config.pad_to,
        )
        self._compile_for_any_shape()

    def _compile_for_any_shape(self) -> None:
        """See `zoo.training.tracing.forget_shapes`."""
        from zoo.training.tracing import forget_shapes, train_on_any_shape

        def ends(rows: int, width: int) -> np.ndarray:
            return np.full((rows, width), EOS, dtype=np.int32)

        def train(rows: int, width: int) -> Batch:
            return (ends(rows, width), ends(rows, width)), ends(rows, width)

        def predict(rows: int, width: int) -> None:
            self.portable.predict_on_batch((ends(rows, width), ends(rows, width)))

        train_on_any_shape(self.model, train)
        forget_shapes(predict)

    def batch(self, step: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        return self.batches.batch(step)

    def validate(self, values: list[np.ndarray]) -> dict[str, float]:
        """BLEU of greedy translations, and nats per subword of the true ones."""
        from zoo.translation.loss import mean_nats
        from zoo.translation.metrics import bleu_and_chrf

        self.portable.set_weights(values)
        found = [made.text for made in self._greedy(self._sources)]
        return {
            "bleu": bleu_and_chrf(found, self._references)["bleu"],
            "nats": mean_nats(self.portable, self._validation),
        }
