"""Polyphonic music at the sizes of Chung et al. 2014: kinds of layers, conventions.

Widths are the paper's. Rates, dropout and epochs were chosen on the validation parts of
the two small sets, with seed 0; the large ones have Nottingham's rates. The weights of
each training are those with the least validation loss.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.studies import trainings
from zoo.files import write_json, write_text
from zoo.training.plots import picture

SMALL = ("jsb_chorales", "nottingham")
LARGE = ("musedata", "piano_midi")
DATASETS = (*SMALL, *LARGE)
FIGURE = "test_nats"
ALONE = "test_nats_after_first"

# Test nats a step of a GRU by dataset, in the order of `DATASETS`.
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "GRU of the paper, 46 units (arXiv 1412.3555)": (8.54, 3.23, 5.99, 8.82),
    "GRU beside TCN (arXiv 1803.01271)": (8.43, 3.46, None, None),
    "tuned GRU (README of RRU)": (8.20, 3.22, 7.31, 7.58),
}
# What all trainings on a dataset have in common, but for what a row says.
COMMON: dict[str, dict[str, Any]] = {
    "jsb_chorales": {"epochs": 100, "input_dropout": 0.2, "dropout": 0.1},
    "nottingham": {"epochs": 150, "input_dropout": 0.0, "dropout": 0.1},
    "musedata": {"epochs": 30, "input_dropout": 0.0, "dropout": 0.0},
    "piano_midi": {"epochs": 100, "input_dropout": 0.0, "dropout": 0.0},
}


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: what it says.
        options: of ``python -m zoo train polyphonic_music``.
        of: dataset -> further options, on it alone.
    """

    name: str
    options: Mapping[str, Any]
    of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


KINDS = (
    Row("GRU: replace, before", {"variant": "chung2014", "units": 46}),
    Row("LSTM", {"kind": "lstm", "units": 36, "learning_rate": 0.02}),
    Row("tanh", {"kind": "tanh", "units": 100}),
)
CONVENTIONS = (
    Row("GRU: replace, after", {"variant": "replace_after", "units": 46}),
    Row("GRU: keep, before", {"variant": "cho2014", "units": 46}),
    Row("GRU: keep, after", {"variant": "keras", "units": 46}),
)
WIDE = {"variant": "chung2014", "units": 256, "dropout": 0.5, "learning_rate": 0.005}
OF_WIDE: dict[str, dict[str, Any]] = {
    "jsb_chorales": {"input_dropout": 0.3},
    "nottingham": {"epochs": 25, "timesteps": 100},
    "musedata": {"epochs": 12},
    "piano_midi": {"epochs": 30},
}
WIDER = Row("GRU of 256 units", WIDE, OF_WIDE)
TRANSPOSED = Row(
    "the same, transposed pieces too",
    {**WIDE, "transpose": 5},
    {"jsb_chorales": {"input_dropout": 0.3, "epochs": 300}},
)
ROWS = (*KINDS, *CONVENTIONS, WIDER, TRANSPOSED)


def jobs(seeds: int) -> list[tuple[Row, str, int]]:
    """(row, dataset, seed) of all trainings, those first that matter most."""
    found = [(KINDS[0], dataset, 0) for dataset in DATASETS]
    found += [(WIDER, dataset, 0) for dataset in SMALL]
    found += [(row, dataset, 0) for dataset in SMALL for row in KINDS]
    for dataset in SMALL:  # a training on the second takes twice as long
        for rows in (KINDS, CONVENTIONS):
            found += [(row, dataset, seed) for seed in range(seeds) for row in rows]
    found += [(row, dataset, 0) for dataset in LARGE for row in (*KINDS, WIDER)]
    found.append((TRANSPOSED, SMALL[0], 0))
    found += [(WIDER, dataset, seed) for dataset in SMALL for seed in range(seeds)]
    once: dict[tuple[str, str, int], tuple[Row, str, int]] = {}
    for row, dataset, seed in found:
        once.setdefault((row.name, dataset, seed), (row, dataset, seed))
    return list(once.values())


def run(seeds: int, more: Sequence[str], out: Path) -> list[dict[str, Any]]:
    """Train all; ``rows.json``, ``music.md`` and ``music.png`` grow with them.

    Args:
        seeds: how many, from 0, on the two small sets; the large ones have one.
        more: options of ``python -m zoo train polyphonic_music``.
        out: folder of the runs and the tables.

    Raises:
        ZooError: the data cannot be had, or a training failed.
    """
    found: list[dict[str, Any]] = []
    for row, dataset, seed in jobs(seeds):
        options = {"dataset": dataset, **COMMON[dataset], **row.options}
        options |= {**row.of.get(dataset, {}), "seed": seed}
        folder = out / re.sub(r"\W+", "-", f"{row.name}-{dataset}-{seed}")
        result = trainings.train("polyphonic_music", options, more, folder)
        facts = ("parameters", "steps", "best_step", "seconds", "machine", "code")
        kept = {
            name: value
            for name, value in result.items()
            if name in (*facts, "error") or name.startswith(("test_", "validation_"))
        }
        found.append({"row": row.name, "dataset": dataset, "seed": seed, **kept})
        report(found, out)
        told = result["error"] or f"{result[FIGURE]:.4f} nats"
        print(f"{row.name}, {dataset}, seed {seed}: {told}", flush=True)
    print(table(found))
    return found


def report(found: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write what was found so far."""
    write_json(out / "rows.json", list(found))
    write_text(out / "music.md", table(found))
    draw(found, out / "music.png")


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: mean and deviation over the seeds, by dataset, and the published."""
    lines = [
        f"| test nats a step | parameters | {' | '.join(DATASETS)} |",
        "|---" * (2 + len(DATASETS)) + "|",
    ]
    for row in ROWS:
        each = [one for one in found if one["row"] == row.name and not one["error"]]
        if each:
            cells = [_spread(each, dataset, FIGURE) for dataset in DATASETS]
            alone = [_spread(each, dataset, ALONE) for dataset in DATASETS]
            count = f"{each[0]['parameters']:,}"
            lines.append(f"| {row.name} | {count} | {' | '.join(cells)} |")
            lines.append(f"| – without first steps |  | {' | '.join(alone)} |")
    for name, figures in PUBLISHED.items():
        cells = ["" if one is None else f"{one:.2f}" for one in figures]
        lines.append(f"| {name} | | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _spread(each: Sequence[Mapping[str, Any]], dataset: str, figure: str) -> str:
    values = [one[figure] for one in each if one["dataset"] == dataset]
    if not values:
        return ""
    count = f" ({len(values)})" if len(values) > 1 else ""
    return trainings.spread(values, 3) + count


def draw(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw every training as a point, a row a line, a dataset a panel."""
    with picture(path, (11.0, 4.0)) as figure:
        panels = figure.subplots(1, len(DATASETS), sharey=True)
        names = [row.name for row in ROWS]
        for axes, dataset, place in zip(
            panels, DATASETS, range(len(DATASETS)), strict=True
        ):
            for line, name in enumerate(names):
                values = [
                    one[FIGURE]
                    for one in found
                    if (one["row"], one["dataset"]) == (name, dataset)
                    and not one["error"]
                ]
                axes.plot(values, [line] * len(values), "o", color="C0", alpha=0.6)
            for index, (source, figures) in enumerate(PUBLISHED.items()):
                if (value := figures[place]) is not None:
                    color = f"C{index + 1}"
                    axes.axvline(value, color=color, linewidth=0.8, label=source)
            axes.set_title(dataset)
            axes.set_xlabel("test nats a step")
            axes.grid(axis="x", alpha=0.3)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].invert_yaxis()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
