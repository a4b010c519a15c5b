"""The order of the gates in a weight: here z, r, n; elsewhere r, z, n."""

from __future__ import annotations

import numpy as np


def swap_first_two(weight: np.ndarray) -> np.ndarray:
    """z, r, n ↔ r, z, n along the last axis; its own inverse."""
    first, second, last = np.split(weight, 3, axis=-1)
    return np.concatenate([second, first, last], axis=-1)
