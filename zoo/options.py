"""Command-line options that several commands of the zoo take."""

from __future__ import annotations

import click

from zoo.backend import BACKENDS

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
