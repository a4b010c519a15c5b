"""Pictures of a sweep, as PNGs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from keras_gru.tuning import costs, figures
from keras_gru.tuning.records import COMPLETED, FAILED, Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.space import Dimension, is_variant


def draw(
    folder: Path,
    found: Sequence[Record],
    dimensions: Sequence[Dimension],
    settings: Settings,
) -> dict[str, Path]:
    """Draw all pictures that the trials so far allow.

    Returns:
        Title -> PNG, in the order in which they are to be shown.
    """
    completed = sorted(
        (r for r in found if r.status == COMPLETED and r.metric is not None),
        key=lambda record: record.order,
    )
    if not completed:
        return {}
    used = [d for d in dimensions if any(d.name in r.values for r in completed)]
    pictures = {"Best so far": folder / "best_so_far.png"}
    _best_so_far(pictures["Best so far"], completed, found, settings)
    if costs.draw(folder / "costs.png", completed, settings):
        pictures["What it costs"] = folder / "costs.png"
    if used:
        pictures["Each hyperparameter"] = folder / "hyperparameters.png"
        _panels(pictures["Each hyperparameter"], completed, used, settings)
    for dimension in filter(is_variant, used):
        name = "variants" if dimension.name == "variant" else dimension.name
        pictures[f"Conventions: {dimension.name}"] = path = (
            folder / f"{_file(name)}.png"
        )
        _conventions(path, completed, dimension, settings)
    return pictures


def _best_so_far(
    path: Path, completed: Sequence[Record], found: Sequence[Record], settings: Settings
) -> None:
    figure, (axes,) = figures.new(1, 1, 7.0, 4.0)
    orders = [record.order for record in completed]
    metrics = [figures.metric(record) for record in completed]
    best = (np.maximum if settings.direction == "max" else np.minimum).accumulate(
        metrics
    )
    axes.scatter(orders, metrics, s=18, color="C0", label="a trial", zorder=3)
    axes.step(orders, best, where="post", color="C1", label="best so far")
    failed = [record.order for record in found if record.status == FAILED]
    for place, order in enumerate(failed):
        axes.axvline(
            order, color="C3", linewidth=0.8, label="failed" if place == 0 else None
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("trials ended")
    axes.set_ylabel(settings.objective)
    axes.set_title("Best so far")
    axes.legend()
    figures.save(figure, path)


def _panels(
    path: Path,
    completed: Sequence[Record],
    used: Sequence[Dimension],
    settings: Settings,
) -> None:
    """A panel a hyperparameter: the metric against its value."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    columns = min(3, len(used))
    rows = -(-len(used) // columns)
    figure, all_axes = figures.new(rows, columns, 3.4 * columns, 2.8 * rows)
    for axes, dimension in zip(all_axes, used, strict=False):
        with_it = [r for r in completed if dimension.name in r.values]
        metrics = [figures.metric(record) for record in with_it]
        if dimension.values:
            labels = [str(value) for value in dimension.values]
            places = [
                labels.index(str(record.values[dimension.name])) for record in with_it
            ]
            axes.set_xticks(range(len(labels)), labels, rotation=20, ha="right")
            axes.set_xlim(-0.5, len(labels) - 0.5)
        else:
            places = [record.values[dimension.name] for record in with_it]
            if dimension.log:
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
                axes.xaxis.set_minor_formatter(NullFormatter())
        for epochs in sorted({record.epochs or 0 for record in with_it}):
            chosen = [(record.epochs or 0) == epochs for record in with_it]
            axes.scatter(
                list(compress(places, chosen)),
                list(compress(metrics, chosen)),
                s=16,
                alpha=0.8,
                label=_epochs(epochs),
            )
        if len({record.epochs for record in completed}) > 1 and axes is all_axes[0]:
            axes.legend(fontsize=7)
        axes.set_xlabel(dimension.name)
        axes.set_ylabel(settings.objective)
    for axes in all_axes[len(used) :]:
        axes.set_axis_off()
    figures.save(figure, path)


def _conventions(
    path: Path, completed: Sequence[Record], dimension: Dimension, settings: Settings
) -> None:
    """Each convention's trials, their mean and standard deviation.

    Hyperband's trials have different epochs; those are shown of which there are most.
    """
    [(epochs, _)] = Counter(record.epochs for record in completed).most_common(1)
    completed = [record for record in completed if record.epochs == epochs]
    figure, (axes,) = figures.new(1, 1, 6.0, 4.0)
    labels = []
    for place, value in enumerate(dimension.values):
        metrics = [
            figures.metric(r)
            for r in completed
            if r.values.get(dimension.name) == value
        ]
        labels.append(f"{value}\n{len(metrics)} trials")
        if not metrics:
            continue
        axes.scatter([place] * len(metrics), metrics, s=16, alpha=0.6, color="C0")
        spread = np.std(metrics, ddof=1) if len(metrics) > 1 else 0.0
        axes.errorbar(
            place + 0.15, np.mean(metrics), spread, fmt="D", color="C1", capsize=4
        )
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.set_ylabel(settings.objective)
    of = f" of {_epochs(epochs)}" if epochs else ""
    axes.set_title(f"{dimension.name}: trials{of}, mean ± standard deviation")
    figures.save(figure, path)


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' if count != 1 else ''}"


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
