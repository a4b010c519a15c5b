"""The commands of ``python -m zoo``, and what becomes of their errors.

The options of a program are made of its dataclasses (`zoo.config`): a field is an
option, its docstring the help, its type the check. click reads `default_map` for the
defaults, which is where ``--size`` puts the size's configuration.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from zoo import backend as backends
from zoo import config as configs
from zoo.backend import chosen
from zoo.config import Checked, NotNegative, Program, Seed
from zoo.errors import ZooError, one_line
from zoo.files import FULL, why
from zoo.options import backend_option, given, json_option, known, options_of
from zoo.presets.saved import open_saved, reopen
from zoo.programs import PROGRAMS, module
from zoo.sweeps.command import sweep
from zoo.training.runs import Run, RunFolder


@dataclass(frozen=True)
class Start(Checked):
    """How a training is begun.

    Attributes:
        seed: decides initial weights, order of the data, dropout and samples.
        out: run folder; by default runs/PROGRAM-DATASET-SIZE-VARIANT-SEED.
        resume: go on with the run in --out; its settings hold.
        checkpoint_seconds: the most work that a kill may cost; no effect on the
            weights.
    """

    seed: Seed = 0
    out: str | None = None
    resume: bool = False
    checkpoint_seconds: NotNegative = 15.0


def train_command(name: str, program: Program) -> click.Command:
    """``zoo train`` of a program."""

    def take_size(context: click.Context, _: click.Parameter, size: str) -> str:
        typed = context.default_map or {}
        context.default_map = {**vars(program.sizes[size]), **typed}
        return size

    def take_preset(
        context: click.Context, _: click.Parameter, source: str | None
    ) -> str | None:
        if source is not None:
            found = vars(open_saved(source, name).config)
            context.default_map = {**(context.default_map or {}), **found}
        return source

    def run(**values: Any) -> None:
        _train(name, program, click.get_current_context(), values)

    own = [
        click.Option(
            ["--size"],
            type=click.Choice(list(program.sizes)),
            default=next(iter(program.sizes)),
            show_default=True,
            is_eager=True,
            callback=take_size,
            help="Gives the defaults of all that is below.",
        ),
        click.Option(
            ["--from-preset"],
            metavar="RUN|PRESET",
            is_eager=True,
            callback=take_preset,
            help="Go on from its weights, with its configuration (fine-tuning).",
        ),
        *options_of(program.source),
        *options_of(Start),
    ]
    command = click.Command(
        "train",
        callback=run,
        params=[*own, *options_of(program.config, next(iter(program.sizes.values())))],
        help=f"Train: {program.summary}.",
    )
    return backend_option(command)


def _train(
    name: str, program: Program, context: click.Context, values: dict[str, Any]
) -> None:
    """Start or resume the training that the options describe."""
    config_names = configs.options(program.config)
    source_names = configs.options(program.source)
    source = program.source(**{name: values[name] for name in source_names})
    typed = given(context, *config_names, "size", "seed", "from_preset")
    settings = {"size": values["size"], "seed": values["seed"]}
    settings |= {"from_preset": values["from_preset"], **vars(source)}
    if given(context, *source_names):
        typed |= set(source_names)
    backend = chosen(values["backend"])
    # KERAS_BACKEND is a choice of the user's as much as --backend is.
    if values["backend"] or os.environ.get("KERAS_BACKEND"):
        typed.add("backend")
    settings["backend"] = backend
    config = program.config(**{name: values[name] for name in config_names})
    extras = None
    if values["from_preset"]:
        before = open_saved(values["from_preset"], name)
        extras = before.extras
        same = {"tokens", "vocabulary"} & given(context, *config_names)
        if same:
            raise click.UsageError(
                f"--{sorted(same)[0]} and --from-preset exclude each other: the "
                f"preset has its own"
            )
        if "size" not in typed:
            settings["size"] = values["size"] = before.settings["size"]
    folder = values["out"] or (
        f"runs/{name}-{program.label(config, source)}-{values['size']}-{config.variant}"
        f"-{values['seed']}"
    )
    run = Run(
        program=name,
        config=config,
        source=source,
        size=values["size"],
        seed=values["seed"],
        backend=backend,
        folder=RunFolder(Path(folder)),
        pretrained=values["from_preset"],
        extras=extras,
        checkpoint_seconds=values["checkpoint_seconds"],
    )
    if values["resume"]:
        asked = {**settings, **{name: values[name] for name in config_names}}
        reopen(run, {name: asked[name] for name in asked if name in typed})
        if run.folder.result.is_file():
            print(f"{run.folder.path} is already finished")
            print(run.folder.told())
            return
    backends.use(run.backend)
    module(name, "train").train(run)


def use_command(name: str, action: str, program: Program) -> click.Command:
    """``zoo evaluate`` and ``zoo predict`` of a program."""
    kind = program.evaluate if action == "evaluate" else program.predict
    of_source = configs.options(program.source) if action == "evaluate" else []

    def run(run: str, as_json: bool, backend: str | None, **values: Any) -> None:
        on = {one: values.pop(one) for one in of_source}
        typed = {one: value for one, value in on.items() if value is not None}
        source = program.source(**typed) if typed else None
        options = kind(**values)
        saved = open_saved(run, name)
        backends.use(chosen(backend))
        use = module(name, "use")
        if action == "predict":
            found = use.predict(saved, options, as_json)
        else:
            trained = use.PRETRAINED.from_saved(saved)
            found = trained.evaluate(**vars(options), on=source)
            if not as_json:
                print(use.told(found))
        if as_json:
            print(json.dumps(found))

    params = [click.Argument(["run"], metavar="RUN|PRESET"), *options_of(kind)]
    if action == "evaluate":
        unset = SimpleNamespace(**dict.fromkeys(of_source))
        params += options_of(program.source, unset)
    command = click.Command(
        action,
        callback=run,
        params=params,
        help=(kind.__doc__ or "").partition("\n")[0]
        if action == "predict"
        else f"Measure: {program.summary}.",
    )
    return backend_option(json_option(command))


class Action(click.Group):
    """One verb; its commands are the programs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(PROGRAMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        action = str(self.name)
        if cmd_name not in PROGRAMS:
            return None
        if action == "train":
            return train_command(cmd_name, PROGRAMS[cmd_name])
        return use_command(cmd_name, action, PROGRAMS[cmd_name])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            raise click.UsageError(
                f"{self.name}: no program; expected one of {', '.join(PROGRAMS)}"
            )
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known(args[0])
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

    from zoo.presets import listing

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
@click.argument("run", metavar="RUN|PRESET")
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

    known(program)
    print(f"-> {write(program, run, form, chosen(backend), out)}")


@zoo.command()
@click.argument("program")
@click.argument("run", metavar="RUN|PRESET")
@click.option("--input", "given", required=True, help="A text, or an audio file.")
@click.option("--layer", help="Name of one GRU.  [default: each]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to.  [default: runs/inspect/PROGRAM]",
)
@backend_option
def inspect(
    program: str,
    run: str,
    given: str,
    layer: str | None,
    out: Path | None,
    backend: str | None,
) -> None:
    """Draw the gates and the gradient's way through a model that reads INPUT."""
    from zoo.presets.inspecting import inspect as draw

    known(program)
    for path in draw(program, run, given, layer, chosen(backend), out):
        print(f"-> {path}")


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
