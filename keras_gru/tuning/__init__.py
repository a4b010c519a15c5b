"""Hyperparameter search that survives what kills its processes.

`gru` builds a GRU from hyperparameters, `run` sweeps any `keras_tuner.HyperModel`. They
need the extra ``[tune]``, and nothing of it is imported before they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_gru.tuning.errors import SweepError as SweepError
    from keras_gru.tuning.errors import SweepFailed as SweepFailed
    from keras_gru.tuning.layer import gru as gru
    from keras_gru.tuning.sweep import Results as Results
    from keras_gru.tuning.sweep import run as run

_HOMES = {
    "Results": "sweep",
    "SweepError": "errors",
    "SweepFailed": "errors",
    "gru": "layer",
    "run": "sweep",
}

__all__ = ["Results", "SweepError", "SweepFailed", "gru", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        need = f"sweeps need {error.name}: pip install 'keras_gru[tune]'"
        raise ImportError(need) from error
    found = getattr(module, name)
    globals()[name] = found
    return found
