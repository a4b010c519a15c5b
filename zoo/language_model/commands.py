"""Command line of the language model. Keras is imported once the backend is set."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zoo import backend as backends
from zoo.errors import ZooError
from zoo.language_model.config import SIZES, parameters
from zoo.language_model.data import DATASETS, DEFAULT_DATASET
from zoo.options import (
    backend_option,
    common_settings,
    given,
    json_option,
    print_json,
    run_argument,
    run_training,
    training_options,
)
from zoo.programs import Card
from zoo.trained import open_trained

SHAKESPEARE_CHARACTERS = 65

CARD = Card(
    summary="the next character of a text",
    sizes={
        name: parameters(replace(config, vocabulary_size=SHAKESPEARE_CHARACTERS))
        for name, config in SIZES.items()
    },
    datasets={**DATASETS, "--text FILE": "any UTF-8 file, split 90/10"},
)


@click.command()
@training_options(SIZES, DATASETS, DEFAULT_DATASET)
@click.option(
    "--text",
    type=click.Path(path_type=Path),
    help="Train on this UTF-8 file, not on a dataset.",
)
@click.option(
    "--tokens",
    type=click.Choice(["char", "bpe", "word"]),
    default="char",
    show_default=True,
    help="What the text is cut into: characters, byte pairs, or words.",
)
@click.option(
    "--vocabulary",
    type=click.IntRange(min=256),
    default=2048,
    show_default=True,
    help="How many byte pairs or words.",
)
@click.pass_context
def train(
    context: click.Context,
    /,
    text: Path | None,
    tokens: str,
    vocabulary: int,
    **options: Any,
) -> None:
    """Train a language model on characters, byte pairs or words."""
    from zoo.language_model.train import PROGRAM, Settings

    if given(context, "text", "dataset") == {"text", "dataset"}:
        raise click.UsageError("--text and --dataset exclude each other: give one")
    common = common_settings(options, SIZES)
    if text:
        common["dataset"] = None
    settings = Settings(
        **common,
        text=str(text.resolve()) if text else None,
        tokens=tokens,
        vocabulary=vocabulary,
    )
    run_training(context, PROGRAM, settings, options, together=("text", "dataset"))


@click.command()
@run_argument
@json_option
@backend_option
def evaluate(run: str, as_json: bool, backend: str | None) -> None:
    """Measure the loss on the validation text, per character."""
    from zoo.language_model.train import PROGRAM

    trained = open_trained(PROGRAM, run)
    backends.use(backends.chosen(backend))
    figures = PROGRAM.evaluate(trained)
    if as_json:
        print_json(figures)
    else:
        print(
            f"{figures['dataset']} {figures['split']}: {figures['nats']:.4f} nats, "
            f"{figures['bits_per_char']:.4f} bits per character, "
            f"{figures['characters']:,} characters in {figures['seconds']:.1f} s"
        )


@click.command()
@run_argument
@click.option("--prompt", default="\n", help="Text to go on from.  [default: newline]")
@click.option(
    "--interactive",
    is_flag=True,
    help="Take prompts from standard input, a line each, until its end.",
)
@click.option(
    "--length",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Characters, or pieces, to draw.",
)
@click.option(
    "--temperature",
    type=float,
    default=0.8,
    show_default=True,
    help="Below 1 bolder, above 1 flatter; 0 always takes the most probable.",
)
@click.option("--top-k", type=int, help="Draw from the K most probable.")
@click.option(
    "--top-p", type=float, help="Draw from the fewest that hold this probability."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@json_option
@backend_option
def predict(
    run: str,
    prompt: str,
    interactive: bool,
    length: int,
    as_json: bool,
    backend: str | None,
    **drawing: Any,
) -> None:
    """Write text that goes on from a prompt."""
    from zoo.language_model.train import PROGRAM, tokens_of

    if interactive and as_json:
        raise click.UsageError("--interactive and --json exclude each other: give one")
    trained = open_trained(PROGRAM, run)
    tokens_of(trained.extras).encode(prompt)  # told before Keras starts
    backends.use(backends.chosen(backend))
    writer = PROGRAM.predictor(trained)
    if interactive:
        for line in _prompts():
            try:
                _write(line, writer.stream(line, length, **drawing))
            except ZooError as error:  # this prompt is wrong, the next may be right
                print(f"zoo: {error}", file=sys.stderr)
    elif as_json:
        begun = time.perf_counter()
        text = writer(prompt, length, **drawing)
        seconds = round(time.perf_counter() - begun, 3)
        print_json({"prompt": prompt, "text": text, "seconds": seconds})
    else:
        _write(prompt, writer.stream(prompt, length, **drawing))


def _prompts() -> Iterator[str]:
    """Lines of standard input; a terminal shows where to type."""
    sign = "> " if sys.stdin.isatty() else ""
    while True:
        print(sign, end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line.removesuffix("\n") or "\n"


def _write(prompt: str, pieces: Iterator[str]) -> None:
    """Write each piece when it is there."""
    first = next(pieces)  # what is wrong with a setting is told before anything
    sys.stdout.write(prompt + first)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()
