"""Programs that train `keras_gru` on real data: ``python -m zoo --help``.

They are not installed with it: they run in the root of a checkout. `zoo.load` gives a
trained one to Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.presets.loaded import load as load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Import `load` when it is used: the rest needs the packages of ``[zoo]``."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zoo import extra

    extra.require()
    from zoo.presets.loaded import load

    globals()[name] = load
    return load
