"""The programs of the zoo, by name; each is imported when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zoo.program import Program

# A program is a folder of the zoo with a commands.py.
PROGRAMS = {
    path.parent.name: f"zoo.{path.parent.name}.commands"
    for path in sorted(Path(__file__).parent.glob("*/commands.py"))
}


@dataclass(frozen=True)
class Card:
    """What `python -m zoo list` says of a program.

    Attributes:
        summary: what it does, in a few words.
        sizes: name -> trainable parameters.
        datasets: name -> what it is.
    """

    summary: str
    sizes: Mapping[str, int]
    datasets: Mapping[str, str]


def card(program: str) -> Card:
    """The card of a program. Imports neither Keras nor a backend."""
    found: Card = importlib.import_module(PROGRAMS[program]).CARD
    return found


def command(program: str, action: str) -> click.Command:
    """The command of a program: action is "train", "evaluate" or "predict"."""
    found: click.Command = getattr(importlib.import_module(PROGRAMS[program]), action)
    return found


def program_of(name: str) -> Program[Any, Any, Any]:
    """The program itself: ``PROGRAM`` in its ``train.py``. Imports no Keras."""
    found: Program[Any, Any, Any] = importlib.import_module(f"zoo.{name}.train").PROGRAM
    return found
