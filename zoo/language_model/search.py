"""What to search for a language model, in the terms of google-research/tuning_playbook.

Scientific hyperparameters are what a study asks about; nuisance hyperparameters must be
tuned for each of them, or the comparison is unfair; fixed ones stay, and a conclusion
holds for their values only.

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

import keras_gru
from zoo.language_model.config import SIZES, Config

if TYPE_CHECKING:
    import keras_tuner

SCIENTIFIC = ("variant", "units", "layers")
NUISANCE = ("learning_rate", "dropout", "batch_size")


def search_space(hp: keras_tuner.HyperParameters, size: str = "small") -> Config:
    """Draw a configuration.

    Args:
        hp: a `keras_tuner.HyperParameters`; its values are taken, or its defaults,
            which are those of `size`.
        size: a name in `SIZES`; all that is not drawn is fixed to its values.

    Returns:
        The configuration; `vocabulary_size` is still to be set by the data.
    """
    fixed = SIZES[size]
    scientific = {
        "variant": hp.Choice(
            "variant", sorted(keras_gru.VARIANTS), default=fixed.variant
        ),
        "units": hp.Int("units", 64, 1024, step=16, default=fixed.units),
        "layers": hp.Int("layers", 1, 4, default=fixed.layers),
    }
    nuisance = {
        "learning_rate": hp.Float(
            "learning_rate", 3e-4, 3e-2, sampling="log", default=fixed.learning_rate
        ),
        "dropout": hp.Float("dropout", 0.0, 0.6, default=_rate(fixed)),
        "batch_size": hp.Choice(
            "batch_size", [16, 32, 64, 128], default=fixed.batch_size
        ),
    }
    return replace(fixed, **scientific, **nuisance)


def _rate(config: Config) -> float:
    """One rate for all places: the mean of a configuration's."""
    return sum(config.dropouts) / len(config.dropouts)
