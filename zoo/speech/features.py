"""Waveform -> log-mel features; the same whether audio comes whole or in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import fft, sparse

from zoo.errors import ZooError
from zoo.speech.config import SAMPLE_RATE, Config

WINDOW = 200  # samples: 25 ms
HOP = 80  # samples: 10 ms
HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)  # periodic
FFT_LENGTH = 256
LOWEST, HIGHEST = 60.0, 3_800.0  # Hz: without hum and without the edge of the band
# Below this power is silence, white noise of about -73 dB of full scale: so digital
# silence looks like the quietest recorder's.
FLOOR = 1e-5


@lru_cache
def mel_matrix(mels: int) -> sparse.csr_array:
    """Triangles of equal width in mel = 2595 log10(1 + f / 700): (mels, bins), float32.

    Sparse, for a bin is in two triangles at most; and its products add in one order,
    whatever the number of frames.

    Source: the HTK book, version 3.4, section 5.4; as `keras.layers.MelSpectrogram`.
    """
    bins = np.linspace(0.0, SAMPLE_RATE / 2, FFT_LENGTH // 2 + 1)
    edges = np.linspace(_mel(LOWEST), _mel(HIGHEST), mels + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    mel = _mel(bins)[:, None]  # (bins, 1)
    rising = (mel - left) / (centre - left)
    falling = (right - mel) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return sparse.csr_array(triangles.T.astype(np.float32))


def log_mel(samples: np.ndarray, mels: int) -> np.ndarray:
    """Log power in mel bands of every whole window: (samples,) -> (frames, mels).

    .. code-block:: text

        frame_i = hann ⊙ samples[i HOP : i HOP + WINDOW]
        y_i = log(max(|rfft(frame_i)|² M, FLOOR))

    Frame i needs no sample behind its own window, and nothing is padded.
    """
    if len(samples) < WINDOW:
        return np.zeros((0, mels), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    spectrum = fft.rfft(windows * HANN, FFT_LENGTH)  # (frames, bins)
    power = spectrum.real**2 + spectrum.imag**2
    bands = (mel_matrix(mels) @ power.T).T  # (frames, mels)
    logarithm: np.ndarray = np.log(np.maximum(bands, np.float32(FLOOR)))
    return logarithm


@dataclass(frozen=True)
class Features:
    """What the model sees of a waveform.

    The normalisation is global: one of the recording's own could not be known before
    the recording ends.

    Attributes:
        mels: bands.
        stack: frames side by side in one step; a step is `stack` × 10 ms.
        mean, std: of each band over the training data, (mels,).
    """

    mels: int
    stack: int
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of_run(cls, config: Config, extras: Mapping[str, Sequence[float]]) -> Features:
        """The features of a run or preset, out of what `extras` gave."""
        try:
            mean, std = (np.array(extras[name], np.float32) for name in ("mean", "std"))
        except (KeyError, TypeError, ValueError) as error:
            raise ZooError(f"mean and std of the features: {error!r}") from error
        right = mean.shape == std.shape == (config.mels,)
        if not (right and np.isfinite(mean).all() and (std > 0).all()):
            raise ZooError(
                f"mean and std of the features have shapes {mean.shape}, {std.shape}; "
                f"expected ({config.mels},), finite numbers, std above 0"
            )
        return cls(config.mels, config.stack, mean, std)

    def extras(self) -> dict[str, list[float]]:
        """The statistics, as JSON."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @property
    def width(self) -> int:
        return self.mels * self.stack

    @property
    def shortest(self) -> int:
        """Samples of one step."""
        return WINDOW + (self.stack - 1) * HOP

    def frames(self, samples: np.ndarray) -> np.ndarray:
        """Normalised frames (frames, mels), before they are stacked.

        A waveform too short for one step is closed with zeros.
        """
        missing = self.shortest - len(samples)
        if missing > 0:
            samples = np.pad(samples, (0, missing))
        return self.normalised(log_mel(samples.astype(np.float32), self.mels))

    def normalised(self, frames: np.ndarray) -> np.ndarray:
        result: np.ndarray = (frames - self.mean) / self.std
        return result.astype(np.float32)

    def stacked(self, frames: np.ndarray) -> np.ndarray:
        """Frames (frames, mels) -> steps (frames // stack, width), a rest dropped."""
        steps = len(frames) // self.stack
        return frames[: steps * self.stack].reshape(steps, self.width)

    def of(self, samples: np.ndarray) -> np.ndarray:
        """A waveform (samples,) as the model sees it: (time, width), float32."""
        return self.stacked(self.frames(samples))


@dataclass
class FeatureStream:
    """The same features from audio that comes in pieces of any length.

    Example:
        >>> features = Features(8, 2, np.zeros(8), np.ones(8))
        >>> stream = FeatureStream(features)
        >>> [len(stream.push(np.zeros(160))) for _ in range(4)]
        [0, 1, 1, 1]
    """

    features: Features
    _samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    _frames: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples (samples,); return the steps now whole (time, width)."""
        self._samples = np.concatenate([self._samples, samples.astype(np.float32)])
        frames = log_mel(self._samples, self.features.mels)
        self._samples = self._samples[len(frames) * HOP :]
        frames = self.features.normalised(frames)
        if len(self._frames):
            frames = np.concatenate([self._frames, frames])
        steps = self.features.stacked(frames)
        self._frames = frames[len(steps) * self.features.stack :]
        return steps


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)
