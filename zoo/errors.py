"""Errors that the command line prints as one line.

Any function of the zoo may raise a `ZooError`; the docstrings of what Python users call
say when.
"""

from __future__ import annotations


class ZooError(Exception):
    """A mistake in the use or in the input: one line on stderr, exit code 2."""

    exit_code = 2


class TrainingFailed(ZooError):
    """The input was right and the training went wrong: one line, exit code 1."""

    exit_code = 1


def one_line(message: object) -> str:
    """Join the lines of a message, so that an error never takes more than one."""
    return " ".join(str(message).split())
