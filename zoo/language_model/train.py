"""Train a language model: settings -> data -> model -> the shared loop -> figures."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import backend as backends
from zoo import runs
from zoo.errors import ZooError, one_line
from zoo.files import write_text
from zoo.language_model import data
from zoo.language_model.config import SIZES, Config
from zoo.runs import RunFolder

if TYPE_CHECKING:
    import keras

    from zoo.training import Progress

PROGRAM = "language_model"
SAMPLE_LENGTH = 300
SAMPLES = 3


@dataclass(frozen=True)
class Settings:
    """What the command line decides; a run is resumed with the same ones only."""

    size: str
    dataset: str | None
    text: str | None
    variant: str
    seed: int
    epochs: int
    backend: str

    def config(self, vocabulary: data.Vocabulary) -> Config:
        return replace(
            SIZES[self.size],
            variant=self.variant,
            epochs=self.epochs,
            vocabulary_size=len(vocabulary),
        )

    def corpus(self) -> data.Corpus:
        text = Path(self.text) if self.text else None
        return data.load(self.dataset or "", text)


@dataclass(frozen=True)
class Bookkeeping:
    """What is kept of a training, and how often; nothing here changes the weights.

    Attributes:
        checkpoint_seconds: the most work that a kill may cost.
        record: also append the row to the table of the project's checkout.
    """

    checkpoint_seconds: float = 15.0
    record: bool = False

    def tables(self) -> list[Path]:
        """Tables of runs besides the run folder's own."""
        return [runs.checkout_table(PROGRAM)] if self.record else []


def default_folder(settings: Settings) -> Path:
    """Where a run goes that was given no --out."""
    source = settings.dataset or Path(str(settings.text)).stem
    return Path("runs") / (
        f"{PROGRAM}-{source}-{settings.size}-{settings.variant}-{settings.seed}"
    )


def start(out: Path, settings: Settings, how: Bookkeeping) -> RunFolder:
    """Begin a run in a new folder and train it to its end.

    Raises:
        ZooError: a setting or the data is wrong; no folder is left behind then.
    """
    how.tables()  # --record outside a checkout is told before the training
    corpus = settings.corpus()
    vocabulary = data.Vocabulary.of(corpus.text)
    config = settings.config(vocabulary)
    _streams(config, corpus, vocabulary, settings.seed).require_one_batch()
    run = RunFolder.create(
        out,
        {
            "program": PROGRAM,
            "settings": asdict(settings),
            "config": asdict(config),
            "data": {"name": corpus.name, "sha256": corpus.sha256},
            "vocabulary": vocabulary.characters,
            "code": runs.code(settings.backend),
        },
    )
    try:
        _import_keras(settings)
    except ZooError:
        run.discard()
        raise
    return _train(run, settings, config, corpus, vocabulary, how)


def resume(
    out: Path, settings: Settings, typed: set[str], how: Bookkeeping
) -> RunFolder:
    """Go on with a run. What was not typed is taken from the run itself.

    Raises:
        ZooError: `out` is no run, or a setting, the code's configuration or the data
            differ from the run's.
    """
    how.tables()
    run, stored = RunFolder.open(out, PROGRAM)
    before, config_before, vocabulary = read_settings(run, stored)
    now = {name: value for name, value in asdict(settings).items() if name in typed}
    if "text" in typed:
        now["dataset"] = None
    if "dataset" in typed:
        now["text"] = None
    if lines := runs.differing(asdict(before), now):
        raise ZooError(
            f"{out} was begun with other settings: {'; '.join(lines)}; resume with the "
            f"run's own, or train in another folder"
        )
    corpus = before.corpus()
    if corpus.sha256 != stored["data"]["sha256"]:
        raise ZooError(
            f"{out} was trained on another text: {corpus.name} has changed since "
            f"(sha256 {corpus.sha256[:16]}…, was {stored['data']['sha256'][:16]}…)"
        )
    config = before.config(vocabulary)
    if lines := runs.differing(asdict(config_before), asdict(config)):
        raise ZooError(
            f"{out} was begun with another configuration of size {before.size!r}: "
            f"{'; '.join(lines)}"
        )
    if stored["code"] != (code := runs.code(before.backend)):
        print(
            f"note: begun with {stored['code']}, now {code}: "
            f"the weights may differ in their last bits",
            file=sys.stderr,
        )
    _import_keras(before)
    return _train(run, before, config, corpus, vocabulary, how)


def read_settings(
    run: RunFolder, stored: dict[str, Any]
) -> tuple[Settings, Config, data.Vocabulary]:
    """Settings, configuration and vocabulary out of a run's ``settings.json``.

    Raises:
        ZooError: something is missing or has another form.
    """
    try:
        return (
            Settings(**stored["settings"]),
            Config(**stored["config"]),
            data.Vocabulary(str(stored["vocabulary"])),
        )
    except (KeyError, TypeError) as error:
        raise ZooError(
            f"{run.path / 'settings.json'} is damaged, or of another version: "
            f"{type(error).__name__}: {error}"
        ) from error


def _import_keras(settings: Settings) -> None:
    """Start Keras on the run's backend and check what only keras_gru knows."""
    backends.use(settings.backend)
    import keras_gru

    if settings.variant not in keras_gru.VARIANTS:
        raise ZooError(
            f"unknown variant {settings.variant!r}; expected one of "
            f"{', '.join(keras_gru.VARIANTS)}"
        )


def _streams(
    config: Config, corpus: data.Corpus, vocabulary: data.Vocabulary, seed: int
) -> data.Streams:
    return data.Streams(
        vocabulary.encode(corpus.train), config.batch_size, config.timesteps, seed
    )


class LanguageModelTask:
    """The language model as the shared loop sees it (`zoo.training.Task`)."""

    objective = "nats"

    def __init__(
        self,
        config: Config,
        streams: data.Streams,
        validation: np.ndarray,
    ) -> None:
        import keras

        from zoo.language_model.model import build

        self.config = config
        self.streams = streams
        self.validation = validation
        self.total_steps = config.epochs * streams.steps_per_epoch
        self.validate_every = max(1, math.ceil(self.total_steps / config.validations))
        # First, so that the seed gives the same initial weights to every start.
        self.model = build(config, config.batch_size, streams.seed)
        self.model.compile(
            optimizer=optimizer(config, self.total_steps),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self._evaluation = build(config, config.evaluation_streams)
        self._portable = build(config)

    def prepare(self, step: int) -> None:
        from zoo.language_model.model import reset_carried_state

        if self.streams.begins_epoch(step):
            reset_carried_state(self.model)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        return self.streams.batch(step)

    def validate(self) -> dict[str, float]:
        from zoo.language_model.evaluation import figures, mean_nats
        from zoo.language_model.model import copy_weights

        copy_weights(self.model, self._evaluation)
        nats = mean_nats(
            self._evaluation,
            self.validation,
            self.config.evaluation_timesteps,
            self.config.evaluation_warmup,
        )
        return figures(nats)

    def save_weights(self, path: Path, values: list[np.ndarray]) -> None:
        from zoo import weights

        # Without a batch size the file holds no carried state: it fits any build.
        self._portable.set_weights(values)
        weights.save(self._portable, path)


def optimizer(config: Config, total_steps: int) -> keras.optimizers.Optimizer:
    """AdamW under a linear warm-up and a cosine, with the gradient's norm clipped."""
    import keras

    warmup_steps = max(1, round(config.warmup * total_steps))
    adamw = keras.optimizers.AdamW(
        learning_rate=keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=config.learning_rate,
            warmup_steps=warmup_steps,
            decay_steps=max(1, total_steps - warmup_steps),
            alpha=config.final_learning_rate,
        ),
        weight_decay=config.weight_decay,
        beta_2=config.beta_2,
        global_clipnorm=config.clip_norm,
    )
    adamw.exclude_from_weight_decay(var_names=["bias", "embeddings"])
    return adamw


def _train(
    run: RunFolder,
    settings: Settings,
    config: Config,
    corpus: data.Corpus,
    vocabulary: data.Vocabulary,
    how: Bookkeeping,
) -> RunFolder:
    """Train to the end; a row in the tables says how it went, whatever happens."""
    if run.result.is_file():
        result = json.loads(run.result.read_text(encoding="utf-8"))
        print(f"{run.path} is already finished")
        _print_result(result)
        return run
    row: dict[str, Any] = {
        "started": runs.now(),
        "program": PROGRAM,
        "status": "finished",
        "command": runs.command_line(),
        "seed": settings.seed,
        "commit": runs.commit(),
        "machine": runs.machine(),
        "backend": settings.backend,
        "versions": runs.versions(settings.backend),
        "dataset": corpus.name,
        "size": settings.size,
        "variant": settings.variant,
    }
    try:
        row.update(_train_to_the_end(run, settings, config, corpus, vocabulary, how))
    except KeyboardInterrupt:
        row.update(status="interrupted")
        raise
    except BaseException as error:
        row.update(status="failed", error=one_line(f"{type(error).__name__}: {error}"))
        raise
    finally:
        for table in [run.rows, *how.tables()]:
            runs.append_row(table, row)
    return run


def _train_to_the_end(
    run: RunFolder,
    settings: Settings,
    config: Config,
    corpus: data.Corpus,
    vocabulary: data.Vocabulary,
    how: Bookkeeping,
) -> dict[str, Any]:
    """Train, then write curve, samples and result; return the row's figures."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bar,
    )

    from zoo import plots, training, weights
    from zoo.language_model import sampling
    from zoo.language_model.model import build

    backends.seed_everything(settings.seed)
    streams = _streams(config, corpus, vocabulary, settings.seed)
    task = LanguageModelTask(config, streams, vocabulary.encode(corpus.validation))
    parameters = task.model.count_params()
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{corpus.name}: {len(corpus.text):,} characters, {len(vocabulary)} different; "
        f"{settings.size}: {parameters:,} parameters, variant {settings.variant}, "
        f"{settings.backend}; {task.total_steps:,} steps -> {run.path}"
    )

    def validated(progress: Progress) -> None:
        entry = progress.history[-1]
        console.print(
            f"step {entry['step']:>6,}/{task.total_steps:,}  {entry['seconds']:6.0f} s"
            f"  training {entry['train_loss']:.4f}  validation {entry['nats']:.4f} nats"
            f"  {entry['bits_per_char']:.4f} bits/char"
        )
        plots.learning_curve(
            progress.history, "nats", run.path.name, run.learning_curve
        )

    with Bar(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}  loss {task.fields[loss]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        shown = bar.add_task("", total=task.total_steps, epoch="", loss="")

        def stepped(progress: Progress) -> None:
            epoch = (progress.step - 1) // streams.steps_per_epoch + 1
            bar.update(
                shown,
                completed=progress.step,
                epoch=f"{epoch}/{config.epochs}",
                loss=f"{progress.loss:.4f}" if progress.loss_count else "",
            )

        progress = training.fit(
            task,
            run,
            facts={"text": corpus.sha256},
            report=lambda line: print(f"note: {line}", file=sys.stderr),
            on_step=stepped,
            on_validation=validated,
            checkpoint_seconds=how.checkpoint_seconds,
        )

    best = progress.best_entry(task.objective)
    assert progress.best is not None  # the last step always validates
    final = training.values_of(task.model.weights)
    streaming = build(config, batch_size=1)
    streaming.set_weights(progress.best)
    samples = [
        "".join(
            sampling.generate(
                streaming,
                vocabulary,
                _opening(vocabulary),
                SAMPLE_LENGTH,
                seed=settings.seed + index,
                temperature=0.8,
                top_k=40,
            )
        )
        for index in range(SAMPLES)
    ]
    rule = "\n" + "-" * 72 + "\n"
    write_text(run.samples, rule.join(samples) + "\n")
    console.print(rule.join(["", *samples, ""]), markup=False)
    result = {
        "parameters": parameters,
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
        "train_nats": best["train_loss"],
        "validation_nats": best["nats"],
        "bits_per_char": best["bits_per_char"],
    }
    full = {
        **result,
        "best_step": best["step"],
        "best_weights_sha256": weights.digest_of(progress.best),
        "final_weights_sha256": weights.digest_of(final),
    }
    write_text(run.result, json.dumps(full, indent=2) + "\n")
    _print_result(full)
    return result


def _opening(vocabulary: data.Vocabulary) -> str:
    """What a sample begins after: a new line, or the text's first character."""
    return "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]


def _print_result(result: dict[str, Any]) -> None:
    print(
        f"best validation loss {result['validation_nats']:.4f} nats, "
        f"{result['bits_per_char']:.4f} bits per character, at step "
        f"{result['best_step']:,} of {result['steps']:,} in {result['seconds']:.0f} s; "
        f"final weights {result['final_weights_sha256'][:16]}"
    )
