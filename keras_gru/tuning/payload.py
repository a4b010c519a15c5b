"""The hypermodel on its way to the workers: ``state/hypermodel.pkl``.

Pickled by value where it stands in the user's script or notebook, so that these need no
``if __name__ == "__main__"``. Who can write the file can run code as the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_gru.tuning.errors import SweepError, one_line
from keras_gru.tuning.files import replacing

FILE = "state/hypermodel.pkl"


def save(folder: Path, hypermodel: Any, fit: Mapping[str, Any]) -> None:
    """Write the hypermodel and the arguments of its `fit`.

    Raises:
        SweepError: they cannot be pickled.
    """
    import cloudpickle

    try:
        content = cloudpickle.dumps((hypermodel, dict(fit)))
    except Exception as error:  # whatever an object raises that cannot be pickled
        raise SweepError(
            f"hypermodel and fit cannot be sent to the workers: "
            f"{type(error).__name__}: {one_line(error)}; make in build() and fit() "
            f"what cannot be pickled"
        ) from error
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)


def load(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Read the hypermodel, as a `keras_tuner.HyperModel`, and the arguments.

    Raises:
        SweepError: they cannot be read here.
    """
    import cloudpickle

    try:
        hypermodel, fit = cloudpickle.loads((folder / FILE).read_bytes())
        return as_hypermodel(hypermodel), fit
    except Exception as error:
        raise SweepError(
            f"{folder / FILE} cannot be read: {type(error).__name__}: {one_line(error)}"
        ) from error


def as_hypermodel(model: Any) -> Any:
    """What has a `build` as it is; a function ``build(hp)`` as a hypermodel."""
    from keras_tuner.src.engine.hypermodel import get_hypermodel

    return model if hasattr(model, "build") else get_hypermodel(model)
