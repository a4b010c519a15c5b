"""A table and a picture of a study: each kind at its best learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from zoo.conventions.layers import KINDS
from zoo.errors import ZooError
from zoo.files import replacing


@dataclass(frozen=True)
class Outcome:
    """A kind at the learning rate with the lowest mean.

    Attributes:
        kind: a name in `KINDS`.
        units: of its layer.
        parameters: of its model.
        learning_rate: the best for it.
        nats: validation loss per character, one for each seed that went well.
        failed: trainings at this rate whose loss was no longer finite.
        seconds: mean time of a training.
    """

    kind: str
    units: int
    parameters: int
    learning_rate: float
    nats: tuple[float, ...]
    failed: int
    seconds: float


def outcomes(rows: Sequence[Mapping[str, str]]) -> list[Outcome]:
    """Sum up the rows of a study, in the order of `KINDS`.

    A learning rate at which more trainings failed is worse, whatever the others gave.

    Raises:
        ZooError: there are no rows, or of trainings that do not compare.
    """
    if not rows:
        raise ZooError("no rows; expected those of python -m zoo.conventions run")
    for column in ("steps", "dataset", "backend"):
        if len(found := {row[column] for row in rows}) > 1:
            raise ZooError(
                f"rows of different {column} do not compare: {', '.join(sorted(found))}"
            )
    best: list[Outcome] = []
    for kind in KINDS:
        of_kind = [row for row in rows if row["kind"] == kind]
        rates = sorted({float(row["learning_rate"]) for row in of_kind})
        candidates = [
            _outcome([row for row in of_kind if float(row["learning_rate"]) == rate])
            for rate in rates
        ]
        if candidates:
            best.append(
                min(
                    candidates,
                    key=lambda one: (one.failed, mean(one.nats) if one.nats else 0.0),
                )
            )
    return best


def _outcome(rows: Sequence[Mapping[str, str]]) -> Outcome:
    well = [row for row in rows if not row["error"]]
    return Outcome(
        kind=rows[0]["kind"],
        units=int(rows[0]["units"]),
        parameters=int(rows[0]["parameters"]),
        learning_rate=float(rows[0]["learning_rate"]),
        nats=tuple(float(row["nats"]) for row in well),
        failed=len(rows) - len(well),
        seconds=mean(float(row["seconds"]) for row in well) if well else 0.0,
    )


def table(found: Sequence[Outcome]) -> str:
    """Markdown: mean, standard deviation and range over the seeds."""
    lines = [
        "| layer | units | parameters | learning rate | seeds | nats, mean ± sd "
        "| least – greatest | s a run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        spread = f" ± {stdev(one.nats):.4f}" if len(one.nats) > 1 else ""
        figures = f"{mean(one.nats):.4f}{spread}" if one.nats else "none was finite"
        ends = f"{min(one.nats):.4f} – {max(one.nats):.4f}" if one.nats else ""
        seeds = f"{len(one.nats)}" + (f", {one.failed} failed" if one.failed else "")
        lines.append(
            f"| {one.kind} | {one.units} | {one.parameters:,} | {one.learning_rate:g} "
            f"| {seeds} | {figures} | {ends} | {one.seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


def picture(found: Sequence[Outcome], path: Path) -> None:
    """Draw every seed as a point and each mean as a line, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = [one for one in found if one.nats]
    for place, one in enumerate(shown):
        axes.plot(one.nats, [place] * len(one.nats), "o", color="C0", alpha=0.6)
        middle = mean(one.nats)
        axes.plot([middle, middle], [place - 0.3, place + 0.3], color="C1")
    axes.set_yticks(range(len(shown)), [one.kind for one in shown])
    axes.invert_yaxis()
    axes.set_xlabel("validation loss, nats per character")
    axes.grid(axis="x", alpha=0.3)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=120, metadata={"Software": None})
