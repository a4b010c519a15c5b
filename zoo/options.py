"""Command-line options: those made of dataclasses, and those of several commands."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click

from zoo import config as configs
from zoo.backend import BACKENDS
from zoo.errors import ZooError
from zoo.programs import PROGRAMS

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


def given(context: click.Context, *names: str) -> set[str]:
    """The options that were typed, not those that hold their default."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {name for name in names if context.get_parameter_source(name) is typed}


def known(program: str) -> None:
    """Refuse what is no program."""
    if program not in PROGRAMS:
        raise click.UsageError(
            f"unknown program {program!r}; expected one of {', '.join(PROGRAMS)}"
        )


class FieldType(click.ParamType[Any]):
    """What a field of a dataclass takes."""

    def __init__(self, kind: type, field: str) -> None:
        self.kind, self.field = kind, field
        words = configs.words(kind, field)
        self.name = "|".join(words) if len(words) in range(1, 4) else "value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return configs.parse(self.kind, self.field, value)
        except ZooError as error:
            expected = str(error).partition("; expected ")[2]
            self.fail(f"{value!r}; expected {expected}", param, ctx)


def options_of(kind: type, defaults: Any = None) -> list[click.Parameter]:
    """An option, or argument, for each field of a dataclass that can be typed."""
    own = {one.name: one.default for one in fields(kind)}
    known = own if defaults is None else vars(defaults)
    made: list[click.Parameter] = []
    for name in configs.options(kind):
        default = known[name]
        if configs.is_marked(kind, name, configs.BEHIND):
            made.append(click.Argument([name], nargs=-1, required=True))
            continue
        flag = f"--{name.replace('_', '-')}"
        words = configs.words(kind, name)
        meaning = configs.meanings(kind)[name]
        if len(words) > 3:
            meaning = f"{meaning.rstrip('.')}: {', '.join(words)}."
        is_flag = configs.hints(kind)[name] is bool
        made.append(
            click.Option(
                [f"{flag}/--no-{flag[2:]}" if is_flag and default else flag, name],
                help=meaning[:1].upper() + meaning[1:],
                default=default,
                show_default=default is not None and not is_flag,
                metavar="FILE" if configs.is_marked(kind, name, configs.FILE) else None,
                **({"is_flag": True} if is_flag else {"type": FieldType(kind, name)}),
            )
        )
    return made
