"""Ten spoken words from a formant synthesiser: a dataset that needs no file.

The source-filter model of speech: harmonics of a pitch (the voice) and a narrow noise
(what s, t, f hiss), weighted by three resonances of the mouth, the formants, that move
from sound to sound. The vowels' formants are the averages of men in Peterson & Barney,
"Control methods used in a study of the vowels", JASA 24 (1952); the other sounds are
guesses. It is no good speech, but the words differ as spoken ones do: in how the
formants move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.speech.config import DIGITS, SAMPLE_RATE
from zoo.speech.recordings import Recording

TAKES = 20
BANDWIDTHS = (70.0, 100.0, 150.0)  # Hz, of the formants
FORMANT_LEVELS = (1.0, 0.5, 0.25)


@dataclass(frozen=True)
class Sound:
    """One sound of a word.

    Attributes:
        seconds: how long it lasts.
        formants: F1, F2, F3 in Hz.
        voice: loudness of the harmonics.
        hiss: loudness of the noise.
        hiss_centre: of the noise, in Hz.
    """

    seconds: float
    formants: tuple[float, float, float]
    voice: float = 1.0
    hiss: float = 0.0
    hiss_centre: float = 2500.0


@dataclass(frozen=True)
class Voice:
    """A speaker: pitch in Hz, and how high the formants are, how slow the words."""

    name: str
    pitch: float
    formant_scale: float
    pace: float


VOICES = (
    Voice("alto", 210.0, 1.12, 1.0),
    Voice("bass", 85.0, 0.93, 1.1),
    Voice("child", 280.0, 1.20, 0.95),
    Voice("soprano", 245.0, 1.16, 0.9),
    Voice("tenor", 135.0, 1.02, 0.95),
    Voice("uncle", 105.0, 0.97, 1.2),
)

_IY = (270.0, 2290.0, 3010.0)
_IH = (390.0, 1990.0, 2550.0)
_EH = (530.0, 1840.0, 2480.0)
_AA = (730.0, 1090.0, 2440.0)
_AH = (640.0, 1190.0, 2390.0)
_AO = (570.0, 840.0, 2410.0)
_UH = (440.0, 1020.0, 2240.0)
_UW = (300.0, 870.0, 2240.0)
_ER = (490.0, 1350.0, 1690.0)

_W = Sound(0.07, (290.0, 610.0, 2150.0), 0.7)
_R = Sound(0.07, (310.0, 1060.0, 1380.0), 0.7)
_N = Sound(0.10, (250.0, 1450.0, 2300.0), 0.35)
_F = Sound(0.10, (400.0, 1100.0, 2100.0), 0.0, 0.10, 1800.0)
_V = Sound(0.06, (350.0, 1100.0, 2100.0), 0.4, 0.05, 1800.0)
_TH = Sound(0.09, (400.0, 1400.0, 2400.0), 0.0, 0.08, 2600.0)
_S = Sound(0.13, (400.0, 1700.0, 2600.0), 0.0, 0.40, 3500.0)
_Z = Sound(0.09, (300.0, 1700.0, 2600.0), 0.3, 0.25, 3500.0)
_CLOSED = Sound(0.05, (300.0, 1500.0, 2500.0), 0.0)
_T = Sound(0.04, (400.0, 1800.0, 2600.0), 0.0, 0.35, 3000.0)
_K = Sound(0.04, (400.0, 1900.0, 2400.0), 0.0, 0.30, 1900.0)

WORDS: tuple[tuple[Sound, ...], ...] = (
    (_Z, Sound(0.10, _IH), _R, Sound(0.09, _UH), Sound(0.08, _UW)),
    (_W, Sound(0.14, _AH), _N),
    (_T, Sound(0.20, _UW)),
    (_TH, _R, Sound(0.20, _IY)),
    (_F, Sound(0.14, _AO), Sound(0.12, _ER)),
    (_F, Sound(0.13, _AA), Sound(0.10, _IH), _V),
    (_S, Sound(0.10, _IH), _CLOSED, _K, _S),
    (_S, Sound(0.09, _EH), _V, Sound(0.07, _AH), _N),
    (Sound(0.10, _EH), Sound(0.09, _IH), _CLOSED, _T),
    (_N, Sound(0.13, _AA), Sound(0.10, _IH), _N),
)


def recordings(takes: int = TAKES) -> list[Recording]:
    """Every digit by every voice, `takes` times: the same samples in every process."""
    return [
        Recording(digit, voice.name, take, speak(digit, voice, [digit, index, take]))
        for digit in range(DIGITS)
        for index, voice in enumerate(VOICES)
        for take in range(takes)
    ]


def speak(digit: int, voice: Voice, seed: list[int]) -> np.ndarray:
    """One word: (samples,) at `SAMPLE_RATE`, float32 within ±1.

    .. code-block:: text

        x(t) = voice(t) Σ_k A(k f0(t), t) / k sin(2π k ∫f0) + hiss(t) noise(t) + hum
        A(f, t) = Σ_i level_i / (1 + ((f - F_i(t)) / B_i)²)

    Args:
        digit: which word.
        voice: who says it.
        seed: decides pace, pitch, formants, loudness and noise of this take.
    """
    rng = np.random.default_rng(seed)
    word = WORDS[digit]
    seconds = np.array([sound.seconds for sound in word])
    seconds = seconds * voice.pace * rng.uniform(0.85, 1.2, len(word))
    ends = np.cumsum(seconds)
    centres = ends - seconds / 2
    time = np.arange(int(ends[-1] * SAMPLE_RATE)) / SAMPLE_RATE  # (samples,)

    def track(values: list[float]) -> np.ndarray:
        return np.interp(time, centres, values)

    scale = voice.formant_scale * rng.normal(1.0, 0.025, 3)
    formants = [
        track([sound.formants[index] for sound in word]) * scale[index]
        for index in range(3)
    ]
    pitch = voice.pitch * rng.normal(1.0, 0.06)
    fall = np.linspace(1.08, 0.88, len(time))  # the pitch falls, as in a statement
    f0 = pitch * fall * (1.0 + 0.01 * np.sin(2 * np.pi * 5.0 * time))
    harmonics = np.arange(1, int(SAMPLE_RATE / 2 / f0.min()) + 1)[:, None]
    frequencies = harmonics * f0  # (harmonics, samples)
    envelope = sum(
        level / (1.0 + ((frequencies - formant) / width) ** 2)
        for level, formant, width in zip(
            FORMANT_LEVELS, formants, BANDWIDTHS, strict=True
        )
    )
    envelope = np.where(frequencies < SAMPLE_RATE / 2, envelope, 0.0) / harmonics
    phases = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    voiced = (envelope * np.sin(harmonics * phases)).sum(axis=0)
    voiced = voiced / np.abs(voiced).max() * track([sound.voice for sound in word])

    # Slow noise on a carrier: a band around the carrier's frequency.
    knots = np.arange(0, len(time) + 8, 8)
    slow = np.interp(np.arange(len(time)), knots, rng.normal(size=len(knots)))
    carrier = 2 * np.pi * np.cumsum(track([sound.hiss_centre for sound in word]))
    hissed = slow * np.cos(carrier / SAMPLE_RATE)
    hissed = hissed * track([sound.hiss for sound in word])

    edges = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.01)  # no clicks
    samples = (voiced + hissed) * edges
    samples = samples / np.abs(samples).max()
    samples = samples + rng.normal(size=len(samples)) * 10 ** rng.uniform(-3.0, -1.7)
    return (samples * rng.uniform(0.1, 0.6)).astype(np.float32)
