"""Command line of the language model. Keras is imported once the backend is set."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click

from zoo import backend as backends
from zoo.language_model.config import SIZES, parameters
from zoo.language_model.data import DATASETS, DEFAULT_DATASET
from zoo.options import backend_option, given, run_argument, training_options
from zoo.programs import Card

PROGRAM = "language_model"
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
def train(
    context: click.Context,
    size: str,
    dataset: str,
    variant: str,
    seed: int,
    epochs: int | None,
    out: Path | None,
    resume: bool,
    checkpoint_seconds: float,
    record: bool,
    backend: str | None,
    text: Path | None,
) -> None:
    """Train a character language model."""
    from zoo.language_model import train as training

    typed = given(context, "size", "dataset", "variant", "seed", "epochs", "text")
    if "text" in typed and "dataset" in typed:
        raise click.UsageError("--text and --dataset exclude each other: give one")
    settings = training.Settings(
        size=size,
        dataset=None if text else dataset,
        text=str(text.resolve()) if text else None,
        variant=variant,
        seed=seed,
        epochs=epochs or SIZES[size].epochs,
        backend=backends.chosen(backend),
    )
    out = out or training.default_folder(settings)
    how = training.Bookkeeping(checkpoint_seconds, record)
    if resume:
        training.resume(out, settings, set(typed) | _backend_typed(backend), how)
    else:
        training.start(out, settings, how)


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


def _backend_typed(backend: str | None) -> set[str]:
    """KERAS_BACKEND is a choice of the user's as much as --backend is."""
    import os

    return {"backend"} if backend or os.environ.get("KERAS_BACKEND") else set()
