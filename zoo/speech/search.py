"""What to search for a recogniser, in the terms of google-research/tuning_playbook.

Scientific hyperparameters are what a study asks about; nuisance hyperparameters must be
tuned for each of them, or the comparison is unfair; fixed ones stay, and a conclusion
holds for their values only.

Example:
    >>> import keras_tuner
    >>> search_space(keras_tuner.HyperParameters(), "tiny") == SIZES["tiny"]
    True
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.speech.config import SIZES, Config
from zoo.sweeps import spaces

if TYPE_CHECKING:
    import keras_tuner

SCIENTIFIC = ("variant", "stack", "units", "layers")
NUISANCE = (
    *("learning_rate", "batch_size", "dropout", "recurrent_dropout"),
    *("speed", "frequency_width", "time_width"),
)


def search_space(hp: keras_tuner.HyperParameters, size: str = "small") -> Config:
    """Draw a configuration; ``--option task=strings`` sets another task."""
    fixed = SIZES[size]
    return replace(
        fixed,
        # Scientific.
        variant=spaces.variant(hp, fixed.variant),
        stack=hp.Choice("stack", [2, 3, 4], default=fixed.stack),
        units=spaces.halved_or_doubled(hp, "units", fixed.units),
        layers=hp.Int("layers", 1, fixed.layers + 1, default=fixed.layers),
        # Nuisance.
        learning_rate=hp.Float(
            "learning_rate", 1e-3, 2e-2, sampling="log", default=fixed.learning_rate
        ),
        batch_size=spaces.halved_or_doubled(hp, "batch_size", fixed.batch_size),
        recurrent_dropout=spaces.recurrent_dropout(hp, fixed.recurrent_dropout),
        dropout=hp.Float("dropout", 0.0, 0.4, step=0.05, default=fixed.dropout),
        speed=hp.Float("speed", 0.0, 0.2, step=0.04, default=fixed.speed),
        frequency_width=hp.Int(
            "frequency_width", 0, 16, step=4, default=fixed.frequency_width
        ),
        time_width=hp.Int("time_width", 0, 16, step=4, default=fixed.time_width),
    )
