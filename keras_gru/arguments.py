"""Checks of arguments; each error names argument, value, what was expected."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Sequence
from typing import Any

Shape = tuple[int | None, ...]


def positive_integer(name: str, value: Any) -> int:
    """`value` as an int.

    Raises:
        TypeError: it is no integer.
        ValueError: it is not positive.
    """
    if isinstance(value, bool):
        raise TypeError(_message(name, value, "a positive integer"))
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(_message(name, value, "a positive integer")) from None
    if number <= 0:
        raise ValueError(_message(name, value, "a positive integer"))
    return number


def rate(name: str, value: Any) -> float:
    """`value` clamped to [0, 1], as Keras does it.

    Raises:
        TypeError: it is no real number.
        ValueError: it is NaN.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(_message(name, value, "a number in [0, 1]"))
    if value != value:
        raise ValueError(_message(name, value, "a number in [0, 1]"))
    return min(1.0, max(0.0, float(value)))


def fraction(name: str, value: Any) -> float:
    """`value` as a float in [0, 1]; raises as `rate`, and where that would clamp it."""
    if rate(name, value) != value:
        raise ValueError(_message(name, value, "a number in [0, 1]"))
    return float(value)


def one_of(name: str, value: Any, options: Sequence[Any]) -> Any:
    """`value`, which must equal one of `options` and be of its type."""
    for option in options:
        if type(value) is type(option) and value == option:
            return value
    expected = "one of " + ", ".join(repr(option) for option in options)
    raise ValueError(_message(name, value, expected))


def known(shape: Sequence[Any]) -> Shape:
    """The shape with None for each size that a tracer stands for, as for unknown ones.

    To compare such a size would fix it in what is traced, or make the tracer warn.
    """
    return tuple(
        # The quick test first: of an abstract class it takes ten times as long.
        size
        if type(size) is int
        else int(size)
        if isinstance(size, numbers.Integral)
        else None
        for size in shape
    )


def shape(name: str, value: Sequence[Any], expected: Shape, meaning: str) -> None:
    """Compares two shapes; None on either side stands for any size.

    Raises:
        ValueError: the ranks or a known size differ.
    """
    actual, expected = known(value), known(expected)
    agrees = len(actual) == len(expected) and all(
        a is None or e is None or a == e for a, e in zip(actual, expected, strict=True)
    )
    if not agrees:
        raise ValueError(
            f"Argument `{name}` has shape {actual}. Expected {meaning} = {expected}."
        )


def _message(name: str, value: Any, expected: str) -> str:
    return f"Argument `{name}` must be {expected}. Received: {name}={value!r}."
