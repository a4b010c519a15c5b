"""What a sweep says when it cannot begin or cannot go on: always one line."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

Kind = TypeVar("Kind")


class SweepError(Exception):
    """The use, the folder or the installation is wrong."""


class SweepFailed(SweepError):
    """The sweep began and is hopeless; its folder holds all that was reached."""


class Over(Exception):
    """The sweep is over; the reason, or "" where it is simply done."""


def one_line(message: object, most: int = 500) -> str:
    """The words of a message on one line, the last `most` characters of them."""
    text = " ".join(str(message).split())
    return text if len(text) <= most else "… " + text[-most:]


def checked(kind: type[Kind], **values: Any) -> Kind:
    """A dataclass of pydantic's; a value that it cannot have is named."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        text = f"{first['loc'][0]}={first['input']!r}: {first['msg']}"
        raise SweepError(text) from error
