"""Presets: trained weights in the checkout, each checked before its use.

A preset is a folder:

====================  ==========================================================
``config.json``       settings, configuration, data and figures of its training
``extras.json``       what use needs beside the weights: vocabulary, tokenizer, labels
``model.weights.h5``  the weights in float16, in Keras' own format
``card.md``           for the reader: data, licence, command, figures, machine, time
``hashes.json``       SHA-256 of the first three
====================  ==========================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.presets import hub

FOLDER = Path(__file__).resolve().parent

CONFIG, EXTRAS, WEIGHTS = "config.json", "extras.json", "model.weights.h5"
CARD, HASHES = "card.md", "hashes.json"
FILES = (CONFIG, EXTRAS, WEIGHTS)


@dataclass(frozen=True)
class About:
    """What `python -m zoo list` says of a preset; nothing of it is checked.

    Attributes:
        name: its folder's name.
        program: whose it is.
        parameters: of its model.
        metric: the program's headline figure: name and value.
        split: what the figure was measured on.
        licence: of the data.
        megabytes: of its files.
    """

    name: str
    program: str
    parameters: int
    metric: tuple[str, float]
    split: str
    licence: str
    megabytes: float


def names() -> list[str]:
    """The presets of the checkout."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CONFIG}"))


def about(name: str) -> About:
    """Describe a preset without Keras and without its weights.

    Raises:
        ZooError: its ``config.json`` is damaged.
    """
    folder = FOLDER / name
    content = _read_json(folder / CONFIG)
    try:
        metric = str(content["headline"])
        figures = content["figures"]
        return About(
            name=name,
            program=str(content["program"]),
            parameters=int(content["parameters"]),
            metric=(metric, float(figures[metric])),
            split=f"{figures['dataset']}, {figures['split']}",
            licence=str(content["licence"]),
            megabytes=sum(path.stat().st_size for path in folder.iterdir()) / 1e6,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ZooError(
            f"{folder / CONFIG} is damaged: {type(error).__name__}: {error}"
        ) from error


def find(source: str | Path) -> Path | None:
    """The folder of a preset, by name, by path, or by ``hf://owner/name``.

    Returns:
        The folder, or None where `source` names no preset.

    Raises:
        ZooError: it is to come from the hub and cannot be had.
    """
    text = str(source)
    if text.startswith("hf://"):
        return hub.fetch(text, (CARD, *FILES, HASHES))
    for folder in (Path(text), FOLDER / text):
        if (folder / CONFIG).is_file() and folder != FOLDER:
            return folder
    return None


def read(folder: Path) -> dict[str, Any]:
    """Read a preset's settings after all its files were checked.

    Returns:
        What a run folder's ``settings.json`` holds, and more.

    Raises:
        ZooError: a file is missing, or differs from its hash.
    """
    hashes = _read_json(folder / HASHES)
    for name in FILES:
        file = folder / name
        if not file.is_file():
            raise ZooError(f"preset {folder.name} is damaged: it has no {name}")
        if sha256(file) != hashes.get(name):
            raise ZooError(
                f"preset {folder.name} is damaged: {name} differs from its hash in "
                f"{HASHES}; get it again"
            )
    return {**_read_json(folder / CONFIG), "extras": _read_json(folder / EXTRAS)}


def without_folders(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with the name of each file only: its folder says nothing elsewhere."""
    return {
        key: Path(value).name
        if isinstance(value, str) and Path(value).is_absolute()
        else value
        for key, value in values.items()
    }


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    found = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ZooError(
            f"preset {file.parent.name} is damaged: {file.name}: "
            f"{type(error).__name__}: {error}"
        ) from error
