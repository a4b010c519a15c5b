"""Forecasts beside the published ones: ETTh1, exchange rates, kinds of layers.

Every row is trained with each seed. Width, rate, dropout and loss were chosen by the
validation error of seed 0; the weights of each training are those with the least
validation loss.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.studies import trainings

# The published figures, by look-back and horizon (SegRNN, arXiv 2308.11200), and by
# horizon (table 2 of arXiv 2005.11650).
SEGRNN = {
    96: {96: 0.368, 192: 0.408, 336: 0.444, 720: 0.446},
    720: {96: 0.351, 192: 0.392, 336: 0.423, 720: 0.466},
}
RNN_GRU = {3: 0.0192, 6: 0.0264, 12: 0.0408, 24: 0.0626}

ETTH1 = {"dataset": "etth1", "size": "small"}
OF_LOOK_BACK: dict[int, dict[str, Any]] = {
    96: {"epochs": 8},
    720: {"learning_rate": 0.005, "dropout": 0.5, "epochs": 8},
}
OF_HORIZON: dict[int, dict[str, Any]] = {720: {"units": 64}}
EXCHANGE = {"dataset": "exchange_rate", "look_back": 168, "epochs": 5}
# As many parameters as the first, each to 1 %.
KINDS: dict[str, dict[str, Any]] = {
    "segments, keep, after": {"variant": "keras"},
    "segments, keep, before": {"variant": "cho2014"},
    "segments, replace, after": {"variant": "replace_after"},
    "segments, replace, before": {"variant": "chung2014"},
    "segments, LSTM": {"layer": "lstm", "units": 112},
    "plain, keep, after": {"model": "plain", "units": 108},
    "plain, LSTM": {"model": "plain", "layer": "lstm", "units": 100},
}


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: what it says.
        options: of ``python -m zoo train forecasting``.
        published: the figure to compare with, where there is one.
    """

    name: str
    options: Mapping[str, Any]
    published: float | None = None


@dataclass(frozen=True)
class Study:
    """A table.

    Attributes:
        rows: of the table.
        figures: of the test part, the first one beside that of the baselines.
    """

    rows: Sequence[Row]
    figures: Sequence[str]


def _of_etth1(look_back: int, **more: Any) -> list[Row]:
    return [
        Row(
            f"{look_back} → {horizon}",
            {
                **ETTH1,
                **OF_LOOK_BACK[look_back],
                **OF_HORIZON.get(horizon, {}),
                "look_back": look_back,
                "horizon": horizon,
                **more,
            },
            published,
        )
        for horizon, published in SEGRNN[look_back].items()
    ]


STUDIES = {
    "etth1-96": Study(_of_etth1(96), ("mse", "mae")),
    "etth1-720": Study(_of_etth1(720), ("mse", "mae")),
    "exchange": Study(
        [
            Row(f"{h} ahead", {**EXCHANGE, "horizon": h, "single": True}, published)
            for h, published in RNN_GRU.items()
        ],
        ("rse", "corr"),
    ),
    "kinds": Study(
        [
            Row(name, {**ETTH1, **OF_LOOK_BACK[96], **options})
            for name, options in KINDS.items()
        ],
        ("mse", "mae"),
    ),
    "bands": Study(_of_etth1(96, head="quantiles")[:1], ("coverage", "mse")),
}
BASELINES = ("linear", "last", "seasonal")


def run(study: str, seeds: int, more: Sequence[str], out: Path) -> list[dict[str, Any]]:
    """Train every row with every seed; ``STUDY.csv`` and ``STUDY.md`` grow with them.

    Args:
        study: a name in `STUDIES`.
        seeds: how many, from 0.
        more: options of ``python -m zoo train forecasting``.
        out: folder of the runs and the tables.

    Raises:
        ZooError: the data cannot be had, or a training failed.
    """
    what = STUDIES[study]
    found: list[dict[str, Any]] = []
    for seed in range(seeds):
        for row in what.rows:
            options = {**row.options, "seed": seed}
            # Words that are given without a value.
            flags = [f"--{name}" for name, one in options.items() if one is True]
            options = {name: one for name, one in options.items() if one is not True}
            folder = out / re.sub(r"\W+", "-", f"{study}-{row.name}-{seed}")
            result = trainings.train("forecasting", options, [*flags, *more], folder)
            facts = ("parameters", "steps", "seconds", "machine", "code", "error")
            kept = {
                name: value
                for name, value in result.items()
                if name in facts or name.startswith(("test_", "validation_", "naive_"))
            }
            found.append({"row": row.name, "seed": seed, **kept})
            trainings.write(out / f"{study}.csv", found)
            (out / f"{study}.md").write_text(table(what, found), encoding="utf-8")
    print(table(what, found))
    return found


def table(what: Study, found: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: mean and deviation over the seeds, the baselines and the published."""
    first = what.figures[0]
    beside = BASELINES if first in ("mse", "rse") else ()
    heads = ["", *what.figures, *(f"{first}, {name}" for name in beside)]
    heads += ["published", "parameters", "seeds", "seconds"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in what.rows:
        each = [one for one in found if one["row"] == row.name and not one["error"]]
        if each:
            cells = [row.name]
            cells += [
                trainings.spread([one[f"test_{name}"] for one in each], 4)
                for name in what.figures
            ]
            cells += [f"{each[0][f'naive_{first}_{name}']:.4f}" for name in beside]
            cells.append("" if row.published is None else f"{row.published:g}")
            cells += [f"{each[0]['parameters']:,}", str(len(each))]
            cells.append(f"{mean(one['seconds'] for one in each):.0f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
