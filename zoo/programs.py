"""The programs of the zoo, by name. Importing it imports no Keras."""

from __future__ import annotations

import importlib
from types import ModuleType

from zoo import forecasting, language_model, polyphonic_music, speech, translation
from zoo.config import Program

PROGRAMS: dict[str, Program] = {
    "language_model": language_model.PROGRAM,
    "translation": translation.PROGRAM,
    "speech": speech.PROGRAM,
    "forecasting": forecasting.PROGRAM,
    "polyphonic_music": polyphonic_music.PROGRAM,
}


def module(program: str, name: str) -> ModuleType:
    """A module of a program that imports Keras, once its backend is chosen."""
    return importlib.import_module(f"zoo.{program}.{name}")
