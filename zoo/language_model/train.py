"""Train a language model: its data, its task, what it leaves at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.files import write_text
from zoo.language_model import data
from zoo.language_model.config import SIZES, Config
from zoo.objective import Objective
from zoo.optimizers import adamw
from zoo.program import Program
from zoo.program import Settings as CommonSettings
from zoo.program import Setup as AnySetup
from zoo.runs import RunFolder
from zoo.trained import Trained as AnyTrained
from zoo.training import Progress, Task

if TYPE_CHECKING:
    import keras

    from zoo.language_model.use import Writer

SAMPLE_LENGTH = 300
SAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """The common ones, a file in the place of a dataset, and what a text is cut into.

    Attributes:
        text: a file.
        tokens: "char", "bpe" or "word".
        vocabulary: how many pieces, where they are not characters.
    """

    files = ("text",)

    text: str | None = None
    tokens: str = "char"
    vocabulary: int = 2048

    @property
    def source(self) -> str:
        source = self.dataset or Path(str(self.text)).stem
        return source if self.tokens == "char" else f"{source}-{self.tokens}"


Setup = AnySetup[Settings, Config, data.Corpus]
Trained = AnyTrained[Settings, Config, data.Corpus]


class LanguageModel(Program[Settings, Config, data.Corpus]):
    """The next character of a text, from all that came before it."""

    name = "language_model"
    settings_type = Settings
    config_type = Config
    sizes = SIZES
    objective = Objective("nats", like_loss=True)
    columns = ("validation_nats", "validation_bits_per_char")
    headline = "nats"

    def load(self, settings: Settings) -> data.Corpus:
        text = Path(settings.text) if settings.text else None
        return data.load(settings.dataset or "", text)

    def extras(self, settings: Settings, data: data.Corpus) -> dict[str, Any]:
        if settings.tokens == "char":
            return {"vocabulary": "".join(sorted(set(data.text)))}
        from zoo.language_model.tokens import Pieces

        make = Pieces.byte_pairs if settings.tokens == "bpe" else Pieces.words
        return {"tokenizer": make(data.train, settings.vocabulary).to_json()}

    def config(self, settings: Settings, extras: Mapping[str, Any]) -> Config:
        return replace(
            self.sizes[settings.size],
            variant=settings.variant,
            epochs=settings.epochs,
            vocabulary_size=len(tokens_of(extras)),
        )

    def check(self, setup: Setup) -> None:
        _streams(setup).require_one_batch()

    def summary(self, setup: Setup) -> str:
        return (
            f"{setup.data.name}: {len(setup.data.text):,} characters, vocabulary of "
            f"{setup.config.vocabulary_size} ({setup.settings.tokens})"
        )

    def build(self, config: Config) -> keras.Model:
        from zoo.language_model.model import build

        return build(config)

    def task(self, setup: Setup) -> LanguageModelTask:
        tokens = tokens_of(setup.extras)
        streams = _streams(setup)
        return LanguageModelTask(
            setup.config,
            streams,
            Text.of(setup.data.validation, tokens),
            # A loss per token becomes one per character, as validation has it.
            len(streams.ids) / len(setup.data.train),
        )

    def finish(
        self, setup: Setup, task: Task, run: RunFolder, progress: Progress
    ) -> dict[str, Any]:
        """Write and show samples."""
        from zoo.language_model import sampling
        from zoo.language_model.model import build

        tokens = tokens_of(setup.extras)
        streaming = build(setup.config, batch_size=1)
        assert progress.best is not None  # the last step always validates
        streaming.set_weights(progress.best)
        samples = [
            "".join(
                sampling.generate(
                    streaming,
                    tokens,
                    _opening(setup.extras),
                    SAMPLE_LENGTH,
                    seed=setup.settings.seed + index,
                    temperature=0.8,
                    top_k=40,
                )
            )
            for index in range(SAMPLES)
        ]
        rule = "\n" + "-" * 72 + "\n"
        write_text(run.samples, rule.join(samples) + "\n")
        print(rule.join(["", *samples, ""]))
        return {}

    def licence(self, settings: Settings) -> str:
        return data.LICENCES.get(settings.dataset or "", "not stated: a file of yours")

    def evaluate(self, trained: Trained, **options: Any) -> dict[str, Any]:
        from zoo.language_model.use import evaluate

        return evaluate(trained, **options)

    def predictor(self, trained: Trained) -> Writer:
        from zoo.language_model.use import Writer

        return Writer(trained)


PROGRAM = LanguageModel()


def tokens_of(extras: Mapping[str, Any]) -> data.Tokens:
    """What the text of a run is cut into."""
    if "vocabulary" in extras:
        return data.Vocabulary(str(extras["vocabulary"]))
    from zoo.language_model.tokens import Pieces

    return Pieces.from_json(str(extras["tokenizer"]))


def _streams(setup: Setup) -> data.Streams:
    return data.Streams(
        tokens_of(setup.extras).encode(setup.data.train),
        setup.config.batch_size,
        setup.config.timesteps,
        setup.settings.seed,
    )


def _opening(extras: Mapping[str, Any]) -> str:
    """What a sample begins after: a new line, or the first character that is known."""
    known = extras.get("vocabulary", "\n")
    return "\n" if "\n" in known else known[0]


@dataclass(frozen=True)
class Text:
    """A text to be measured with.

    Attributes:
        ids: its tokens (tokens,).
        characters: how many characters the tokens behind the first one make.
    """

    ids: np.ndarray
    characters: int

    @classmethod
    def of(cls, text: str, tokens: data.Tokens) -> Text:
        ids = tokens.encode(text)
        return cls(ids, tokens.characters_after(text, ids))


class LanguageModelTask(Task):
    """The language model as the shared loop sees it."""

    def __init__(
        self,
        config: Config,
        streams: data.Streams,
        validation: Text,
        loss_scale: float = 1.0,
        steps: int | None = None,
    ) -> None:
        import keras

        self.config = config
        self.streams = streams
        self.validation = validation
        self.loss_scale = loss_scale
        self.steps_per_epoch = streams.steps_per_epoch
        self.total_steps = steps or config.epochs * streams.steps_per_epoch
        self.validate_every = max(1, math.ceil(self.total_steps / config.validations))
        # First, so that the seed gives the same initial weights to every start.
        self.model = self.build(config, config.batch_size, streams.seed)
        self.model.compile(
            optimizer=adamw(config, self.total_steps),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self._evaluation = self.build(config, config.evaluation_streams)
        self.portable = self.build(config)

    def build(
        self, config: Config, batch_size: int | None = None, seed: int = 0
    ) -> keras.Model:
        from zoo.language_model.model import build

        return build(config, batch_size, seed)

    def prepare(self, step: int) -> None:
        from zoo.language_model.model import reset_carried_state

        if self.streams.begins_epoch(step):
            reset_carried_state(self.model)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        return self.streams.batch(step)

    def validate(self, values: list[np.ndarray]) -> dict[str, float]:
        self._evaluation.set_weights(values)
        return measure(self._evaluation, self.validation, self.config)


def measure(model: keras.Model, text: Text, config: Config) -> dict[str, float]:
    """nats and bits_per_char of a text; `model` has `evaluation_streams` rows."""
    from zoo.language_model.evaluation import figures, mean_nats

    nats = mean_nats(
        model, text.ids, config.evaluation_timesteps, config.evaluation_warmup
    )
    return figures(nats, len(text.ids) - 1, text.characters)
