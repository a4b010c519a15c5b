"""What a sweep may change, by why one would change it.

The headings are those of Google's Deep Learning Tuning Playbook: a scientific
hyperparameter is what one wants to know about; a nuisance one must be tuned for each of
its values, for the comparison to be fair; a fixed one stays, and limits what is found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.speech.config import SIZES, Config

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


def search_space(hp: HyperParameters) -> Config:
    """Draw a configuration of the recogniser, of either task.

    Args:
        hp: of a keras_tuner tuner.
    """
    base = SIZES["small"]
    scientific = {
        "variant": hp.Choice("variant", ["keras", "cho2014", "chung2014"]),
        "stack": hp.Choice("stack", [2, 3, 4]),
        "layers": hp.Int("layers", 1, 3),
    }
    nuisance = {
        "learning_rate": hp.Float("learning_rate", 1e-3, 1e-2, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.4, step=0.1),
        "speed": hp.Float("speed", 0.0, 0.2, step=0.05),
        "frequency_width": hp.Int("frequency_width", 0, 12, step=4),
        "time_width": hp.Int("time_width", 0, 12, step=4),
    }
    fixed = {
        "units": base.units,
        "batch_size": base.batch_size,
        "epochs": base.epochs,
        "weight_decay": base.weight_decay,
    }
    return replace(base, **scientific, **nuisance, **fixed)
