"""Command line of the language model. Keras is imported once the backend is set."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zoo import backend as backends
from zoo.language_model.config import SIZES, parameters
from zoo.language_model.data import DATASETS, DEFAULT_DATASET
from zoo.options import (
    backend_option,
    common_settings,
    given,
    run_argument,
    run_training,
    training_options,
)
from zoo.programs import Card

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
@click.pass_context
def train(context: click.Context, /, text: Path | None, **options: Any) -> None:
    """Train a character language model."""
    from zoo.language_model.train import PROGRAM, Settings

    if given(context, "text", "dataset") == {"text", "dataset"}:
        raise click.UsageError("--text and --dataset exclude each other: give one")
    common = common_settings(options, SIZES)
    if text:
        common["dataset"] = None
    settings = Settings(**common, text=str(text.resolve()) if text else None)
    run_training(context, PROGRAM, settings, options, together=("text", "dataset"))


@click.command()
@run_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@backend_option
def evaluate(run: Path, as_json: bool, backend: str | None) -> None:
    """Measure the loss of a run's best weights on its validation text."""
    from zoo.language_model import use

    figures = use.evaluate(run, backends.chosen(backend))
    if as_json:
        print(json.dumps(figures))
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
    "--length",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Characters to draw.",
)
@click.option(
    "--temperature",
    type=float,
    default=0.8,
    show_default=True,
    help="Below 1 bolder, above 1 flatter; 0 always takes the most probable.",
)
@click.option("--top-k", type=int, help="Draw from the K most probable characters.")
@click.option(
    "--top-p", type=float, help="Draw from the fewest that hold this probability."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@backend_option
def predict(
    run: Path,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    backend: str | None,
) -> None:
    """Write text, character by character, from a run's best weights."""
    from zoo.language_model import use

    characters = use.predict(
        run,
        backends.chosen(backend),
        prompt,
        length,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
    )
    first = next(characters)  # an unknown character in the prompt is told before it
    sys.stdout.write(prompt + first)
    for character in characters:
        sys.stdout.write(character)
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()
