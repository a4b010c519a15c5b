"""What every picture of a sweep begins and ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_gru.files import replacing
from keras_gru.tuning.records import Record


def metric(record: Record) -> float:
    return float(record.metric or 0.0)


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
