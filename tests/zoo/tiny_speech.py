"""`python -m zoo` with few recordings and a "tiny" for speech that is smaller still."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from zoo.__main__ import main
from zoo.speech import batches, synthetic
from zoo.speech.config import SIZES, Config

TASKS = ("digits", "strings")

TINY = Config(
    mels=12, units=10, layers=1, batch_size=4, epochs=2, pad_to=256, validations=2
)


def shrink(set_attribute: Callable[[Any, str, Any], None]) -> None:
    """Fewer recordings and strings."""
    found = synthetic.recordings(takes=8)
    set_attribute(synthetic, "recordings", lambda: found)
    set_attribute(batches, "TEST_STRINGS", 12)
    set_attribute(batches, "VALIDATION_STRINGS", 6)
    set_attribute(batches, "STATISTICS_EXAMPLES", 20)


if __name__ == "__main__":
    SIZES["tiny"] = TINY
    shrink(setattr)
    sys.exit(main())
