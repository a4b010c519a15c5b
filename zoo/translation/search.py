"""What to search for a translation model, in the terms of the tuning playbook.

Scientific hyperparameters are what a study asks about; nuisance hyperparameters must be
tuned for each of them, or the comparison is unfair; fixed ones stay, and a conclusion
holds for their values only.

Example:
    >>> import keras_tuner
    >>> search_space(keras_tuner.HyperParameters(), "small").variant
    'keras'
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.sweeps import spaces
from zoo.translation.config import SIZES, Config

if TYPE_CHECKING:
    import keras_tuner

SCIENTIFIC = ("variant", "decoder_layers", "decoder_units")
NUISANCE = (
    *("learning_rate", "batch_tokens", "dropout", "recurrent_dropout"),
    *("word_dropout", "label_smoothing"),
)


def search_space(hp: keras_tuner.HyperParameters, size: str = "small") -> Config:
    """Draw a configuration."""
    fixed = SIZES[size]
    scientific = {
        "variant": spaces.variant(hp, fixed.variant),
        "decoder_layers": hp.Choice(
            "decoder_layers", [1, 2], default=fixed.decoder_layers
        ),
        "decoder_units": spaces.halved_or_doubled(
            hp, "decoder_units", fixed.decoder_units
        ),
    }
    nuisance = {
        "learning_rate": hp.Float(
            "learning_rate", 5e-4, 1e-2, sampling="log", default=fixed.learning_rate
        ),
        "batch_tokens": spaces.halved_or_doubled(
            hp, "batch_tokens", fixed.batch_tokens
        ),
        "recurrent_dropout": spaces.recurrent_dropout(hp, fixed.recurrent_dropout),
        "dropout": hp.Float("dropout", 0.0, 0.5, default=fixed.dropout),
        "word_dropout": hp.Float("word_dropout", 0.0, 0.2, default=fixed.word_dropout),
        "label_smoothing": hp.Float(
            "label_smoothing", 0.0, 0.2, default=fixed.label_smoothing
        ),
    }
    return replace(fixed, **scientific, **nuisance)
