"""A trained model for use from Python: `zoo.load`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import backend as backends
from zoo import presets
from zoo.errors import ZooError
from zoo.presets.saved import open_saved
from zoo.programs import PROGRAMS, module
from zoo.training.runs import RunFolder

if TYPE_CHECKING:
    pass


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
    if program not in PROGRAMS:
        raise ZooError(
            f"{source} is of the program {program!r}; expected one of "
            f"{', '.join(PROGRAMS)}"
        )
    saved = open_saved(source)
    backends.use(backends.chosen(backend))
    return module(program, "use").PRETRAINED.from_saved(saved)
