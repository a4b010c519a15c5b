"""What a user types or gives to `predict`."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile

from tests.attack import saved
from tests.attack.outcomes import REFUSED, SAME, Different
from zoo.errors import ZooError
from zoo.language_model.sampling import Sampling
from zoo.language_model.use import LanguageModel
from zoo.speech import audio
from zoo.speech.use import Recogniser
from zoo.translation.use import Translator


def prompts(rng: np.random.Generator, folder: Path) -> str:
    """Random text and settings into `predict language_model`."""
    writer = LanguageModel.from_preset(saved.trained())
    letters = "the catsonm; " if rng.integers(4) else "the cat\0\ud7ff\U0001f600ß"
    prompt = "".join(rng.choice(list(letters), int(rng.integers(0, 300))))
    wild = rng.integers(3) == 0  # settings out of their ranges
    temperatures = [-1.0, np.nan, np.inf] if wild else [0.0, 1e-300, 0.8, 1e300]
    try:
        how = Sampling(
            length=int(rng.integers(-1 if wild else 1, 20)),
            temperature=float(rng.choice(temperatures)),
            top_k=None if rng.integers(2) else int(rng.integers(0 if wild else 1, 50)),
            top_p=None if rng.integers(2) else float(rng.uniform(0.1, 1 + wild)),
        )
        text = "".join(writer.stream(prompt, how))
    except ZooError:
        return REFUSED
    if len(text) != how.length:
        raise Different(f"{len(text)} characters, expected {how.length}")
    return SAME


def recordings(rng: np.random.Generator, folder: Path) -> str:
    """Bytes that are nearly audio, or an array."""
    path = folder / str(rng.choice(["a.wav", "a.flac", "a.npy"]))
    samples = rng.normal(0, 0.1, int(rng.integers(1, 4000))).astype("float32")
    if path.suffix == ".npy":
        np.save(path, samples)
    else:
        soundfile.write(path, samples, int(rng.choice([8000, 16000, 44100, 7919])))
    content = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 20))):
        content[int(rng.integers(min(len(content), 100)))] = int(rng.integers(256))
    path.write_bytes(content)
    read = audio.read_array if path.suffix == ".npy" else audio.read
    try:
        read(path)
    except ZooError:
        return REFUSED
    return SAME  # audio of another content is audio


@functools.cache
def _recogniser() -> Recogniser:
    return Recogniser.from_preset("fsdd-digits")


def sounds(rng: np.random.Generator, folder: Path) -> str:
    """Waveforms and frames of any kind into `predict speech`."""
    shape = [(int(rng.integers(0, 20_000)),), (int(rng.integers(0, 90)), 40), (3, 2)]
    scale = rng.choice([0.0, 0.1, 1.0, 1e30])
    sound = rng.normal(0.0, scale, shape[rng.integers(3)])
    if rng.integers(3) == 0 and sound.size:
        sound.flat[0] = rng.choice([np.nan, np.inf])
    try:
        (found,) = _recogniser().predict([sound.astype(rng.choice(["f4", "f8", "i2"]))])
    except ZooError:
        return REFUSED
    if not set(found.text) <= set("0123456789 "):
        raise Different(found.text)
    return SAME


@functools.cache
def _translator() -> Translator:
    return Translator.from_preset("multi30k-en-de")


def sentences(rng: np.random.Generator, folder: Path) -> str:
    """Text of any kind into `predict translation`."""
    letters = list("a man in the park. " * 3 + "\0\t\u202e\U0001f600ßé漢")
    lines = ["".join(rng.choice(letters, int(rng.integers(0, 60)))) for _ in range(2)]
    try:
        found = _translator().predict(lines)
    except ZooError:
        return REFUSED
    if len(found) != len(lines):
        raise Different(f"{lines}")
    return SAME


def names(rng: np.random.Generator, folder: Path) -> str:
    """Names of presets that lead elsewhere."""
    parts = ["..", ".", "/", "etc", "hf://", "a", "\0", "@", " ", "x" * 300, "~", "%2e"]
    name = "".join(rng.choice(parts, int(rng.integers(0, 5))))
    before = sorted(os.listdir(folder.parent))
    with mock.patch.dict(os.environ, {"HF_HUB_OFFLINE": "1"}):
        try:
            LanguageModel.from_preset(folder / name if rng.integers(2) else name)
        except ZooError:
            return REFUSED
        finally:
            if sorted(os.listdir(folder.parent)) != before:
                raise Different(f"{name!r} wrote elsewhere")
    raise Different(f"{name!r} is a preset")
