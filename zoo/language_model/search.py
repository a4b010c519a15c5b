"""What to search for a language model; see `zoo.sweeps.spaces` for the terms.

Example:
    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> search_space(hp).variant
    'keras'
    >>> hp.values["learning_rate"] = 1e-3
    >>> search_space(hp).learning_rate
    0.001
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.language_model.config import SIZES, Config
from zoo.sweeps import spaces

if TYPE_CHECKING:
    import keras_tuner

SCIENTIFIC = ("variant", "units", "layers")
NUISANCE = ("learning_rate", "dropout", "recurrent_dropout", "batch_size")


def search_space(hp: keras_tuner.HyperParameters, size: str = "small") -> Config:
    """Draw a configuration; its defaults, and all that is not drawn, are of `size`."""
    fixed = SIZES[size]
    scientific = {
        "variant": spaces.variant(hp, fixed.variant),
        "units": hp.Choice(
            "units",
            # From a quarter to the double: what a machine can train that trains `size`.
            [fixed.units * part // 4 for part in (1, 2, 3, 4, 6, 8)],
            default=fixed.units,
        ),
        "layers": hp.Int("layers", 1, fixed.layers + 1, default=fixed.layers),
    }
    nuisance = {
        "learning_rate": hp.Float(
            "learning_rate",
            fixed.learning_rate / 4,
            fixed.learning_rate * 4,
            sampling="log",
            default=fixed.learning_rate,
        ),
        "dropout": hp.Float("dropout", 0.0, 0.6, default=_rate(fixed)),
        "recurrent_dropout": spaces.recurrent_dropout(hp, fixed.recurrent_dropout),
        "batch_size": spaces.halved_or_doubled(hp, "batch_size", fixed.batch_size),
    }
    return replace(fixed, **scientific, **nuisance)


def _rate(config: Config) -> float:
    """One rate for all places: the mean of a configuration's."""
    return sum(config.dropouts) / len(config.dropouts)
