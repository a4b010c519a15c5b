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
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from zoo.errors import ZooError

FOLDER = Path(__file__).resolve().parent

CONFIG, EXTRAS, WEIGHTS = "config.json", "extras.json", "model.weights.h5"
CARD, HASHES = "card.md", "hashes.json"
FILES = (CONFIG, EXTRAS, WEIGHTS)

T = TypeVar("T")


def names() -> list[str]:
    """The presets of the checkout."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CONFIG}"))


def find(source: str | Path) -> Path | None:
    """The folder of a preset, by name, by path, or by ``hf://owner/name``."""
    text = str(source)
    if text.startswith("hf://"):
        return _from_hub(text)
    for folder in (Path(text), FOLDER / text):
        if os.path.isfile(folder / CONFIG) and folder != FOLDER:
            return folder
    return None


def _from_hub(address: str) -> Path:
    """Bring a preset from ``hf://owner/name[@revision]`` into the hub's cache.

    Only the files of a preset are taken. They are checked like any preset's when it
    is opened.
    """
    repository, _, revision = address.removeprefix("hf://").partition("@")
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise ZooError(f"{address} is no address of a preset; expected hf://owner/name")
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise ZooError(
            f"{address} needs huggingface_hub: pip install huggingface_hub"
        ) from error
    try:
        folder = huggingface_hub.snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=[CARD, *FILES, HASHES],
        )
    # No network, no such repository, no right to it, a name that the hub refuses.
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise ZooError(
            f"cannot get {address}: {type(error).__name__}: {error}"
        ) from error
    return Path(folder)


def read(folder: Path) -> dict[str, Any]:
    """Read a preset's settings after all its files were checked."""
    hashes = read_json(folder / HASHES)
    for name in FILES:
        file = folder / name
        if not file.is_file():
            raise ZooError(f"preset {folder.name} is damaged: it has no {name}")
        if sha256(file) != hashes.get(name):
            raise ZooError(
                f"preset {folder.name} is damaged: {name} differs from its hash in "
                f"{HASHES}; get it again"
            )
    return {**read_json(folder / CONFIG), "extras": read_json(folder / EXTRAS)}


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


def read_text(file: Path) -> str:
    """Read a text file of a preset."""
    return _read(file, str)


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON file of a preset."""
    return _read(file, lambda text: dict(json.loads(text)))


def _read(file: Path, parse: Callable[[str], T]) -> T:
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ZooError(
            f"preset {file.parent.name} is damaged: {file.name}: "
            f"{type(error).__name__}: {error}"
        ) from error
