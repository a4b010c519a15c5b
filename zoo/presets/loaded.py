"""A trained model for use from Python: `zoo.load`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from zoo import backend as backends
from zoo.presets.saved import open_saved
from zoo.programs import module


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
    saved = open_saved(source)
    backends.use(backends.chosen(backend))
    return module(saved.program, "use").PRETRAINED.from_saved(saved)
