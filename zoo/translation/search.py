"""What a sweep varies, by the role of each hyperparameter.

The headings are those of the Deep Learning Tuning Playbook: scientific ones are what a
sweep asks about, nuisance ones are tuned so that the comparison is fair, fixed ones
are the same in every trial.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zoo.translation.config import SIZES, Config


def search_space(hp: Any) -> Config:
    """One trial's configuration, from a `keras_tuner.HyperParameters`."""
    return replace(
        SIZES["base"],
        # Scientific: does the convention matter, and how deep should the decoder be?
        variant=hp.Choice(
            "variant", ["keras", "cho2014", "chung2014", "replace_after"]
        ),
        decoder_layers=hp.Choice("decoder_layers", [1, 2]),
        # Nuisance: each of the above may want another of these.
        learning_rate=hp.Float("learning_rate", 5e-4, 5e-3, sampling="log"),
        dropout=hp.Float("dropout", 0.1, 0.5),
        word_dropout=hp.Float("word_dropout", 0.0, 0.2),
        label_smoothing=hp.Float("label_smoothing", 0.0, 0.2),
        # Fixed: sizes, batches, schedule and clipping are those of "base".
    )
