"""A trained model on the disk: a run folder or a preset, opened without Keras."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import presets
from zoo.config import differing, from_json
from zoo.errors import ZooError
from zoo.programs import PROGRAMS
from zoo.training.runs import Run, RunFolder, code


@dataclass(frozen=True)
class Saved:
    """What a training left for use.

    Attributes:
        name: the run folder or preset, as it was given.
        program: its name.
        config: all that decided it.
        source: what it was trained on.
        settings: size, dataset, seed and backend of its training.
        extras: what use needs beside the weights: a vocabulary, labels.
        data_name: the dataset, or the path of a file.
        data_sha256: hash of the data that it was trained on.
        code: versions and commit.
        weights: the file of the best weights.
        card: of a preset, in Markdown; None for a run folder.
    """

    name: str
    program: str
    config: Any
    source: Any
    settings: Mapping[str, Any]
    extras: Mapping[str, Any]
    data_name: str
    data_sha256: str
    code: str
    weights: Path
    card: str | None

    @property
    def is_run(self) -> bool:
        return (Path(self.name) / "settings.json").is_file()

    def load_data(self, on: Any = None) -> Any:
        """Load the data that it was trained on, or those of another source, `on`."""
        if on is not None:
            return on.load()
        found = self.source.load()
        if found.sha256 != self.data_sha256:
            raise ZooError(
                f"{self.name} was trained on other data: {found.name} has changed "
                f"since (sha256 {found.sha256[:16]}…, was {self.data_sha256[:16]}…)"
            )
        return found


def open_saved(source: str | Path, program: str | None = None) -> Saved:
    """Open a run folder or a preset.

    Args:
        source: a run folder, a preset's name or folder, or ``hf://owner/name``.
        program: whose it must be; None: any.
    """
    run, card = RunFolder(Path(source)), None
    # os.path: a name that no file can have is none, where pathlib raises OSError.
    if not os.path.isfile(run.settings) and (folder := presets.find(source)):
        file, stored = folder / presets.CONFIG, presets.read(folder)
        weights = folder / presets.WEIGHTS
        card_file = folder / presets.CARD
        card = presets.read_text(card_file) if card_file.is_file() else ""
    elif os.path.isdir(run.path):
        file, stored, weights = run.settings, run.read_settings(), run.best_weights
    else:
        raise ZooError(
            f"{source} is not a run folder, nor a preset; presets: "
            f"{', '.join(presets.names()) or 'none'}"
        )
    return _read(str(source), file, stored, weights, card, program)


def _read(
    name: str,
    file: Path,
    stored: Mapping[str, Any],
    weights: Path,
    card: str | None,
    of: str | None,
) -> Saved:
    """Read what a settings file holds."""
    found = str(stored.get("program"))
    if found not in PROGRAMS or of not in (None, found):
        raise ZooError(
            f"{name} is of the program {found!r}, expected {of or ', '.join(PROGRAMS)}"
        )
    program = PROGRAMS[found]
    try:
        settings = dict(stored["settings"])
        return Saved(
            name=name,
            program=found,
            # Presets of before had some fields of the configuration in the settings.
            config=from_json(program.config, {**settings, **stored["config"]}),
            source=from_json(program.source, settings),
            settings=settings,
            extras=dict(stored["extras"]),
            data_name=str(stored["data"]["name"]),
            data_sha256=str(stored["data"]["sha256"]),
            code=str(stored["code"]),
            weights=weights,
            card=card,
        )
    except (KeyError, TypeError, ValueError, ZooError) as error:
        raise ZooError(
            f"{file} is damaged, or of another version: {type(error).__name__}: {error}"
        ) from error


def reopen(run: Run, asked: dict[str, Any]) -> None:
    """Give a run the settings of its folder."""
    folder, stored = run.folder, run.folder.read_settings()
    found = _read(
        str(folder.path),
        folder.settings,
        stored,
        folder.best_weights,
        None,
        run.program,
    )
    if lines := differing({**vars(found.config), **found.settings}, asked):
        raise ZooError(
            f"{folder.path} was begun with other settings: {'; '.join(lines)}; resume "
            f"with the run's own, or train in another folder"
        )
    run.config, run.source = found.config, found.source
    run.size, run.seed = found.settings["size"], found.settings["seed"]
    run.backend, run.extras = found.settings["backend"], found.extras
    run.pretrained, run.stored = found.settings["from_preset"], stored
    if found.code != (now := code(run.backend)):
        print(
            f"note: begun with {found.code}, now {now}: "
            f"the weights may differ in their last bits",
            file=sys.stderr,
        )
