"""Configurations: frozen dataclasses whose types say what each field may be.

A field's range stands in its type, its meaning in the docstring's "Attributes", its
default at the field. Constructing one checks every field, by pydantic; `zoo.cli` makes
the options of the command line of it.

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
    zoo.errors.ZooError: units=0; expected at least 1
    >>> meanings(Config)
    {'units': 'width of a layer.'}
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from zoo.errors import ZooError
from zoo.training.objective import Objective

ConfigT = TypeVar("ConfigT")

# Marks of fields, for the command line.
FILE = "a file's path, made absolute"
BEHIND = "typed without its name, behind the options: one word or more"
FROM_DATA = "decided by the data, never typed"

Count = Annotated[int, Field(ge=1)]
# A wider or deeper model is a mistake, or asks for all memory there is.
Width = Annotated[int, Field(ge=1, le=16_384)]
Depth = Annotated[int, Field(ge=1, le=64)]
Whole = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]  # of dropout; of a running mean
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
File = Annotated[str, FILE]
Words = Annotated[tuple[str, ...], BEHIND]
# The names in keras_gru.VARIANTS, which imports Keras.
Variant = Literal[
    "keras",
    "pytorch",
    "cudnn",
    "cho2014_v1",
    "cho2014",
    "chung2014",
    "haiku",
    "replace_after",
]

# pydantic's, shorter.
WORDS = {
    "Input should be ": "",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}


class Checked:
    """Base of configurations: construction checks each field by its type."""

    def __post_init__(self) -> None:
        for name in hints(type(self)):
            _check(type(self), name, getattr(self, name), strict=True)


def hints(kind: type) -> dict[str, Any]:
    """Field -> type, with its range and marks."""
    return typing.get_type_hints(kind, include_extras=True)


@cache
def _adapter(kind: type, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(hints(kind)[name], config=ConfigDict(allow_inf_nan=False))


def _check(kind: type, name: str, value: Any, strict: bool = False) -> Any:
    """The value of a field; if not strict, made of what text or JSON kept of it."""
    try:
        return _adapter(kind, name).validate_python(value, strict=strict)
    except ValidationError as error:
        told = " or ".join(dict.fromkeys(one["msg"] for one in error.errors()))
        for theirs, ours in WORDS.items():
            told = told.replace(theirs, ours)
        raise ZooError(f"{name}={value!r}; expected {told}") from error


def parse(kind: type, name: str, text: str) -> Any:
    """The value of a field, as it was typed."""
    if is_marked(kind, name, FILE):
        return str(Path(text).resolve())
    several = "," in text and "tuple" in str(hints(kind)[name])
    return _check(kind, name, text.split(",") if several else text)


def from_json(kind: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """A configuration out of what JSON kept of it, less what it has no field for."""
    known = hints(kind).keys() & values.keys()
    return kind(**{name: _check(kind, name, values[name]) for name in known})


def meanings(kind: type) -> dict[str, str]:
    """Field -> what it means: "Attributes" in the docstrings of it and its bases."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        text = inspect.cleandoc(one.__doc__ or "")
        section = re.search(r"^Attributes:\n((?:(?: {4}.*)?\n?)*)", text, re.MULTILINE)
        entries = re.split(r"^ {4}(?=\w)", section[1] if section else "", flags=re.M)
        for name, colon, meaning in (entry.partition(":") for entry in entries):
            if colon:
                found[name] = " ".join(meaning.split())
    return found


def options(kind: type) -> list[str]:
    """The fields that can be typed."""
    return [
        one.name for one in fields(kind) if not is_marked(kind, one.name, FROM_DATA)
    ]


def is_marked(kind: type, name: str, mark: str) -> bool:
    """Whether a field's type, or one of its alternatives, has a mark."""
    return any(mark in get_args(one)[1:] for one in _alternatives(hints(kind)[name]))


def words(kind: type, name: str) -> tuple[str, ...]:
    """The words that a field takes, where it takes one of few."""
    for one in _alternatives(hints(kind)[name]):
        if get_origin(one) is Literal:
            return get_args(one)
    return ()


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return (
        (hint,) if get_origin(hint) in (Annotated, Literal) else (hint, *get_args(hint))
    )


def differing(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Name the values of `given` that `stored` has otherwise, with both."""
    return [
        f"{name} was {stored.get(name)!r}, now {value!r}"
        for name, value in given.items()
        if json.loads(json.dumps(value)) != json.loads(json.dumps(stored.get(name)))
    ]


@dataclass(frozen=True)
class Training(Checked):
    """What decides a training in every program; each has its own defaults.

    Attributes:
        variant: convention of the GRU, a name in `keras_gru.VARIANTS`.
        recurrent_dropout: rate on the state that a GRU layer reads, with one mask for
            all time steps of a call; above 0 it rules out the faster kernels.
        epochs: passes over the training data.
        learning_rate: its highest value, after the warm-up.
        warmup: the part of all steps in which the rate rises to it.
        final_learning_rate: what the cosine falls to, as a part of the highest.
        weight_decay: AdamW's, on matrices; biases and embeddings have none.
        clip_norm: greatest norm of the whole gradient.
        beta_2: decay of Adam's second moment.
        validations: how often the validation figures are taken, evenly.
    """

    variant: Variant = "keras"
    recurrent_dropout: Rate = 0.0
    epochs: Count = 1
    learning_rate: Positive = 5e-3
    warmup: Share = 0.05
    final_learning_rate: Share = 0.01
    weight_decay: NotNegative = 0.0
    clip_norm: Positive = 1.0
    beta_2: Rate = 0.99
    validations: Count = 5


@dataclass(frozen=True)
class Nothing(Checked):
    """No options."""


@dataclass(frozen=True)
class Program:
    """What the shared code must know of a program before Keras is imported.

    The rest it finds by name: ``train.train(run)``, ``use.PRETRAINED``,
    ``use.told(figures)``, ``use.predict(saved, options, as_json)``,
    ``search.search_space(hp, size)``.

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
        times: input or output -> name of its time dimension in an ONNX file, where
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
    evaluate: Any = Nothing
    times: Mapping[str, str] = field(default_factory=dict)
