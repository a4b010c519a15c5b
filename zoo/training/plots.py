"""Pictures of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.files import replacing
from zoo.training.objective import Objective


def learning_curve(
    history: Sequence[Mapping[str, Any]], objective: Objective, title: str, path: Path
) -> None:
    """Draw training loss and validation figure against steps, as a PNG.

    Args:
        history: entries with "step", "train_loss" and the objective.
        objective: the validation figure that chooses the best weights.
        title: stands above the picture.
        path: where the PNG goes.
    """
    # Not pyplot: it would pick a window system where there may be none.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [entry["step"] for entry in history]
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(steps, [entry["train_loss"] for entry in history], label="training")
    name = objective.name
    right = axes if objective.like_loss else axes.twinx()
    right.plot(
        steps,
        [entry[name] for entry in history],
        marker="o",
        color="C1",
        label="validation",
    )
    best = objective.best(history)
    right.axhline(best[name], color="grey", linewidth=0.8, linestyle="--")
    right.annotate(
        f"{best[name]:.4f}",
        (best["step"], best[name]),
        textcoords="offset points",
        xytext=(0, -14),
        ha="center",
    )
    axes.set_xlabel("step")
    axes.set_ylabel(name if right is axes else "training loss")
    right.set_ylabel(name)
    axes.set_title(title)
    figure.legend(loc="outside right upper")
    with replacing(path) as partial:
        # The software's name and version in the file would change its bytes.
        figure.savefig(partial, dpi=120, metadata={"Software": None})
