"""The plots: against the best peer, against the limit, against the length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import ratios, summary
from benchmarks.results import Row, convention_of
from benchmarks.rows import CONVENTIONS, SHAPES

COLOURS = {"tensorflow": "#e8710a", "jax": "#5e35b1", "torch": "#c5221f"}
PEERS = {
    (ratios.TORCH_NN, "torch"): "#9aa0a6",
    ("onnxruntime", "onnxruntime"): "#5f6368",
}


def save_all(rows: Sequence[Row], growing: Sequence[Row], path: Path) -> list[Path]:
    """Writes the plots of what was measured beside the CSV file.

    Returns:
        Their paths.
    """
    import matplotlib

    matplotlib.use("Agg")
    threads = max((row["threads"] for row in rows), default=1)
    most = [row for row in rows if row["threads"] == threads]
    drawn = {
        "best_peer": _best_peer(most),
        "sgemm": _share(most),
        "growth": _growth(growing),
    }
    written = []
    for name, figure in drawn.items():
        if figure is not None:
            written.append(path.with_name(f"{path.stem}_{name}.png"))
            figure.savefig(written[-1], dpi=110)
    return written


def _figure(panels: int, width: float, height: float, **options: Any) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False, **options)[0]


def _best_peer(rows: Sequence[Row]) -> Any:
    """One line a row, one dot a backend: the best peer's time / ours."""
    modes = ("inference", "training")
    rows = [row for row in summary.ours(rows) if row["ratio_to_best_peer"]]
    rows = [row for row in rows if row["mode"] in modes]
    if not rows:
        return None
    order = {str(shape): position for position, shape in enumerate(SHAPES)}
    conventions = list(CONVENTIONS)

    def place(row: Row) -> tuple[Any, ...]:
        shape = str(summary.shape_of(row))
        convention = conventions.index(convention_of(row) or "")
        return order.get(shape, -1), shape, row["masked"], convention

    names = list(dict.fromkeys(map(summary.describe, sorted(rows, key=place))))
    figure, axes = _figure(2, 13, 1.5 + 0.2 * len(names), sharey=True)
    for panel, mode in zip(axes, modes, strict=True):
        for backend, colour in COLOURS.items():
            mine = [r for r in rows if (r["mode"], r["backend"]) == (mode, backend)]
            panel.plot(
                [row["ratio_to_best_peer"] for row in mine],
                [names.index(summary.describe(row)) for row in mine],
                *("o",),
                color=colour,
                markersize=5,
                label=f"keras_gru on {backend}",
            )
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}×")
        panel.set_title(f"{mode}: times faster than the best peer")
        panel.grid(True, axis="both", linewidth=0.3)
    axes[0].set_yticks(range(len(names)), names, fontsize=7)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    axes[0].legend(fontsize=8)
    return figure


def _share(rows: Sequence[Row]) -> Any:
    """Bars of the share of sgemm, keep-after without masks."""
    modes = ("inference", "training")
    rows = [
        row
        for row in rows
        if row["mode"] in modes
        and row["share_of_sgemm"]
        and not row["masked"]
        and convention_of(row) == "keep_after"
    ]
    if not rows:
        return None
    shapes = list(dict.fromkeys(str(summary.shape_of(row)) for row in rows))
    bars: dict[tuple[str, str], str] = {}
    for backend, colour in COLOURS.items():
        bars[ratios.OURS, backend] = colour
        bars[ratios.KERAS, backend] = colour + "55"
    bars |= PEERS
    figure, axes = _figure(2, 13, 4.5, sharey=True)
    width = 0.9 / len(bars)
    for panel, mode in zip(axes, modes, strict=True):
        for position, ((contender, backend), colour) in enumerate(bars.items()):
            mine = {
                str(summary.shape_of(row)): row["share_of_sgemm"]
                for row in rows
                if (row["mode"], row["contender"], row["backend"])
                == (mode, contender, backend)
            }
            panel.bar(
                [shapes.index(s) + (position + 0.5) * width - 0.45 for s in mine],
                list(mine.values()),
                width,
                color=colour,
                label=contender if contender in backend else f"{contender}, {backend}",
            )
        panel.axhline(1, color="black", linewidth=0.8)
        panel.set_xticks(range(len(shapes)), shapes, fontsize=7)
        panel.set_title(f"{mode}: share of sgemm, keep-after")
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        panel.grid(True, axis="y", linewidth=0.3)
    axes[1].legend(fontsize=7)
    return figure


def _growth(rows: Sequence[Row]) -> Any:
    """Time and memory of a training step against the number of time steps."""
    rows = sorted((r for r in rows if r["seconds"]), key=lambda r: r["timesteps"])
    if not rows:
        return None
    figure, (times, memory) = _figure(2, 10, 4)
    for backend, colour in COLOURS.items():
        mine = [row for row in rows if row["backend"] == backend]
        timesteps = [row["timesteps"] for row in mine]
        for panel, values in (
            (times, [row["seconds"] for row in mine]),
            (memory, [row["peak_mib"] - row["before_mib"] for row in mine]),
        ):
            panel.plot(timesteps, values, "o-", color=colour, label=backend)
    for panel, title in (
        (times, "a training step, seconds"),
        (memory, "peak memory above the data, MiB"),
    ):
        panel.set(xscale="log", yscale="log", xlabel="time steps", title=title)
        panel.grid(True, linewidth=0.3)
    times.legend(fontsize=8)
    return figure
