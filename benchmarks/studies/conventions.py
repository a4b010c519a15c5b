"""Does the convention matter? The four, an LSTM and a simple RNN, of equal size.

Language models on characters, each kind with each learning rate and each seed; the
report tells each kind at its best rate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.studies import trainings
from zoo.config import from_json
from zoo.errors import ZooError
from zoo.language_model.config import Config
from zoo.language_model.data import Source
from zoo.training.plots import picture

# Parameter counts may differ by so much of the first kind's.
TOLERANCE = 0.01
# What all kinds have in common.
COMMON = Config(embedding_units=64, dropout=0.1, batch_size=32, timesteps=64)


@dataclass(frozen=True)
class Kind:
    """A recurrent layer: a product of the input and of the state for each gate.

    Attributes:
        gates: 3 in a GRU, 4 in an LSTM, 1 in a simple RNN.
        biases: of each gate.
        options: of ``python -m zoo train language_model``.
    """

    gates: int
    biases: int
    options: Mapping[str, str]


KINDS = {
    "keep, after": Kind(3, 2, {"variant": "keras"}),
    "keep, before": Kind(3, 1, {"variant": "cho2014"}),
    "replace, after": Kind(3, 2, {"variant": "replace_after"}),
    "replace, before": Kind(3, 1, {"variant": "chung2014"}),
    "LSTM": Kind(4, 1, {"layer": "lstm"}),
    "SimpleRNN": Kind(1, 1, {"layer": "simple_rnn"}),
}


def parameters(kind: Kind, units: int, vocabulary: int) -> int:
    """Count the parameters of the whole model: embedding, layer, logits."""
    embedding = COMMON.embedding_units
    layer = kind.gates * units * (embedding + units + kind.biases)
    return vocabulary * embedding + layer + vocabulary * (units + 1)


def equal_units(units: int, vocabulary: int) -> dict[str, int]:
    """Units of each kind: all have as many parameters as the first with `units`.

    Raises:
        ZooError: the counts differ by more than `TOLERANCE`: the units are too few.
    """
    target = parameters(next(iter(KINDS.values())), units, vocabulary)
    found: dict[str, int] = {}
    for name, kind in KINDS.items():
        distance = {
            each: abs(parameters(kind, each, vocabulary) - target) / target
            for each in range(1, 4 * units)
        }
        found[name] = min(distance, key=lambda each: distance[each])
        if distance[found[name]] > TOLERANCE:
            raise ZooError(
                f"{name} with {found[name]} units differs by "
                f"{distance[found[name]]:.1%} from {target:,} parameters; expected at "
                f"most {TOLERANCE:.0%}: more --units"
            )
    return found


def run(
    dataset: str,
    units: int,
    rates: Sequence[float],
    seeds: int,
    more: Sequence[str],
    out: Path,
) -> list[dict[str, Any]]:
    """Train every kind; ``rows.csv``, a table and a picture grow with each training.

    Args:
        dataset: of the program language_model.
        units: of the first kind; the others get as many parameters.
        rates: learning rates.
        seeds: how many, from 0.
        more: options of ``python -m zoo train language_model``.
        out: folder of the runs and the table.

    Raises:
        ZooError: the data cannot be had, or a training failed.
    """
    widths = equal_units(
        units, len(set(from_json(Source, {"dataset": dataset}).load().text))
    )
    names = ("embedding_units", "dropout", "batch_size", "timesteps")
    common = {"dataset": dataset, **{name: getattr(COMMON, name) for name in names}}
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        for rate in rates:
            for name, kind in KINDS.items():
                own = {"units": widths[name], "learning_rate": rate, "seed": seed}
                folder = out / re.sub(r"\W+", "-", f"{name}-{rate}-{seed}")
                options = {**common, **kind.options, **own}
                result = trainings.train("language_model", options, more, folder)
                row = {"kind": name, **own}
                row |= {"nats": result.get("validation_nats"), "error": result["error"]}
                for fact in ("parameters", "steps", "seconds", "machine", "code"):
                    row[fact] = result.get(fact)
                rows.append(row)
                trainings.write(out / "rows.csv", rows)
                told = row["error"] or f"{row['nats']:.4f} nats"
                print(f"{name}, rate {rate}, seed {seed}: {told}", flush=True)
    found = at_best_rate(rows)
    (out / "conventions.md").write_text(table(found), encoding="utf-8")
    draw(found, out / "conventions.png")
    print(table(found))
    return rows


Rows = Sequence[Mapping[str, Any]]


def at_best_rate(rows: Rows) -> dict[str, Rows]:
    """Kind -> its rows at the learning rate with the lowest mean loss.

    A rate at which more trainings failed is worse, whatever the others gave.
    """
    found: dict[str, Rows] = {}
    for kind in KINDS:
        by_rate: dict[float, list[Mapping[str, Any]]] = {}
        for row in rows:
            if row["kind"] == kind:
                by_rate.setdefault(row["learning_rate"], []).append(row)
        if by_rate:
            found[kind] = min(by_rate.values(), key=_badness)
    return found


def _badness(rows: Rows) -> tuple[int, float]:
    nats = _nats(rows)
    return len(rows) - len(nats), mean(nats) if nats else 0.0


def _nats(rows: Rows) -> list[float]:
    return [row["nats"] for row in rows if not row["error"]]


def table(found: Mapping[str, Rows]) -> str:
    """Markdown: mean, standard deviation and range over the seeds."""
    lines = [
        "| layer | units | parameters | learning rate | seeds | nats, mean ± sd "
        "| least – greatest |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, rows in found.items():
        nats, first = _nats(rows), rows[0]
        figures, ends = "none was finite", ""
        if nats:
            figures = trainings.spread(nats, 4)
            ends = f"{min(nats):.4f} – {max(nats):.4f}"
        failed = f", {len(rows) - len(nats)} failed" if len(nats) < len(rows) else ""
        lines.append(
            f"| {kind} | {first['units']} | {first['parameters'] or '?'} "
            f"| {first['learning_rate']:g} | {len(nats)}{failed} | {figures} | {ends} |"
        )
    return "\n".join(lines) + "\n"


def draw(found: Mapping[str, Rows], path: Path) -> None:
    """Draw every seed as a point and each mean as a line, as a PNG."""
    shown = {kind: nats for kind, rows in found.items() if (nats := _nats(rows))}
    with picture(path, (7.0, 3.5)) as figure:
        axes = figure.add_subplot()
        for place, nats in enumerate(shown.values()):
            axes.plot(nats, [place] * len(nats), "o", color="C0", alpha=0.6)
            middle = mean(nats)
            axes.plot([middle, middle], [place - 0.3, place + 0.3], color="C1")
        axes.set_yticks(range(len(shown)), list(shown))
        axes.invert_yaxis()
        axes.set_xlabel("validation loss, nats per character")
        axes.grid(axis="x", alpha=0.3)
