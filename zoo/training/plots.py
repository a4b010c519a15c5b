"""Pictures of a training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo.errors import ZooError
from zoo.files import replacing
from zoo.training.objective import Objective


@contextmanager
def picture(path: Path, size: tuple[float, float] = (7.0, 4.0)) -> Iterator[Figure]:
    """A figure of `size` inches to draw on, which is then saved: whole, or not at all.

    The suffix of `path` chooses the format.
    """
    # Not pyplot: it would pick a window system where there may be none.
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    # The software's name and version in a PNG would change its bytes.
    metadata = {"Software": None} if path.suffix == ".png" else None
    with replacing(path) as partial, warnings.catch_warnings():
        # Scripts that matplotlib's font lacks stand as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(partial, dpi=120, metadata=metadata)


def require_format(path: Path, option: str) -> None:
    """Refuse a name that says no format of a picture."""
    known = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix.removeprefix(".") not in known:
        raise ZooError(
            f"{option} {path}: unknown format {path.suffix!r}; expected a name that "
            f"ends in one of {', '.join(known)}"
        )


def learning_curve(
    history: Sequence[Mapping[str, Any]], objective: Objective, title: str, path: Path
) -> None:
    """Draw training loss and validation figure against steps, as a PNG."""
    steps = [entry["step"] for entry in history]
    name, best = objective.name, objective.best(history)
    with picture(path) as figure:
        axes = figure.add_subplot()
        axes.plot(steps, [entry["train_loss"] for entry in history], label="training")
        right = axes if objective.like_loss else axes.twinx()
        values = [entry[name] for entry in history]
        right.plot(steps, values, marker="o", color="C1", label="validation")
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
