"""Audio files of any rate and format as waveforms; features from a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

from zoo.errors import ZooError, one_line
from zoo.speech.config import SAMPLE_RATE
from zoo.speech.features import Features

RATES = (1_000, 192_000)  # Hz
LONGEST = 3_600  # seconds


def read(path: Path) -> np.ndarray:
    """Read what soundfile can (WAV, FLAC, OGG, MP3, …): (samples,) at `SAMPLE_RATE`.

    Channels are averaged; another rate is converted by a polyphase filter.
    """
    try:
        told = soundfile.info(path)
        if not RATES[0] <= told.samplerate <= RATES[1] or told.duration > LONGEST:
            raise ZooError(
                f"{path} claims {told.samplerate} Hz and {told.duration:,.0f} s; "
                f"expected {RATES[0]} to {RATES[1]} Hz, at most {LONGEST} s"
            )
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, MemoryError, soundfile.LibsndfileError) as error:
        raise ZooError(f"{path} is not audio that can be read: {error}") from error
    if len(samples) == 0:
        raise ZooError(f"{path} has no samples; expected a recording")
    _require_finite(str(path), samples)
    return resampled(samples.mean(axis=1), rate)


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """Convert (samples,) from `rate` Hz to `SAMPLE_RATE`."""
    common = math.gcd(rate, SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        up, down = SAMPLE_RATE // common, rate // common
        samples = signal.resample_poly(samples, up, down)
    return np.asarray(samples, np.float32)


def read_array(path: Path) -> np.ndarray:
    """Read an array from a .npy file."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    # The header is read as Python's own literals, with whatever errors those have.
    except Exception as error:
        raise ZooError(
            f"{path} is not an array that can be read: {one_line(error)}"
        ) from error


def checked_samples(samples: np.ndarray, name: str) -> np.ndarray:
    """A waveform (samples,) as it is given, or an error."""
    if samples.ndim != 1 or samples.dtype.kind != "f" or len(samples) == 0:
        raise ZooError(
            f"{name} holds {samples.dtype} {samples.shape}; expected a waveform, float "
            f"(samples,) at {SAMPLE_RATE} Hz, or log-mel frames, float (frames, mels)"
        )
    _require_finite(name, samples)
    return np.asarray(samples, np.float32)


def checked_frames(frames: np.ndarray, name: str, features: Features) -> np.ndarray:
    """Log-mel frames (frames, mels), as `features.log_mel` makes them, or an error."""
    if (
        frames.dtype.kind != "f"
        or frames.shape[1] != features.mels
        or len(frames) < features.stack
    ):
        raise ZooError(
            f"{name} holds {frames.dtype} {frames.shape}; expected log-mel frames, "
            f"float (frames, {features.mels}), at least {features.stack} of them"
        )
    _require_finite(name, frames)
    return frames


def _require_finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ZooError(f"{name} holds NaN or infinity; expected finite numbers")
