"""`Pretrained`: what all programs' trained models have in common."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import keras

from keras_gru.resume.checkpoint import values_of
from zoo import presets
from zoo.errors import ZooError, one_line
from zoo.files import making, write_json
from zoo.presets.saved import Saved, open_saved
from zoo.training import weights

Self = TypeVar("Self", bound="Pretrained")


class Pretrained(ABC):
    """A trained model with all that its use needs.

    Attributes:
        program: its name.
        saved: where it comes from: configuration, data, card.
        config: all that decided it.
        model: the Keras model, for any batch; compile and fit it like any other.

    Example:
        >>> from zoo.language_model.use import LanguageModel
        >>> writer = LanguageModel.from_preset("shakespeare-char-small")
        >>> writer.save_to_preset("my_preset")  # doctest: +SKIP
    """

    program: ClassVar[str]

    def __init__(self, saved: Saved, model: keras.Model) -> None:
        self.saved = saved
        self.config = saved.config
        self.model = model

    @classmethod
    def from_preset(cls: type[Self], source: str | Path) -> Self:
        """Load a preset or a run with its weights.

        Args:
            source: the name of a preset, its folder, a run folder, or
                ``hf://owner/name``.

        Raises:
            ZooError: it is none, of another program, or damaged.
        """
        return cls.from_saved(open_saved(source, cls.program))

    @classmethod
    def from_saved(cls: type[Self], saved: Saved) -> Self:
        """Load what was opened already."""
        try:
            model = cls.build(saved.config)
        except ValueError as error:
            raise ZooError(f"{saved.name} holds no model: {one_line(error)}") from error
        weights.load(model, saved.weights)
        return cls(saved, model)

    @staticmethod
    @abstractmethod
    def build(config: Any) -> keras.Model:
        """Build the model for any batch, without weights."""

    @abstractmethod
    def predict(self, *inputs: Any, **options: Any) -> Any:
        """Use the model."""

    @abstractmethod
    def evaluate(self, **options: Any) -> dict[str, Any]:
        """Measure it on its program's test data."""

    def model_inputs(self, given: str) -> Any:
        """What `model` is called on to read one text or file, as ``zoo inspect`` does.

        Raises:
            ZooError: it cannot be read, or this program has no such inputs.
        """
        raise ZooError(
            f"{self.program} has no inputs that inspect could give its model"
        )

    @property
    def carries_state(self) -> bool:
        """Whether ONNX files have the recurrent states as inputs and outputs."""
        return False

    def onnx_models(self) -> dict[str, keras.Model]:
        """What ``zoo export`` writes as ONNX: the ending of a file's name -> model."""
        return {"": self.model}

    @property
    def card(self) -> str | None:
        """Of a preset, in Markdown; None for a run folder."""
        return self.saved.card

    def save_to_preset(
        self, folder: str | Path, facts: Mapping[str, Any] | None = None
    ) -> Path:
        """Write a preset: `from_preset` and ``python -m zoo`` take its folder.

        The weights are rounded to float16, in `model` too.

        Args:
            folder: a new or an empty one.
            facts: more for its ``config.json``, such as figures.

        Raises:
            ZooError: the folder is not empty.
        """
        folder = Path(folder)
        if folder.is_dir() and any(folder.iterdir()):
            raise ZooError(f"{folder} is not empty; choose another, or empty it first")
        with making(folder) as draft:
            weights.save(self.model, draft / presets.WEIGHTS, half=True)
            self.seal(draft, facts or {})
        return folder

    def seal(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write all files of a preset but its weights and its card, and the hashes."""
        write_json(folder / presets.EXTRAS, self.saved.extras)
        write_json(folder / presets.CONFIG, {**self.described(), **facts})
        files = (presets.CONFIG, presets.EXTRAS, presets.WEIGHTS)
        write_json(
            folder / presets.HASHES,
            {file: presets.sha256(folder / file) for file in files},
        )

    def described(self) -> dict[str, Any]:
        """The ``config.json`` of a preset, without figures."""
        saved = self.saved
        return {
            "program": saved.program,
            "config": vars(saved.config),
            "code": saved.code,
            "settings": presets.without_folders(saved.settings),
            "data": {
                "name": presets.without_folders({"name": saved.data_name})["name"],
                "sha256": saved.data_sha256,
            },
            "licence": saved.source.licence,
            "parameters": self.model.count_params(),
            "storage": "float16",
        }

    def __repr__(self) -> str:
        return f"<{self.program} {self.saved.name!r}>"


def load_initial_weights(
    model: keras.Model, portable: keras.Model, source: str | None, program: str
) -> None:
    """Give a training's model the weights of the preset or run that it goes on from.

    Args:
        model: to be trained.
        portable: the same without carried state, as files have it; it gets them too.
        source: the preset or run; None: the weights stay.
        program: its name.
    """
    if not source:
        return
    saved = open_saved(source, program)
    try:
        with warnings.catch_warnings():
            # Keras warns of layers that differ; the hash in the file tells.
            warnings.simplefilter("ignore")
            weights.load(portable, saved.weights)
    except weights.Damaged as error:
        raise ZooError(
            f"the weights of {source} do not fit the configuration: {error}"
        ) from error
    model.set_weights(values_of(portable.weights))
