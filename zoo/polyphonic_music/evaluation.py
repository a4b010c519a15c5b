"""The negative log-likelihood of whole pieces, a step."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from zoo.polyphonic_music.batches import padded, shifted
from zoo.polyphonic_music.config import KEYS
from zoo.training.data import forget_shapes

ROWS = 16  # pieces read side by side
SHORTEST = 64  # a length is this times a power of two: few shapes to compile for


def measure(model: keras.Model, pieces: Sequence[np.ndarray]) -> dict[str, float]:
    """Nats a step over all steps of all pieces, in float64.

    .. code-block:: text

        nats              Σ_pieces Σ_t -log p(x_t | x_1 ... x_{t-1}) / Σ_pieces T
        nats_after_first  the same over the steps from the second of each piece on

    The first step of a piece is predicted from silence, and is harder than others. The
    first figure is the likelihood of whole pieces; the second is what is measured by
    code that predicts x_2 ... x_T from x_1 ... x_{T-1} (TCN, arXiv 1803.01271).
    """
    each = [nats_of(logits, piece) for logits, piece in _predicted(model, pieces)]
    steps = sum(len(nats) for nats in each)
    return {
        "nats": float(sum(nats.sum() for nats in each) / steps),
        "nats_after_first": float(
            sum(nats[1:].sum() for nats in each) / (steps - len(each))
        ),
    }


def nats_of(logits: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """The nats of each step: logits and keys (time, 88) -> (time,)."""
    logits = logits.astype(np.float64)
    return np.asarray((np.logaddexp(0.0, logits) - piece * logits).sum(axis=-1))


def prepare(model: keras.Model) -> None:
    """Compile for any shape at once, so that no figure hangs on those before it."""
    forget_shapes(
        lambda rows, time: model.predict_on_batch(
            np.zeros((rows, time, KEYS), np.float32)
        )
    )


def _predicted(
    model: keras.Model, pieces: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The logits (time, 88) of each piece, and the piece."""
    found = []
    order = sorted(pieces, key=len)
    for start in range(0, len(order), ROWS):
        part = order[start : start + ROWS]
        time = SHORTEST
        while time < len(part[-1]):
            time *= 2
        inputs = padded([shifted(piece) for piece in part], ROWS, time, 0.0)
        logits = np.asarray(model.predict_on_batch(inputs))
        found += [(logits[row, : len(piece)], piece) for row, piece in enumerate(part)]
    return found
