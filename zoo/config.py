"""Configurations: frozen dataclasses whose types say what each field may be.

A field's range stands in its type, its meaning in the docstring's "Attributes", its
default at the field. Constructing one checks every field; `zoo.cli` makes the options
of the command line of it.

Example:
    >>> @dataclass(frozen=True)
    ... class Config(Checked):
    ...     '''Shape of a model.
    ...
    ...     Attributes:
    ...         units: width of a layer.
    ...     '''
    ...
    ...     units: Count = 64
    >>> Config(units=0)
    Traceback (most recent call last):
    zoo.errors.ZooError: units=0; expected a whole number of at least 1
    >>> meanings(Config)
    {'units': 'width of a layer.'}
"""

from __future__ import annotations

import inspect
import json
import re
import runpy
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from zoo.errors import ZooError
from zoo.training.objective import Objective

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class Range:
    """Which numbers a field takes: least ≤ x ≤ most, above < x < below."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, value: Any) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        words = {
            "of at least": self.least,
            "of at most": self.most,
            "above": self.above,
            "below": self.below,
        }
        return " and ".join(
            f"{word} {bound:g}" for word, bound in words.items() if bound is not None
        )


@dataclass(frozen=True)
class OneOf:
    """The words that a field takes."""

    words: tuple[str, ...]

    def holds(self, value: Any) -> bool:
        return value in self.words

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"


class AFile:
    """A file's path; the command line makes it absolute."""


class Behind:
    """A field that is typed without its name, behind the options: one word or more."""


class FromData:
    """A field that the data decide and nobody types."""


def _variants() -> tuple[str, ...]:
    """The names in `keras_gru.VARIANTS`, without `keras_gru`, which imports Keras."""
    file = Path(__file__).parents[1] / "keras_gru" / "variants.py"
    return tuple(runpy.run_path(str(file))["VARIANTS"])


Count = Annotated[int, Range(least=1)]
Whole = Annotated[int, Range(least=0)]
Rate = Annotated[float, Range(least=0, below=1)]  # of dropout
Share = Annotated[float, Range(least=0, most=1)]
Decay = Annotated[float, Range(least=0, below=1)]  # of a running mean
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(least=0)]
Variant = Annotated[str, OneOf(_variants())]
Name = str
File = Annotated[str, AFile()]
Words = Annotated[tuple[str, ...], Behind()]


class Checked:
    """Base of configurations: construction checks each field by its type."""

    def __post_init__(self) -> None:
        for name, hint in hints(type(self)).items():
            value = getattr(self, name)
            if not _fits(hint, value):
                raise ZooError(f"{name}={value!r}; expected {expected(hint)}")


def hints(kind: type) -> dict[str, Any]:
    """Field -> type, with its range."""
    return typing.get_type_hints(kind, include_extras=True)


def meanings(kind: type) -> dict[str, str]:
    """Field -> what it means: "Attributes" in the docstrings of it and its bases."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        text = inspect.cleandoc(one.__doc__ or "")
        section = re.search(r"^Attributes:\n((?:(?: {4}.*)?\n?)*)", text, re.MULTILINE)
        entries = re.split(r"^ {4}(?=\w)", section[1] if section else "", flags=re.M)
        for entry in entries:
            names, _, meaning = entry.partition(":")
            for name in names.split(","):
                if name.strip():
                    found[name.strip()] = " ".join(meaning.split())
    return found


def options(kind: type) -> list[str]:
    """The fields that can be typed."""
    return [
        one.name for one in fields(kind) if not _marked(hints(kind)[one.name], FromData)
    ]


def parse(kind: type, name: str, text: str) -> Any:
    """The value of a field, as it was typed.

    Raises:
        ZooError: it is no such value.
    """
    hint = hints(kind)[name]
    for option in _alternatives(hint):
        value = _parse_one(option, text)
        if value is not None and _fits(option, value):
            return value
    raise ZooError(f"{name}={text}; expected {expected(hint)}")


def from_json(kind: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """A configuration out of what JSON kept of it; JSON has no tuples.

    Raises:
        ZooError: a value is none that the field takes.
    """
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in known
        }
    )


def differing(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Name the values of `given` that `stored` has otherwise, with both."""
    return [
        f"{name} was {stored.get(name)!r}, now {value!r}"
        for name, value in given.items()
        if json.loads(json.dumps(value)) != json.loads(json.dumps(stored.get(name)))
    ]


def expected(hint: Any) -> str:
    """What a field takes, in words."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        rules = [str(mark) for mark in marks if isinstance(mark, Range | OneOf)]
        if rules and isinstance(marks[0], OneOf):
            return rules[0]
        return " ".join([expected(base), *rules])
    if get_origin(hint) is tuple:
        return f"several, separated by commas, each {expected(get_args(hint)[0])}"
    alternatives = [one for one in _alternatives(hint) if one is not types.NoneType]
    if len(alternatives) > 1:
        return ", or ".join(expected(one) for one in alternatives)
    words = {int: "a whole number", float: "a number", bool: "true or false"}
    return (
        words.get(alternatives[0], "text")
        if alternatives[0] is hint
        else expected(alternatives[0])
    )


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in (types.UnionType, typing.Union):
        return get_args(hint)
    return (hint,)


def _marked(hint: Any, mark: type) -> bool:
    return any(
        isinstance(each, mark)
        for one in _alternatives(hint)
        if get_origin(one) is Annotated
        for each in get_args(one)[1:]
    )


def words(hint: Any) -> tuple[str, ...]:
    """The words that a field takes, where it takes one of few."""
    for one in _alternatives(hint):
        if get_origin(one) is Annotated:
            for mark in get_args(one)[1:]:
                if isinstance(mark, OneOf):
                    return tuple(mark.words)
    return ()


def is_file(hint: Any) -> bool:
    return _marked(hint, AFile)


def is_behind(hint: Any) -> bool:
    return _marked(hint, Behind)


def _fits(hint: Any, value: Any) -> bool:
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        return _fits(base, value) and all(
            mark.holds(value) for mark in marks if isinstance(mark, Range | OneOf)
        )
    if get_origin(hint) in (types.UnionType, typing.Union):
        return any(_fits(one, value) for one in get_args(hint))
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return isinstance(value, tuple) and all(_fits(inner, one) for one in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _parse_one(hint: Any, text: str) -> Any:
    """The value of one alternative of a type, or None where the text is none."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        if any(isinstance(mark, AFile) for mark in marks):
            return str(Path(text).resolve())
        return _parse_one(base, text)
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        values = [_parse_one(inner, part) for part in text.split(",")]
        return None if None in values or len(values) < 2 else tuple(values)
    if hint is bool:
        return {"true": True, "false": False}.get(text.lower())
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            return None
    return None if hint is types.NoneType else text


@dataclass(frozen=True)
class Nothing(Checked):
    """No options."""


@dataclass(frozen=True)
class Program:
    """What the shared code must know of a program before Keras is imported.

    The rest it finds by name: ``train.train(run)``, ``use.evaluate(saved, options)``,
    ``use.predict(saved, options)``, ``search.search_space(hp, size)``.

    Attributes:
        summary: what it does, in a few words.
        config: the dataclass of all that decides a result.
        sizes: name -> configuration.
        parameters: name of a size -> trainable parameters, for ``zoo list``.
        source: the dataclass that says what it is trained on; it has `load`, `licence`.
        datasets: name -> what it is, for ``zoo list``.
        label: (configuration, source) -> name of what was learnt, for run folders.
        evaluate: options of ``zoo evaluate``.
        predict: options of ``zoo predict``.
        objective: the validation figure that chooses weights, and between trials.
        headline: the figure of `evaluate` that the list of presets shows.
        columns: its own columns in the table of runs.
        times: input of the model -> name of its time dimension in an ONNX file, where
            that is not "time".
    """

    summary: str
    config: Any
    sizes: Mapping[str, Any]
    parameters: Mapping[str, int]
    source: Any
    datasets: Mapping[str, str]
    label: Callable[[Any, Any], str]
    predict: Any
    objective: Objective
    headline: str
    columns: tuple[str, ...]
    evaluate: Any = Nothing
    times: Mapping[str, str] = field(default_factory=dict)
