"""A piano roll as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.polyphonic_music.config import KEYS, LOWEST
from zoo.training.plots import picture

MARGIN = 3  # keys below and above those that sound


def roll(found: np.ndarray, given: int, title: str, path: Path) -> None:
    """Draw a piano roll (time, 88); a line stands behind the `given` first steps."""
    used = np.flatnonzero(found.any(axis=0))
    low, high = (int(used[0]), int(used[-1])) if len(used) else (0, KEYS - 1)
    low, high = max(low - MARGIN, 0), min(high + MARGIN, KEYS - 1) + 1
    with picture(path, (9.0, 4.0)) as figure:
        axes = figure.add_subplot()
        axes.imshow(
            found[:, low:high].T,
            origin="lower",
            aspect="auto",
            cmap="Blues",
            vmin=0,
            vmax=1,
            interpolation="nearest",
            extent=(0, len(found), low + LOWEST - 0.5, high + LOWEST - 0.5),
        )
        if given:
            axes.axvline(given, color="C1", label="composed from here on")
            axes.legend(loc="upper right")
        axes.set_xlabel("step")
        axes.set_ylabel("MIDI number of the key")
        axes.set_title(title)
