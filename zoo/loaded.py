"""A trained model for use from Python: `zoo.load`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import backend as backends
from zoo import old_programs, presets
from zoo.errors import ZooError
from zoo.presets.saved import open_saved
from zoo.programs import PROGRAMS, module
from zoo.runs import RunFolder
from zoo.trained import Trained, open_trained

if TYPE_CHECKING:
    import keras


class Loaded:
    """A preset or a run, ready for use.

    Attributes:
        trained: settings, configuration and weights on the disk.
        card: of a preset, in Markdown; None for a run folder.
    """

    def __init__(self, trained: Trained[Any, Any, Any]) -> None:
        self.trained = trained
        self.card = trained.card

    @cached_property
    def model(self) -> keras.Model:
        """The Keras model for any batch, with its weights."""
        return self.trained.model()

    @cached_property
    def _predictor(self) -> Callable[..., Any]:
        return self.trained.program.predictor(self.trained)

    def predict(self, *inputs: Any, **options: Any) -> Any:
        """What the program makes of `inputs`; see its ``use.py`` for the options."""
        return self._predictor(*inputs, **options)

    def evaluate(self, **options: Any) -> dict[str, Any]:
        """Figures on the program's test split, with dataset, split and seconds."""
        return self.trained.program.evaluate(self.trained, **options)

    def __repr__(self) -> str:
        return f"<{self.trained.program.name} {self.trained.name!r}>"


def load(source: str | Path, backend: str | None = None) -> Any:
    """Load a preset by name, a run folder, or a preset of the hub.

    Args:
        source: a name that ``python -m zoo list`` shows, a folder, or
            ``hf://owner/name``.
        backend: where Keras is not imported yet, the backend to start it on; by
            default `KERAS_BACKEND`, else TensorFlow.

    Raises:
        ZooError: there is no such preset or run, or it is damaged; Keras already runs
            on another backend.

    Example:
        >>> import zoo
        >>> writer = zoo.load("shakespeare-char-small")  # doctest: +SKIP
        >>> print(writer.predict("ROMEO:", length=200))  # doctest: +SKIP
    """
    if backend is None and "keras" in sys.modules:
        backend = sys.modules["keras"].backend.backend()
    if (Path(source) / "settings.json").is_file():
        program = str(RunFolder.read_settings(Path(source))["program"])
    elif folder := presets.find(source):
        program = str(presets.read(folder).get("program"))
    else:
        raise ZooError(
            f"{source} is neither a run folder nor a preset; presets: "
            f"{', '.join(presets.names()) or 'none'}"
        )
    if program in PROGRAMS:
        saved = open_saved(source)
        backends.use(backends.chosen(backend))
        return module(program, "use").PRETRAINED.from_saved(saved)
    if program not in old_programs.PROGRAMS:
        raise ZooError(
            f"{source} is of the program {program!r}; expected one of "
            f"{', '.join([*PROGRAMS, *old_programs.PROGRAMS])}"
        )
    trained = open_trained(old_programs.program_of(program), source)
    backends.use(backends.chosen(backend))
    return Loaded(trained)
