"""The Triton kernel: its programs and how they are launched, torch on CUDA.

Here stands what can be known of it where Triton is not installed.
"""

from __future__ import annotations

import os

COLUMNS = 16
"""Units of one program at most, where several share them."""


def interpreted() -> bool:
    """Whether Triton interprets its programs, on any device: slow, for tests."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "yes", "on")
