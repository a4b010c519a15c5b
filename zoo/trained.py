"""A trained model on the disk, as `evaluate` and `predict` open it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from zoo import presets
from zoo.errors import ZooError
from zoo.program import ConfigT, DataT, Program, SettingsT
from zoo.runs import RunFolder

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Trained(Generic[SettingsT, ConfigT, DataT]):
    """Everything that a training left for use; nothing of it needs Keras yet.

    Attributes:
        program: whose it is.
        name: the run folder or preset, as it was given.
        settings: what it was trained with.
        config: shape of the model.
        extras: vocabulary, tokenizer, labels.
        data_sha256: hash of the data that it was trained on.
        weights: the file of the best weights.
        card: of a preset, in Markdown; None for a run folder.
    """

    program: Program[SettingsT, ConfigT, DataT]
    name: str
    settings: SettingsT
    config: ConfigT
    extras: Mapping[str, Any]
    data_sha256: str
    weights: Path
    card: str | None = None

    def data(self) -> DataT:
        """Load the data that it was trained on.

        Raises:
            ZooError: they cannot be had, or have changed since.
        """
        found = self.program.load(self.settings)
        require_same_data(self.name, found.name, found.sha256, self.data_sha256)
        return found

    def model(self) -> keras.Model:
        """Build the model for any batch, with the best weights. Keras must run.

        Raises:
            ZooError: the weights are damaged.
        """
        from zoo.training import weights

        model = self.program.build(self.config)
        weights.load(model, self.weights)
        return model


def open_trained(
    program: Program[SettingsT, ConfigT, DataT], source: str | Path
) -> Trained[SettingsT, ConfigT, DataT]:
    """Open a run folder or a preset of `program`.

    Args:
        program: whose it must be.
        source: a run folder, a preset's name or folder, or ``hf://owner/name``.

    Raises:
        ZooError: it is none, of another program, or damaged.
    """
    path, card = Path(source), None
    if not (path / "settings.json").is_file() and (folder := presets.find(source)):
        file, stored = folder / presets.CONFIG, presets.read(folder)
        if (found := stored.get("program")) != program.name:
            raise ZooError(
                f"{source} is a preset of {found!r}, expected one of {program.name!r}"
            )
        weights = folder / presets.WEIGHTS
        if (folder / presets.CARD).is_file():
            card = (folder / presets.CARD).read_text(encoding="utf-8")
    elif (path / "settings.json").is_file() or path.is_dir():
        run, stored = RunFolder.open(path, program.name)
        file, weights = path / "settings.json", run.best_weights
    else:
        raise ZooError(
            f"{source} is not a run folder, nor a preset; presets: "
            f"{', '.join(presets.names()) or 'none'}"
        )
    settings, config, extras, sha256 = read_settings(program, file, stored)
    return Trained(
        program, str(source), settings, config, extras, sha256, weights, card
    )


def read_settings(
    program: Program[SettingsT, ConfigT, DataT], file: Path, stored: dict[str, Any]
) -> tuple[SettingsT, ConfigT, dict[str, Any], str]:
    """Settings, configuration, extras and data hash out of what `file` holds.

    Raises:
        ZooError: something is missing or has another form.
    """
    try:
        return (
            program.settings_type(**stored["settings"]),
            program.config_type(**_tuples(stored["config"])),
            dict(stored["extras"]),
            str(stored["data"]["sha256"]),
        )
    except (KeyError, TypeError) as error:
        raise ZooError(
            f"{file} is damaged, or of another version: {type(error).__name__}: {error}"
        ) from error


def require_same_data(name: str, data: str, found: str, expected: str) -> None:
    """Raise where data differ from those of a training.

    Raises:
        ZooError: the hashes differ.
    """
    if found != expected:
        raise ZooError(
            f"{name} was trained on other data: {data} has changed since "
            f"(sha256 {found[:16]}…, was {expected[:16]}…)"
        )


def as_stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they come back out of JSON and `_tuples`, for comparing."""
    return _tuples(json.loads(json.dumps(values)))


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists only; a frozen dataclass has tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
