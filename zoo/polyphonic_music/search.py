"""What to search for a music model; see `zoo.sweeps.spaces` for the terms.

Example:
    >>> import keras_tuner
    >>> search_space(keras_tuner.HyperParameters(), "tiny") == SIZES["tiny"]
    True
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.polyphonic_music.config import SIZES, Config
from zoo.sweeps import spaces

if TYPE_CHECKING:
    import keras_tuner

SCIENTIFIC = ("variant", "units")
NUISANCE = ("learning_rate", "input_dropout", "dropout", "weight_decay", "batch_size")


def search_space(hp: keras_tuner.HyperParameters, size: str = "small") -> Config:
    """Draw a configuration; ``--option kind=lstm`` sets another layer."""
    fixed = SIZES[size]
    return replace(
        fixed,
        # Scientific.
        variant=spaces.variant(hp, fixed.variant),
        units=spaces.halved_or_doubled(hp, "units", fixed.units),
        # Nuisance.
        learning_rate=hp.Float(
            "learning_rate", 1e-3, 3e-2, sampling="log", default=fixed.learning_rate
        ),
        input_dropout=hp.Float(
            "input_dropout", 0.0, 0.4, step=0.1, default=fixed.input_dropout
        ),
        dropout=hp.Float("dropout", 0.0, 0.7, step=0.1, default=fixed.dropout),
        weight_decay=hp.Choice(
            "weight_decay", [0.0, 0.01, 0.1], default=fixed.weight_decay
        ),
        batch_size=spaces.halved_or_doubled(hp, "batch_size", fixed.batch_size),
    )
