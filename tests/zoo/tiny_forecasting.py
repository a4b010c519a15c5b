"""`python -m zoo` with a "tiny" for forecasting that is smaller still."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from zoo.__main__ import main
from zoo.forecasting import synthetic
from zoo.forecasting.config import SIZES, Config

TINY = Config(
    look_back=24,
    horizon=10,
    segment=6,
    units=6,
    dropout=0.2,
    batch_size=16,
    epochs=2,
    learning_rate=0.01,
    validations=2,
)
ROWS = 260


def shrink(set_attribute: Callable[[Any, str, Any], None]) -> None:
    """Fewer hours."""
    found = synthetic.table(ROWS)
    set_attribute(synthetic, "table", lambda: found)


if __name__ == "__main__":
    SIZES["tiny"] = TINY
    shrink(setattr)
    sys.exit(main())
