"""Why a training cannot begin, or cannot go on."""

from __future__ import annotations


class ResumeError(ValueError):
    """The checkpoints are all damaged, or of another training."""


class NotFinite(ArithmeticError):
    """A weight, or what an optimizer keeps, is NaN or infinite."""
