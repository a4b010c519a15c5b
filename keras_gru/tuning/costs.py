"""The metric against what a trial costs: parameters and seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_gru.tuning import figures
from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Settings

COSTS = ("parameters", "seconds")

Point = tuple[float, float, str]
"""Cost, metric, trial."""


def draw(path: Path, completed: Sequence[Record], settings: Settings) -> bool:
    """Draw every cost that all trials have; whether there was one."""
    costs = [name for name in COSTS if all(_cost(r, name) for r in completed)]
    if not costs:
        return False
    figure, panels = figures.new(1, len(costs), 5.0 * len(costs), 4.0)
    for axes, name in zip(panels, costs, strict=True):
        points = [
            (_cost(record, name) or 0.0, figures.metric(record), record.trial_id)
            for record in completed
        ]
        axes.scatter([x for x, _, _ in points], [y for _, y, _ in points], s=18)
        front = pareto(points, settings.direction)
        x, y = [x for x, _, _ in front], [y for _, y, _ in front]
        axes.step(x, y, where="post", color="C1", label="none is better and cheaper")
        for place, height, trial_id in front:
            axes.annotate(
                trial_id,
                (place, height),
                xytext=(3, 3),
                fontsize=7,
                textcoords="offset points",
            )
        axes.set_xscale("log")
        axes.set_xlabel(name)
        axes.set_ylabel(settings.objective)
        axes.legend()
    figures.save(figure, path)
    return True


def pareto(points: Sequence[Point], direction: str) -> list[Point]:
    """Those that no other one beats in both, by their cost.

    Example:
        >>> pareto([(1, 5.0, "a"), (2, 6.0, "b"), (3, 4.0, "c")], "min")
        [(1, 5.0, 'a'), (3, 4.0, 'c')]
    """
    sign = -1.0 if direction == "max" else 1.0
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point[0], sign * point[1])):
        if not front or sign * point[1] < sign * front[-1][1]:
            front.append(point)
    return front


def _cost(record: Record, name: str) -> float | None:
    return record.seconds if name == "seconds" else record.metrics.get(name)
