"""Train every kind with every seed; a row each, written when it is there."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import backend as backends
from zoo import runs, training
from zoo.conventions.layers import KINDS, equal_units, layer
from zoo.errors import TrainingFailed, one_line
from zoo.language_model import data
from zoo.language_model.config import Config
from zoo.language_model.train import LanguageModelTask, Text
from zoo.objective import Objective
from zoo.runs import RunFolder

if TYPE_CHECKING:
    import keras

COLUMNS = (
    "kind",
    "units",
    "parameters",
    "learning_rate",
    "seed",
    "steps",
    "seconds",
    "nats",
    "error",
    "dataset",
    "backend",
    "commit",
    "machine",
    "versions",
)


@dataclass(frozen=True)
class Study:
    """What is the same for every kind.

    Attributes:
        dataset: a name in `zoo.language_model.data.DATASETS`.
        units: of the first kind; the others get as many parameters.
        steps: batches of every training.
        learning_rates: each kind is trained with each; the report takes its best.
        seeds: how many, from 0.
        config: all else.
    """

    dataset: str
    units: int
    steps: int
    learning_rates: Sequence[float]
    seeds: int
    config: Config


def run(
    study: Study, out: Path, backend: str, report: Callable[[str], None]
) -> list[dict[str, str]]:
    """Train what ``rows.csv`` in `out` does not have yet.

    A training that was killed goes on from its checkpoint. One whose loss is no longer
    finite gets a row that says so.

    Returns:
        All rows, those of before too.

    Raises:
        ZooError: the data cannot be had.
    """
    corpus = data.load(study.dataset)
    tokens = data.Vocabulary.of(corpus.text)
    train_ids = tokens.encode(corpus.train)
    ids = tokens.encode(corpus.validation)
    validation = Text(ids, tokens.characters_after(corpus.validation, ids))
    base = replace(study.config, vocabulary_size=len(tokens), units=study.units)
    widths = equal_units(base)
    backends.use(backend)
    import keras

    out.mkdir(parents=True, exist_ok=True)
    table = out / "rows.csv"
    plan = [
        (kind, rate, seed)
        for seed in range(study.seeds)
        for rate in study.learning_rates
        for kind in KINDS
    ]
    for kind, rate, seed in plan:
        if _find(read(table), kind, rate, seed, study, backend):
            continue
        keras.backend.clear_session()
        backends.seed_everything(seed)
        config = replace(base, units=widths[kind], learning_rate=rate)
        streams = data.Streams(train_ids, config.batch_size, config.timesteps, seed)
        task = KindTask(kind, config, streams, validation, steps=study.steps)
        row: dict[str, Any] = {
            "kind": kind,
            "units": widths[kind],
            "parameters": task.model.count_params(),
            "learning_rate": rate,
            "seed": seed,
            "steps": study.steps,
            "dataset": study.dataset,
            "backend": backend,
            "commit": runs.commit(),
            "machine": runs.machine(),
            "versions": runs.versions(backend),
        }
        name = re.sub(r"\W+", "-", f"{kind}-{rate}-{study.steps}-{backend}-{seed}")
        folder = RunFolder(out / name)
        folder.path.mkdir(exist_ok=True)
        try:
            progress = training.fit(
                task,
                folder,
                OBJECTIVE,
                facts={"data": corpus.sha256, "units": widths[kind]},
                report=report,
                checkpoint_seconds=15.0,
            )
            best = OBJECTIVE.best(progress.history)
            row.update(nats=best["nats"], seconds=round(progress.seconds, 1))
        except TrainingFailed as error:
            row.update(error=one_line(error))
        _append(table, row)
        folder.discard()
        report(
            f"{kind}, learning rate {rate}, seed {seed}: "
            f"{row.get('error') or '{:.4f} nats'.format(row['nats'])}"
        )
    return read(table)


OBJECTIVE = Objective("nats", like_loss=True)


class KindTask(LanguageModelTask):
    """The language model of one layer with another layer in its place."""

    def __init__(self, kind: str, *arguments: Any, **options: Any) -> None:
        self.kind = kind
        super().__init__(*arguments, **options)

    def build(
        self, config: Config, batch_size: int | None = None, seed: int = 0
    ) -> keras.Model:
        """Characters (batch, time) -> logits (batch, time, vocabulary)."""
        from zoo.language_model.model import build

        return build(
            config,
            batch_size,
            seed,
            recurrent=lambda index, units, stateful: layer(self.kind, units, stateful),
        )


def read(table: Path) -> list[dict[str, str]]:
    """The rows so far."""
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _find(
    rows: list[dict[str, str]],
    kind: str,
    rate: float,
    seed: int,
    study: Study,
    backend: str,
) -> bool:
    """Whether a training has its row."""
    wanted = {
        "kind": kind,
        "learning_rate": str(rate),
        "seed": str(seed),
        "steps": str(study.steps),
        "dataset": study.dataset,
        "backend": backend,
    }
    return any(wanted.items() <= row.items() for row in rows)


def _append(table: Path, row: dict[str, Any]) -> None:
    new = not table.is_file()
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
