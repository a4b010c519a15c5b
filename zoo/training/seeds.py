"""Seeds for the layers that draw masks."""

from __future__ import annotations

import numpy as np

RECURRENT = 1  # tells the seed of a layer's recurrent dropout from others of its place


def drawn(*seeds: int) -> int:
    """A seed for the masks of one layer, from that of the run and the layer's place.

    Layers are always seeded: on torch an unseeded mask comes from a generator that
    belongs to the process and not to the model, and no checkpoint could hold it.

    Example:
        >>> drawn(0, 1) == drawn(0, 1) != drawn(0, 2)
        True
    """
    return int(np.random.default_rng(seeds).integers(2**31))
