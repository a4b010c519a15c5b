"""Train every kind with every seed; a row each, written when it is there."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import backend as backends
from zoo.conventions.layers import KINDS, equal_units, layer, parameters
from zoo.errors import TrainingFailed, one_line
from zoo.language_model import data
from zoo.language_model.config import OBJECTIVE, Config
from zoo.training import runs
from zoo.training.runs import RunFolder

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
    corpus = data.Source(study.dataset).load()
    tokens = data.Vocabulary.of(corpus.text)
    train_ids = tokens.encode(corpus.train)
    base = replace(study.config, vocabulary_size=len(tokens), units=study.units)
    widths = equal_units(base)
    backends.use(backend)
    # These import Keras.
    import keras

    from zoo.language_model.evaluation import Text
    from zoo.language_model.train import fit

    held_out = Text.of(corpus.validation, tokens)
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
        config = replace(base, units=widths[kind], learning_rate=rate, epochs=1)
        streams = Steps(
            train_ids, config.batch_size, config.timesteps, seed, study.steps
        )
        row: dict[str, Any] = {
            "kind": kind,
            "units": widths[kind],
            "parameters": parameters(KINDS[kind], widths[kind], config),
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
            validation = fit(
                config,
                streams,
                held_out,
                folder,
                loss_scale=1.0,
                checkpoint_seconds=15.0,
                facts={"data": corpus.sha256, "units": widths[kind]},
                build=functools.partial(build_kind, kind),
            )
            best = OBJECTIVE.best(validation.history)
            row.update(nats=best["nats"], seconds=round(validation.elapsed, 1))
        except TrainingFailed as error:
            row.update(error=one_line(error))
        _append(table, row)
        folder.discard()
        report(
            f"{kind}, learning rate {rate}, seed {seed}: "
            f"{row.get('error') or '{:.4f} nats'.format(row['nats'])}"
        )
    return read(table)


@dataclass(frozen=True)
class Steps(data.Streams):
    """Streams of which a training reads so many batches, whatever an epoch has.

    Attributes:
        steps: batches of the training.
    """

    steps: int

    @property
    def steps_per_epoch(self) -> int:
        return self.steps


def build_kind(
    kind: str, config: Config, batch_size: int | None = None, seed: int = 0
) -> keras.Model:
    """The language model with a layer of a kind: characters -> logits."""
    from zoo.language_model.model import build

    return build(
        config,
        batch_size,
        seed,
        recurrent=lambda index, units, stateful: layer(kind, units, stateful),
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
