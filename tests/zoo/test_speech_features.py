"""Log-mel features: against SciPy and Keras, and the same whole or in pieces."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy import signal

from zoo.speech.config import SAMPLE_RATE
from zoo.speech.features import (
    FFT_LENGTH,
    FLOOR,
    HIGHEST,
    HOP,
    LOWEST,
    WINDOW,
    Features,
    FeatureStream,
    log_mel,
    mel_matrix,
)

pytestmark = pytest.mark.once

MELS = 40


def _noise(samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=samples) * 0.1).astype(np.float32)


def _features(stack: int) -> Features:
    rng = np.random.default_rng(5)
    mean = rng.normal(size=MELS).astype(np.float32)
    std = rng.uniform(0.5, 3.0, MELS).astype(np.float32)
    return Features(MELS, stack, mean, std)


def test_log_mel_is_scipys_power_in_kerass_bands() -> None:
    samples = _noise(1237)
    window = signal.get_window("hann", WINDOW)
    _, _, transformed = signal.stft(
        samples.astype(np.float64),
        window=window,
        nperseg=WINDOW,
        noverlap=WINDOW - HOP,
        nfft=FFT_LENGTH,
        boundary=None,
        padded=False,
        scaling="spectrum",
    )  # (bins, frames), divided by the window's sum
    power = np.abs(transformed.T * window.sum()) ** 2
    bands = keras.layers.MelSpectrogram().linear_to_mel_weight_matrix(
        num_mel_bins=MELS,
        num_spectrogram_bins=FFT_LENGTH // 2 + 1,
        sampling_rate=SAMPLE_RATE,
        lower_edge_hertz=LOWEST,
        upper_edge_hertz=HIGHEST,
    )  # (bins, mels)
    bands = keras.ops.convert_to_numpy(bands).astype(np.float64)
    expected = np.log(np.maximum(power @ bands, FLOOR))
    found = log_mel(samples, MELS)
    assert found.dtype == np.float32
    assert found.shape == (1 + (1237 - WINDOW) // HOP, MELS) == (13, 40)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_every_band_hears_something() -> None:
    assert (mel_matrix(MELS).sum(axis=1) > 0).all()


def test_a_frame_needs_nothing_behind_its_window() -> None:
    samples = _noise(WINDOW + 3 * HOP)
    whole = log_mel(samples, MELS)
    first = log_mel(samples[: WINDOW + HOP], MELS)
    np.testing.assert_allclose(whole[:2], first, atol=1e-5)
    changed = samples.copy()
    changed[WINDOW + HOP :] = 0.5
    np.testing.assert_allclose(log_mel(changed, MELS)[:2], first, atol=1e-5)


def test_silence_is_the_floor() -> None:
    silence = log_mel(np.zeros(1000, np.float32), MELS)
    np.testing.assert_allclose(silence, np.log(FLOOR), rtol=1e-6)


def test_too_short_a_waveform_is_closed_with_zeros() -> None:
    features = _features(stack=3)
    assert features.of(_noise(5)).shape == (1, 3 * MELS)
    padded = np.pad(_noise(5), (0, features.shortest - 5))
    np.testing.assert_array_equal(features.of(_noise(5)), features.of(padded))


@pytest.mark.parametrize("stack", [1, 2, 3])
@pytest.mark.parametrize("piece", [1, 79, 160, 333, 5000])
def test_pieces_give_the_features_of_the_whole(stack: int, piece: int) -> None:
    samples = _noise(2003)
    features = _features(stack)
    stream = FeatureStream(features)
    steps = [
        stream.push(samples[start : start + piece])
        for start in range(0, len(samples), piece)
    ]
    np.testing.assert_allclose(
        np.concatenate(steps), features.of(samples), atol=1e-5, rtol=1e-5
    )


def test_twenty_milliseconds_are_one_step_of_two_frames() -> None:
    stream = FeatureStream(_features(stack=2))
    lengths = [len(stream.push(_noise(160, seed))) for seed in range(6)]
    assert lengths == [0, 1, 1, 1, 1, 1]


def test_stacking_drops_what_is_no_whole_step() -> None:
    features = _features(stack=2)
    frames = np.arange(7 * MELS, dtype=np.float32).reshape(7, MELS)
    steps = features.stacked(frames)
    assert steps.shape == (3, 2 * MELS)
    np.testing.assert_array_equal(steps[1], frames[2:4].ravel())
