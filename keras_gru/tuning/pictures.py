"""Pictures of a sweep, as PNGs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras_tuner import HyperParameters
from matplotlib.figure import Figure

from keras_gru.files import replacing
from keras_gru.tuning import spaces
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import COMPLETED, FAILED, Record
from keras_gru.tuning.settings import Settings

Point = tuple[float, float, str]
"""Cost, metric, trial."""


def draw(ledger: Ledger) -> dict[str, Path]:
    """Draw all pictures that the trials so far allow: title -> PNG."""
    folder, settings, space = ledger.folder, ledger.settings, ledger.space
    done = [r for r in ledger.trials if r.status == COMPLETED and r.metric is not None]
    done.sort(key=lambda record: record.order)
    if not done or space is None:
        return {}
    pictures = {"Best so far": folder / "best_so_far.png"}
    figure, (axes,) = _panels(1, 7.0, 4.0, settings)
    failed = [record.order for record in ledger.trials if record.status == FAILED]
    _best_so_far(axes, done, failed, settings)
    _save(figure, pictures["Best so far"])
    costs = {
        "seconds": [r.seconds or 0.0 for r in done],
        "parameters": [r.metrics.get("parameters", 0.0) for r in done],
    }
    known = {name: found for name, found in costs.items() if all(found)}
    if known:
        pictures["What it costs"] = folder / "costs.png"
        figure, panels = _panels(len(known), 5.0, 4.0, settings)
        for axes, (name, cost) in zip(panels, known.items(), strict=True):
            axes.set_xlabel(name)
            trials = zip(cost, _metrics(done), (r.trial_id for r in done), strict=True)
            _cost(axes, list(trials), settings.direction)
        _save(figure, pictures["What it costs"])
    names = [n for n in spaces.names(space) if any(n in r.values for r in done)]
    if names:
        pictures["Each hyperparameter"] = folder / "hyperparameters.png"
        figure, panels = _panels(len(names), 3.6, 3.2, settings)
        for axes, name in zip(panels, names, strict=True):
            _hyperparameter(axes, done, name, space)
        _save(figure, pictures["Each hyperparameter"])
    return pictures


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


def _best_so_far(
    axes: Any, done: Sequence[Record], failed: Sequence[int], settings: Settings
) -> None:
    orders, metrics = [record.order for record in done], _metrics(done)
    better = np.maximum if settings.direction == "max" else np.minimum
    axes.scatter(orders, metrics, s=18, label="a trial", zorder=3)
    best = better.accumulate(metrics)
    axes.step(orders, best, where="post", color="C1", label="best so far")
    for place, order in enumerate(failed):
        label = "failed" if place == 0 else None
        axes.axvline(order, color="C3", linewidth=0.8, label=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("trials ended")
    axes.legend()


def _cost(axes: Any, points: Sequence[Point], direction: str) -> None:
    """The metric against a cost, and the trials that no other one beats in both."""
    axes.scatter([x for x, _, _ in points], [y for _, y, _ in points], s=18)
    front = pareto(points, direction)
    x, y = [x for x, _, _ in front], [y for _, y, _ in front]
    axes.step(x, y, where="post", color="C1", label="none is better and cheaper")
    for place, height, trial_id in front:
        away = {"xytext": (3, 3), "textcoords": "offset points"}
        axes.annotate(trial_id, (place, height), fontsize=7, **away)
    axes.set_xscale("log")
    axes.legend()


def _hyperparameter(
    axes: Any, done: Sequence[Record], name: str, space: HyperParameters
) -> None:
    """The metric against a value, coloured by epochs; of a choice the means too.

    Hyperband's trials have different epochs: a mean is of those of which most are.
    """
    done = [record for record in done if name in record.values]
    epochs = [record.epochs or 0 for record in done]
    labels = [str(value) for value in spaces.choices(space, name)]
    places = [record.values[name] for record in done]
    if labels:
        places = [labels.index(str(value)) for value in places]
        for place in set(places):
            usual = zip(places, epochs, _metrics(done), strict=True)
            most = max(epochs, key=epochs.count)
            here = [m for p, e, m in usual if (p, e) == (place, most)]
            if here:
                axes.errorbar(place + 0.15, np.mean(here), np.std(here), fmt="D")
        axes.set_xticks(range(len(labels)), labels, rotation=20, ha="right")
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif spaces.logarithmic(space, name):
        axes.set_xscale("log")
    axes.scatter(places, _metrics(done), c=epochs, s=16)
    axes.set_xlabel(name)


def _metrics(found: Sequence[Record]) -> list[float]:
    return [float(record.metric or 0.0) for record in found]


def _panels(
    count: int, width: float, height: float, settings: Settings
) -> tuple[Any, list[Any]]:
    """A figure without a window system, and its axes, at most three beside another."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    panels = [figure.add_subplot(rows, columns, 1 + place) for place in range(count)]
    for axes in panels:
        axes.set_ylabel(settings.objective)
    return figure, panels


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as partial:
        # The software's name and version in the file would change its bytes.
        figure.savefig(partial, dpi=110, metadata={"Software": None})
