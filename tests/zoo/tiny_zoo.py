"""`python -m zoo` with a "tiny" that is smaller still: seconds on every backend."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from tests.zoo.translation_helpers import TINY_TRANSLATION
from zoo import translation
from zoo.__main__ import main
from zoo.language_model import sampling
from zoo.language_model.config import SIZES, Config
from zoo.sweeps.model import ProgramModel

TINY = Config(
    embedding_units=6,
    units=10,
    layers=2,
    dropout=0.3,
    batch_size=3,
    timesteps=7,
    epochs=2,
    learning_rate=0.02,
    weight_decay=0.01,
    validations=4,
    evaluation_streams=3,
    evaluation_warmup=5,
    evaluation_timesteps=11,
)

SAMPLE_LENGTH = 20


class TinyModel(ProgramModel):
    """The language model in a sweep, with a space as small as "tiny" is here.

    For processes that a sweep starts, where nothing is patched.
    """

    def build(self, hp: Any) -> Config:
        return replace(
            TINY,
            variant=hp.Choice("variant", ["keras", "chung2014"]),
            units=hp.Int("units", 8, 16),
        )


if __name__ == "__main__":
    SIZES["tiny"] = TINY
    translation.SIZES["tiny"] = TINY_TRANSLATION
    sampling.SAMPLE_LENGTH = SAMPLE_LENGTH
    sys.exit(main())
