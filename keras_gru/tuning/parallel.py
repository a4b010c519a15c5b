"""Parallel coordinates: one axis a hyperparameter, one line a trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_gru.tuning import figures
from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.space import Dimension


def draw(
    path: Path,
    completed: Sequence[Record],
    used: Sequence[Dimension],
    settings: Settings,
) -> None:
    """One axis a hyperparameter, one line a trial, the better the darker."""
    figure, (axes,) = figures.new(1, 1, max(7.0, 1.3 * (len(used) + 1)), 4.5)
    scales = [_Scale(dimension, completed) for dimension in used]
    colour = figures.colours(completed, settings)
    worst_first = sorted(
        completed, key=figures.metric, reverse=settings.direction == "min"
    )
    for record in worst_first:
        heights = [scale.height(record) for scale in scales]
        axes.plot(
            range(len(used)), heights, color=colour(record), linewidth=1.2, alpha=0.8
        )
    for place, scale in enumerate(scales):
        axes.axvline(place, color="black", linewidth=0.6)
        for height, label in scale.ticks():
            axes.annotate(
                label,
                (place, height),
                xytext=(3, 0),
                fontsize=7,
                textcoords="offset points",
                va="center",
            )
    axes.set_xticks(range(len(used)), [d.name for d in used], rotation=20, ha="right")
    axes.set_yticks([])
    axes.set_ylim(-0.05, 1.05)
    axes.set_title(f"All hyperparameters; dark is a better {settings.objective}")
    figures.save(figure, path)


class _Scale:
    """Where the values of a hyperparameter stand on an axis from 0 to 1."""

    def __init__(self, dimension: Dimension, completed: Sequence[Record]) -> None:
        self.dimension = dimension
        self.labels = [str(value) for value in dimension.values]
        self.numbers = sorted(
            {
                record.values[dimension.name]
                for record in completed
                if not dimension.values and dimension.name in record.values
            }
        )

    def height(self, record: Record) -> float:
        """Not a number where the trial does not have it: the line has a gap."""
        value = record.values.get(self.dimension.name)
        if value is None:
            return float("nan")
        if self.labels:
            return self._place(self.labels.index(str(value)), 0, len(self.labels) - 1)
        low, high, value = (
            np.log(n) if self.dimension.log else float(n)
            for n in (self.numbers[0], self.numbers[-1], value)
        )
        return self._place(value, low, high)

    def ticks(self) -> list[tuple[float, str]]:
        if self.labels:
            last = len(self.labels) - 1
            return [(self._place(n, 0, last), t) for n, t in enumerate(self.labels)]
        low, high = self.numbers[0], self.numbers[-1]
        return (
            [(0.5, f"{low:g}")] if low == high else [(0, f"{low:g}"), (1, f"{high:g}")]
        )

    @staticmethod
    def _place(value: float, low: float, high: float) -> float:
        return 0.5 if high == low else float((value - low) / (high - low))
