"""Command-line options that every program of the zoo takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.backend import BACKENDS

if TYPE_CHECKING:
    pass

Function = TypeVar("Function", bound=Callable[..., Any])

backend_option = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="Backend of Keras.  [default: KERAS_BACKEND, else tensorflow]",
)

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on standard output and nothing else.",
)


def print_json(content: dict[str, Any]) -> None:
    """What ``--json`` prints: one object on one line."""
    print(json.dumps(content))


def given(context: click.Context, *names: str) -> set[str]:
    """The options that were typed, not those that hold their default."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {name for name in names if context.get_parameter_source(name) is typed}
