"""What a sweep of the language model searches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.language_model.config import SIZES, Config

if TYPE_CHECKING:
    import keras_tuner


def search_space(hp: keras_tuner.HyperParameters) -> Config:
    """A configuration of the size of "tiny", with the values of `hp`."""
    return replace(
        SIZES["tiny"],
        # Scientific: what the sweep is to tell.
        variant=hp.Choice(
            "variant", ["keras", "cho2014", "chung2014", "replace_after"]
        ),
        units=hp.Int("units", 64, 320, step=64, default=192),
        layers=hp.Int("layers", 1, 2),
        # Nuisance: must be chosen well for a fair comparison of the above.
        learning_rate=hp.Float(
            "learning_rate", 1e-3, 2e-2, sampling="log", default=5e-3
        ),
        dropout=hp.Choice("dropout", [0.0, 0.05, 0.1, 0.2], default=0.05),
        batch_size=hp.Choice("batch_size", [16, 32, 64], default=32),
        # Fixed: the rest as in "tiny"; two validations are enough to compare.
        validations=2,
    )
