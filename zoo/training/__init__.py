"""What every program trains with: exact resuming, validation, weights files, plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_gru.resume import ExactResume as ExactResume

__all__ = ["ExactResume"]


def __getattr__(name: str) -> Any:
    """Import `ExactResume` when it is used: a callback needs Keras and its backend."""
    if name != "ExactResume":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras_gru.resume import ExactResume

    globals()[name] = ExactResume
    return ExactResume
