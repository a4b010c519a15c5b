"""Short pieces in four voices that need no file, made by a few rules of harmony.

They are not music by anybody: a model that is good here has learnt scales, chords and
cadences of these rules, and no more.
"""

from __future__ import annotations

import numpy as np

from zoo.polyphonic_music.config import KEYS, LOWEST

SEED = 29
PIECES = {"train": 120, "validation": 30, "test": 30}
MAJOR = (0, 2, 4, 5, 7, 9, 11)  # semitones above the tonic
# Degree of a chord -> degrees that may follow, the tonic being 0.
FOLLOWING = {
    0: (0, 1, 3, 4, 5),
    1: (4, 4, 6),
    3: (0, 1, 4, 4),
    4: (0, 0, 4, 5),
    5: (1, 3, 4),
    6: (0,),
}
# MIDI numbers of bass, tenor, alto, soprano: lowest, highest.
VOICES = ((40, 60), (48, 67), (55, 74), (62, 81))
PHRASE = 8  # steps; each ends with dominant and tonic


def parts() -> dict[str, list[np.ndarray]]:
    """Pieces (time, 88) by part, the same on every machine."""
    rng = np.random.default_rng(SEED)
    return {part: [_piece(rng) for _ in range(count)] for part, count in PIECES.items()}


def _piece(rng: np.random.Generator) -> np.ndarray:
    """Three to six phrases in a major key.

    .. code-block:: text

        chord     follows the one before by `FOLLOWING`, and may last two steps
        bass      the chord's root, the nearest one
        others    the nearest key of the chord, or at times the second nearest
    """
    tonic = int(rng.integers(-4, 5))
    steps = PHRASE * int(rng.integers(3, 7))
    sung = [int(rng.integers(low + 5, high - 4)) for low, high in VOICES]
    roll = np.zeros((steps, KEYS), np.uint8)
    degree, lasts = 0, 1
    for step in range(steps):
        place = step % PHRASE
        if place in (PHRASE - 2, PHRASE - 1):
            degree, lasts = (4, 1) if place == PHRASE - 2 else (0, 1)
        elif lasts > 1:
            lasts -= 1
        elif step:
            degree, lasts = int(rng.choice(FOLLOWING[degree])), int(rng.integers(1, 3))
        chord = [(MAJOR[(degree + third) % 7] + tonic) % 12 for third in (0, 2, 4)]
        for voice, (low, high) in enumerate(VOICES):
            wanted = chord[:1] if voice == 0 else chord
            keys = [key for key in range(low, high + 1) if key % 12 in wanted]
            near = sorted((abs(key - sung[voice]), key) for key in keys)
            second = voice > 0 and rng.random() < 0.2
            sung[voice] = near[int(second)][1]
            roll[step, sung[voice] - LOWEST] = 1
    return roll
