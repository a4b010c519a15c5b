"""Examples to train on: waveforms perturbed, strings made of them, SpecAugment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.speech.config import SAMPLE_RATE, Config
from zoo.speech.recordings import Recording

# What stands around and between the digits of a string, in seconds.
BEFORE = (0.05, 0.3)
BETWEEN = (0.03, 0.4)
BEHIND = (0.1, 0.3)
# Speech against the noise that is added to it, in decibels.
SNR = (15.0, 40.0)
ONE_SPEAKER = 0.5  # the part of the strings that one speaker says
LENGTHS = (3, 7)  # digits of a string
LONGEST_STRING = LENGTHS[1]


@dataclass(frozen=True)
class Spoken:
    """What an example is made of.

    Attributes:
        samples: (samples,) at `SAMPLE_RATE`, float32.
        digits: what is said in it.
        speakers: who says it, one a digit.
    """

    samples: np.ndarray
    digits: tuple[int, ...]
    speakers: tuple[str, ...]


def example(
    recording: Recording,
    recordings: Sequence[Recording],
    longest: int,
    config: Config,
    rng: np.random.Generator,
) -> Spoken:
    """What is trained on: a digit, a string of up to `longest` digits, silence."""
    if config.task == "digits":
        samples = perturbed(recording.samples, config, rng)
        # FSDD's recordings are cut where the digit begins and ends; others are not.
        room = (rng.uniform(0, 0.1, 2) * SAMPLE_RATE).astype(int)
        samples = np.pad(samples, tuple(room))
        samples = noisy(samples, rng.uniform(*SNR), rng)
        return Spoken(samples, (recording.digit,), (recording.speaker,))
    chosen = draw(recordings, (1, longest), rng)
    if rng.random() < config.silent:
        return silence(joined(chosen, rng).samples, rng)
    return joined(chosen, rng, config)


def perturbed(
    samples: np.ndarray, config: Config, rng: np.random.Generator
) -> np.ndarray:
    """A recording played faster or slower, louder or quieter."""
    rate = 1.0 + rng.uniform(-config.speed, config.speed)
    places = np.arange(0.0, len(samples) - 1, rate)
    played = np.interp(places, np.arange(len(samples)), samples)
    return (played * decibels(rng.uniform(-config.gain, config.gain))).astype(
        np.float32
    )


def noisy(samples: np.ndarray, snr: float, rng: np.random.Generator) -> np.ndarray:
    """Add white noise, `snr` decibels below the samples' own mean power."""
    noise = rng.standard_normal(len(samples), dtype=np.float32)
    level = np.sqrt(np.mean(samples**2)) * decibels(-snr)
    result: np.ndarray = samples + noise * np.float32(level)
    return result


def silence(speech: np.ndarray, rng: np.random.Generator) -> Spoken:
    """Part of a waveform's time, with the noise that it could have and no speech."""
    samples = noisy(speech, rng.uniform(*SNR), rng) - speech
    return Spoken(samples[: int(rng.uniform(0.2, 1.0) * len(samples))], (), ())


def draw(
    recordings: Sequence[Recording],
    lengths: tuple[int, int],
    rng: np.random.Generator,
) -> list[Recording]:
    """Choose the recordings of one string: by one speaker, or each by anyone."""
    count = int(rng.integers(lengths[0], lengths[1] + 1))
    if rng.random() < ONE_SPEAKER:
        speaker = recordings[int(rng.integers(len(recordings)))].speaker
        recordings = [one for one in recordings if one.speaker == speaker]
    return [recordings[int(rng.integers(len(recordings)))] for _ in range(count)]


def joined(
    chosen: Sequence[Recording],
    rng: np.random.Generator,
    config: Config | None = None,
) -> Spoken:
    """Join recordings with pauses of random length, and add noise to the whole.

    Args:
        chosen: one recording a digit.
        rng: draws pauses, noise, and what `config` asks for.
        config: how each recording is perturbed first; None: not at all.
    """
    parts = [_pause(BEFORE, rng)]
    for index, recording in enumerate(chosen):
        if index:
            parts.append(_pause(BETWEEN, rng))
        samples = recording.samples
        parts.append(perturbed(samples, config, rng) if config else samples)
    parts.append(_pause(BEHIND, rng))
    return Spoken(
        noisy(np.concatenate(parts), rng.uniform(*SNR), rng),
        tuple(recording.digit for recording in chosen),
        tuple(recording.speaker for recording in chosen),
    )


def spec_augment(
    frames: np.ndarray, config: Config, rng: np.random.Generator
) -> np.ndarray:
    """Set random bands and spans of time of normalised frames to zero, their mean.

    No span is longer than a tenth of the frames.

    Source: Park et al. 2019, arXiv 1904.08779, without the warping of time.
    """
    frames = frames.copy()  # (frames, mels)
    for _ in range(config.frequency_masks):
        width = rng.integers(config.frequency_width + 1)
        start = rng.integers(frames.shape[1] - width + 1)
        frames[:, start : start + width] = 0.0
    for _ in range(config.time_masks):
        width = rng.integers(min(config.time_width, len(frames) // 10) + 1)
        start = rng.integers(len(frames) - width + 1)
        frames[start : start + width] = 0.0
    return frames


def decibels(value: float) -> float:
    """Decibels as a factor of the amplitude."""
    return float(10.0 ** (value / 20.0))


def _pause(seconds: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    return np.zeros(int(rng.uniform(*seconds) * SAMPLE_RATE), np.float32)
