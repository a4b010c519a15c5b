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

if TYPE_CHECKING:
    import keras_tuner

SCIENTIFIC = ("variant", "stack", "units", "layers")
NUISANCE = (
    *("learning_rate", "batch_size", "dropout", "recurrent_dropout"),
    *("speed", "frequency_width", "time_width"),
)
# A rate above 0 costs time: the faster kernels do not have it.
RECURRENT_DROPOUTS = (0.0, 0.2)


def search_space(hp: keras_tuner.HyperParameters, size: str = "small") -> Config:
    """Draw a configuration, for either task.

    Args:
        hp: a `keras_tuner.HyperParameters`; its values are taken, or its defaults,
            which are those of `size`.
        size: a name in `SIZES`; all that is not drawn is fixed to its values.
    """
    fixed = SIZES[size]
    return replace(
        fixed,
        # Scientific: the other names of keras_gru.VARIANTS are synonyms of these.
        variant=hp.Choice(
            "variant",
            ["keras", "cho2014", "chung2014", "replace_after"],
            default=fixed.variant,
        ),
        stack=hp.Choice("stack", [2, 3, 4], default=fixed.stack),
        units=hp.Choice(
            "units",
            [fixed.units // 2, fixed.units, fixed.units * 2],
            default=fixed.units,
        ),
        layers=hp.Int("layers", 1, fixed.layers + 1, default=fixed.layers),
        # Nuisance.
        learning_rate=hp.Float(
            "learning_rate", 1e-3, 2e-2, sampling="log", default=fixed.learning_rate
        ),
        batch_size=hp.Choice(
            "batch_size",
            [fixed.batch_size // 2, fixed.batch_size, fixed.batch_size * 2],
            default=fixed.batch_size,
        ),
        recurrent_dropout=hp.Choice(
            "recurrent_dropout",
            list(RECURRENT_DROPOUTS),
            default=fixed.recurrent_dropout,
        ),
        dropout=hp.Float("dropout", 0.0, 0.4, step=0.05, default=fixed.dropout),
        speed=hp.Float("speed", 0.0, 0.2, step=0.04, default=fixed.speed),
        frequency_width=hp.Int(
            "frequency_width", 0, 16, step=4, default=fixed.frequency_width
        ),
        time_width=hp.Int("time_width", 0, 16, step=4, default=fixed.time_width),
    )
