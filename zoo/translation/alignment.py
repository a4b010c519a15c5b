"""A picture of what each subword of a translation looked at."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.files import replacing

if TYPE_CHECKING:
    from zoo.translation.translate import Translation


def draw(translation: Translation, path: Path) -> None:
    """Draw the attention's weights, target down and source across, as a PNG.

    Args:
        translation: of one sentence, not empty.
        path: where the PNG goes.
    """
    # Not pyplot: it would pick a window system where there may be none.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = translation.attention.shape
    figure = Figure(
        figsize=(2.5 + 0.32 * columns, 2.0 + 0.3 * rows), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(translation.attention, cmap="Blues", vmin=0.0, vmax=1.0)
    # "$" begins a formula for matplotlib.
    axes.set_xticks(
        range(columns),
        [piece.replace("$", r"\$") for piece in translation.source_pieces],
        rotation=60,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(
        range(rows), [piece.replace("$", r"\$") for piece in translation.pieces]
    )
    axes.set_xlabel("source")
    axes.set_ylabel("translation")
    figure.colorbar(image, label="attention", shrink=0.8)
    with replacing(path) as partial, warnings.catch_warnings():
        # Scripts that matplotlib's font lacks stand as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})
