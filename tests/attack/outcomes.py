"""One case of each kind of attack: (random numbers, a folder) -> what came of it.

A case ends with one of three allowed outcomes: SAME, the result of an undisturbed run;
REFUSED, one line of the project's own error; REPAIRED, a repair that is told. It raises
`Different` where the result is another one without a word; whatever else it raises is
a traceback that a user would have seen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

SAME, REFUSED, REPAIRED = "same", "refused", "repaired"

Case = Callable[[np.random.Generator, Path], str]


class Different(Exception):
    """The result is another one, and nothing was said."""
