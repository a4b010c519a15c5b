"""What a sweep says when it cannot begin or cannot go on: always one line.

Any function of `keras_gru.tuning` may raise a `SweepError`; the docstrings of the
public ones say when.
"""

from __future__ import annotations


class SweepError(Exception):
    """The use, the folder or the installation is wrong."""


class SweepFailed(SweepError):
    """The sweep began and is hopeless; its folder holds all that was reached."""


def one_line(message: object, most: int = 500) -> str:
    """The words of a message on one line, the last `most` characters of them."""
    text = " ".join(str(message).split())
    return text if len(text) <= most else "… " + text[-most:]
