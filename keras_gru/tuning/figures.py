"""What every picture of a sweep begins and ends with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_gru.files import replacing
from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Settings

COLOURS = "viridis_r"


def metric(record: Record) -> float:
    return float(record.metric or 0.0)


def colours(completed: Sequence[Record], settings: Settings) -> Any:
    """Trial -> colour, by the rank of its metric: an outlier does not take them all."""
    import matplotlib

    ranked = sorted(completed, key=metric, reverse=settings.direction == "max")
    rank = {record.number: place for place, record in enumerate(ranked)}
    shades = matplotlib.colormaps[COLOURS]
    last = max(1, len(ranked) - 1)
    return lambda record: shades(1.0 - rank[record.number] / last)


def new(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure without a window system, and its axes in a flat list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def save(figure: Any, path: Path) -> None:
    with replacing(path) as partial:
        # The software's name and version in the file would change its bytes.
        figure.savefig(partial, dpi=110, metadata={"Software": None})
