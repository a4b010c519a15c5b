"""Pictures of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.files import replacing


def learning_curve(
    history: Sequence[Mapping[str, Any]], objective: str, title: str, path: Path
) -> None:
    """Draw training loss and validation figure against steps, as a PNG.

    Args:
        history: entries with "step", "train_loss" and `objective`.
        objective: the validation figure, in the unit of the training loss.
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
    axes.plot(
        steps, [entry[objective] for entry in history], marker="o", label="validation"
    )
    best = min(history, key=lambda entry: float(entry[objective]))
    axes.axhline(best[objective], color="grey", linewidth=0.8, linestyle="--")
    axes.annotate(
        f"{best[objective]:.4f}",
        (best["step"], best[objective]),
        textcoords="offset points",
        xytext=(0, -14),
        ha="center",
    )
    axes.set_xlabel("step")
    axes.set_ylabel(objective)
    axes.set_title(title)
    axes.legend()
    with replacing(path) as partial:
        # The software's name and version in the file would change its bytes.
        figure.savefig(partial, dpi=120, metadata={"Software": None})
