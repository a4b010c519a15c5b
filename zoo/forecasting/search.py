"""What to search for a forecaster; see `zoo.sweeps.spaces` for the terms.

Example:
    >>> import keras_tuner
    >>> search_space(keras_tuner.HyperParameters(), "tiny") == SIZES["tiny"]
    True
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.forecasting.config import SIZES, Config
from zoo.sweeps import spaces

if TYPE_CHECKING:
    import keras_tuner

SCIENTIFIC = ("variant", "units", "segment", "normalisation")
NUISANCE = ("learning_rate", "dropout", "batch_size")


def search_space(hp: keras_tuner.HyperParameters, size: str = "small") -> Config:
    """Draw a configuration; ``--option look_back=720`` sets another look-back."""
    fixed = SIZES[size]
    return replace(
        fixed,
        # Scientific.
        variant=spaces.variant(hp, fixed.variant),
        units=spaces.halved_or_doubled(hp, "units", fixed.units),
        segment=hp.Choice(
            "segment",
            [fixed.segment // 4, fixed.segment // 2, fixed.segment],
            default=fixed.segment,
        ),
        normalisation=hp.Choice(
            "normalisation", ["last", "window"], default=fixed.normalisation
        ),
        # Nuisance.
        learning_rate=hp.Float(
            "learning_rate", 5e-4, 2e-2, sampling="log", default=fixed.learning_rate
        ),
        dropout=hp.Float("dropout", 0.0, 0.7, step=0.1, default=fixed.dropout),
        batch_size=spaces.halved_or_doubled(hp, "batch_size", fixed.batch_size),
    )
