"""A trained model on the disk, as `evaluate` and `predict` open it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

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
        name: the run folder, for messages.
        settings: what it was trained with.
        config: shape of the model.
        extras: vocabulary, tokenizer, labels.
        data_sha256: hash of the data that it was trained on.
        weights: the best weights.
    """

    program: Program[SettingsT, ConfigT, DataT]
    name: str
    settings: SettingsT
    config: ConfigT
    extras: Mapping[str, Any]
    data_sha256: str
    weights: Path

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
        from zoo import weights

        model = self.program.build(self.config)
        weights.load(model, self.weights)
        return model


def open_trained(
    program: Program[SettingsT, ConfigT, DataT], source: str | Path
) -> Trained[SettingsT, ConfigT, DataT]:
    """Open a run folder of `program`.

    Raises:
        ZooError: it is none, of another program, or damaged.
    """
    run, stored = RunFolder.open(Path(source), program.name)
    settings, config, extras, sha256 = read_settings(program, run, stored)
    return Trained(
        program, str(source), settings, config, extras, sha256, run.best_weights
    )


def read_settings(
    program: Program[SettingsT, ConfigT, DataT], run: RunFolder, stored: dict[str, Any]
) -> tuple[SettingsT, ConfigT, dict[str, Any], str]:
    """Settings, configuration, extras and data hash out of a ``settings.json``.

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
            f"{run.path / 'settings.json'} is damaged, or of another version: "
            f"{type(error).__name__}: {error}"
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
