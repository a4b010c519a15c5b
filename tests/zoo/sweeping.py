"""One trial of a sweep, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras_tuner

from keras_gru.tuning.records import EPOCHS, SEED
from keras_gru.tuning.trials import Trial
from zoo.backend import chosen
from zoo.old_sweep_model import ProgramModel, program_of, settings_of


def figures_of_a_trial(
    program: str, config: Any, folder: Path, dataset: str, *options: str
) -> dict[str, float]:
    """Train a configuration for an epoch as a sweep does."""
    settings = settings_of(program_of(program), dataset, chosen(), options)
    model = ProgramModel(program, settings)
    model.trial = Trial("0003", 7, folder)
    hp = keras_tuner.HyperParameters()
    hp.values = {SEED: 7, EPOCHS: 1}
    return model.fit(hp, config, epochs=1)
