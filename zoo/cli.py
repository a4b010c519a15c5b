"""The commands of ``python -m zoo``, and what becomes of their errors."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zoo.backend import chosen
from zoo.errors import ZooError, one_line
from zoo.files import FULL, why
from zoo.options import backend_option, run_argument
from zoo.programs import PROGRAMS, command
from zoo.sweep import sweep


def _known(program: str) -> None:
    if program not in PROGRAMS:
        raise click.UsageError(
            f"unknown program {program!r}; expected one of {', '.join(PROGRAMS)}"
        )


class Action(click.Group):
    """One verb; its commands are the programs, imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(PROGRAMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PROGRAMS:
            return None
        return command(cmd_name, str(self.name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            raise click.UsageError(
                f"{self.name}: no program; expected one of {', '.join(PROGRAMS)}"
            )
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        _known(args[0])
        return super().resolve_command(ctx, args)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def zoo(context: click.Context) -> None:
    """Train, evaluate and use models built from keras_gru.GRU on real data."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@zoo.command("list")
def list_all() -> None:
    """Show programs, sizes, parameters, datasets and presets."""
    from rich.console import Console

    from zoo import listing

    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(listing.programs())
    console.print(listing.presets())


@zoo.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.argument("name")
@click.option("--note", default="", help="A paragraph for the card.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the preset's folder goes.  [default: zoo/presets]",
)
@backend_option
def preset(
    run: Path, name: str, note: str, into: Path | None, backend: str | None
) -> None:
    """Make the preset NAME from the finished run in the folder RUN.

    Its weights are stored in float16 and used in float32; its figures are measured
    again with the weights as stored.
    """
    from zoo.presets.make import make

    folder = make(run, name, chosen(backend), into=into, note=note)
    print((folder / "card.md").read_text(encoding="utf-8"))
    print(f"-> {folder}")


@zoo.command()
@click.argument("program")
@run_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "saved_model"]),
    default="onnx",
    show_default=True,
    help="What to write.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File or folder to write.  [default: RUN/RUN.onnx, or of a preset "
    "runs/export/PRESET.onnx; .saved_model in the place of .onnx]",
)
@backend_option
def export(
    program: str, run: str, form: str, out: Path | None, backend: str | None
) -> None:
    """Write a model for use without Python: plain operations only."""
    from zoo.exporting import export as write

    _known(program)
    print(f"-> {write(program, run, form, chosen(backend), out)}")


zoo.add_command(sweep)

for _name, _help in (
    ("train", "Train a program's model; a killed run goes on with --resume."),
    ("evaluate", "Measure a trained model."),
    ("predict", "Use a trained model."),
):
    zoo.add_command(Action(_name, help=_help, no_args_is_help=False))


def run(arguments: list[str] | None) -> int:
    """Run one command, as `zoo.__main__.main` says."""
    try:
        result = zoo.main(
            args=arguments, prog_name="python -m zoo", standalone_mode=False
        )
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except ZooError as error:
        return _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped; a training goes on with --resume", 130)
    except OSError as error:  # a full disk, a folder that lost its rights
        full = "; make room, and a training goes on with --resume"
        advice = full if error.errno in FULL else ""
        return _fail(f"{type(error).__name__}: {why(error)}{advice}", 2)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    print(f"zoo: {one_line(message)}", file=sys.stderr)
    return code
