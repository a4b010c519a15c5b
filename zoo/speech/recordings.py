"""`Recording`: one spoken digit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Recording:
    """One spoken digit.

    Attributes:
        digit: 0 to 9.
        speaker: a name.
        take: how many times the speaker had said the digit before.
        samples: (samples,) at `SAMPLE_RATE`, float32 within ±1.
    """

    digit: int
    speaker: str
    take: int
    samples: np.ndarray


def digest(recordings: Iterable[Recording]) -> str:
    """SHA-256 over what is spoken by whom and all samples, in hexadecimal."""
    sha256 = hashlib.sha256()
    for recording in recordings:
        name = f"{recording.digit} {recording.speaker} {recording.take}\n"
        sha256.update(name.encode())
        sha256.update(np.ascontiguousarray(recording.samples).tobytes())
    return sha256.hexdigest()
