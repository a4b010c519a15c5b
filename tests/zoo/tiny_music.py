"""`python -m zoo` with a "tiny" for polyphonic_music that is smaller still."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from zoo.__main__ import main
from zoo.polyphonic_music import synthetic
from zoo.polyphonic_music.config import SIZES, Config

TINY = Config(
    units=6,
    input_dropout=0.1,
    dropout=0.2,
    timesteps=20,
    transpose=2,
    batch_size=8,
    epochs=2,
    validations=2,
)
PIECES = {"train": 12, "validation": 3, "test": 4}


def shrink(set_attribute: Callable[[Any, str, Any], None]) -> None:
    """Fewer pieces."""
    set_attribute(synthetic, "PIECES", PIECES)


if __name__ == "__main__":
    SIZES["tiny"] = TINY
    shrink(setattr)
    sys.exit(main())
