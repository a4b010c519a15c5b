"""A picture of what the model saw and what it made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.speech.decoding import Recognised
from zoo.training.plots import picture


def recognition(recognised: Recognised, mels: int, title: str, path: Path) -> None:
    """Draw features and posteriors of one recording into a file."""
    with picture(path, (8.0, 5.0)) as figure:
        upper, lower = figure.subplots(2, 1)
        frames = recognised.features.reshape(-1, mels)  # (frames, mels)
        end = len(recognised.features) * recognised.seconds_a_step
        upper.imshow(
            frames.T, origin="lower", aspect="auto", extent=(0.0, end, 0.0, float(mels))
        )
        upper.set_title(title)
        upper.set_xlabel("seconds")
        upper.set_ylabel("mel band")
        if recognised.posteriors.ndim == 1:
            lower.bar(np.arange(len(recognised.posteriors)), recognised.posteriors)
            lower.set_xticks(np.arange(len(recognised.posteriors)))
            lower.set_xlabel("digit")
        else:
            steps = np.arange(1, len(recognised.posteriors) + 1)
            seconds = steps * recognised.seconds_a_step
            lower.plot(seconds, recognised.posteriors[:, 0], color="lightgrey")
            for digit in sorted({one.digit for one in recognised.heard}):
                lower.plot(seconds, recognised.posteriors[:, digit + 1])
            for one in recognised.heard:
                where = (recognised.second(one), 1.0)
                lower.annotate(str(one.digit), where, ha="center", va="bottom")
            lower.set_xlim(0.0, end)
            lower.set_xlabel("seconds (grey: blank)")
        lower.set_ylim(0.0, 1.1)
        lower.set_ylabel("probability")
