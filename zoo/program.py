"""What a program of the zoo gives, so that the shared code can train and use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from zoo.training.objective import Objective

if TYPE_CHECKING:
    import keras

    from zoo.loop import Progress, Task
    from zoo.runs import RunFolder
    from zoo.trained import Trained


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line decides; a run is resumed with the same ones only.

    A program with options of its own extends it.

    Attributes:
        size: a name in the program's `SIZES`.
        dataset: a name in the program's `DATASETS`; None where an option of the
            program's own says what to train on.
        variant: a name in `keras_gru.VARIANTS`.
        seed: decides initial weights, order of the data, dropout and samples.
        epochs: passes over the training data.
        backend: Keras' backend.
    """

    # Names of a program's own settings that are files in the place of a dataset.
    files: ClassVar[tuple[str, ...]] = ()

    size: str
    dataset: str | None
    variant: str
    seed: int
    epochs: int
    backend: str

    @property
    def source(self) -> str:
        """What was trained on, for the name of the run folder."""
        return str(self.dataset)


class Data(Protocol):
    """What a program trains on and is measured with."""

    @property
    def name(self) -> str:
        """The dataset's name, or the path of a file."""

    @property
    def sha256(self) -> str:
        """Hash of all that the training reads: a run goes on with the same only."""


SettingsT = TypeVar("SettingsT", bound=Settings)
ConfigT = TypeVar("ConfigT")
DataT = TypeVar("DataT", bound=Data)


@dataclass(frozen=True)
class Setup(Generic[SettingsT, ConfigT, DataT]):
    """All that a training is made from, but for the code.

    Attributes:
        settings: as typed.
        config: shape of the model and of its training.
        data: as loaded.
        extras: what evaluation and prediction need beside the weights, as JSON:
            a vocabulary, a tokenizer, labels.
    """

    settings: SettingsT
    config: ConfigT
    data: DataT
    extras: Mapping[str, Any]


class Program(ABC, Generic[SettingsT, ConfigT, DataT]):
    """A program of the zoo. Its module imports no Keras; `task` and later ones do.

    Attributes:
        name: as on the command line.
        settings_type: the dataclass of its settings.
        config_type: the dataclass of its configuration.
        sizes: name -> configuration, without what settings and data change.
        objective: the validation figure that chooses the best weights.
        columns: its own columns in the table of runs: ``validation_NAME`` for a
            validation figure NAME, and names of figures that `finish` gives.
        headline: the figure of `evaluate` that a list of presets shows.
        times: input of the model -> name of its time, where that is not the one of
            the other inputs and of the output.
    """

    name: ClassVar[str]
    settings_type: type[SettingsT]
    config_type: type[ConfigT]
    sizes: Mapping[str, ConfigT]
    objective: ClassVar[Objective]
    columns: ClassVar[tuple[str, ...]]
    headline: ClassVar[str]
    times: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def load(self, settings: SettingsT) -> DataT:
        """Load the data that `settings` name.

        Raises:
            ZooError: they cannot be had.
        """

    def extras(self, settings: SettingsT, data: DataT) -> dict[str, Any]:
        """What use needs beside the weights; JSON. A resumed run keeps its own."""
        return {}

    @abstractmethod
    def config(self, settings: SettingsT, extras: Mapping[str, Any]) -> ConfigT:
        """The configuration of a size with all that settings and extras change."""

    def check(self, setup: Setup[SettingsT, ConfigT, DataT]) -> None:
        """Refuse what cannot be trained, before a folder is made.

        Raises:
            ZooError: the data do not fit the configuration.
        """

    def summary(self, setup: Setup[SettingsT, ConfigT, DataT]) -> str:
        """The data in a few words, for the first line of a training."""
        return setup.data.name

    @abstractmethod
    def build(self, config: ConfigT) -> keras.Model:
        """Build the model as it is saved and exported: it takes any batch."""

    @abstractmethod
    def task(self, setup: Setup[SettingsT, ConfigT, DataT]) -> Task:
        """Make the model and its batches, ready for the shared loop."""

    def finish(
        self,
        setup: Setup[SettingsT, ConfigT, DataT],
        task: Task,
        run: RunFolder,
        progress: Progress,
    ) -> dict[str, Any]:
        """Make what the run leaves at its end from ``progress.best``: samples, test.

        Returns:
            Figures for ``result.json``; those named in `columns` go into the table.
        """
        return {}

    @abstractmethod
    def licence(self, settings: SettingsT) -> str:
        """The licence of the data, for the card of a preset."""

    @abstractmethod
    def evaluate(
        self, trained: Trained[SettingsT, ConfigT, DataT], **options: Any
    ) -> dict[str, Any]:
        """Measure a trained model; without options, as a preset's card tells it.

        Returns:
            Figures by name (nats, bits_per_char, bleu, chrf, accuracy, wer), dataset,
            split and seconds; JSON.
        """

    @abstractmethod
    def predictor(
        self, trained: Trained[SettingsT, ConfigT, DataT]
    ) -> Callable[..., Any]:
        """What ``zoo.load(...).predict`` calls; the model is built once, here."""
