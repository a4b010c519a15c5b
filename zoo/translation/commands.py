"""Command line of the translation program. Keras is imported once it is needed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from zoo import backend as backends
from zoo.errors import ZooError
from zoo.old_programs import Card
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
from zoo.trained import open_trained
from zoo.translation.config import SIZES, parameters
from zoo.translation.data import (
    DATASETS,
    DEFAULT_DATASET,
    DEFAULT_PAIR,
    LONGEST_LINE,
    PAIRS,
    SPLITS,
    sentence,
)

# Lines that are read before the first are translated.
LINES_AT_ONCE = 256

CARD = Card(
    summary="a sentence into another language",
    sizes={name: parameters(config) for name, config in SIZES.items()},
    datasets={
        **DATASETS,
        "--source FILE --target FILE": "any two UTF-8 files, aligned line by line",
    },
)

beam_option = click.option(
    "--beam",
    type=click.IntRange(min=1, max=64),
    default=5,
    show_default=True,
    help="Hypotheses of a sentence that go on side by side; 1 is greedy search.",
)
length_penalty_option = click.option(
    "--length-penalty",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Scores are divided by length to this power; 0 favours short translations.",
)


@click.command()
@training_options(SIZES, DATASETS, DEFAULT_DATASET)
@click.option(
    "--pair",
    type=click.Choice(PAIRS),
    help=f"Languages of --dataset multi30k, from-to.  [default: {DEFAULT_PAIR}]",
)
@click.option(
    "--source",
    "source_file",
    type=click.Path(path_type=Path),
    help="Train on this UTF-8 file, a sentence a line, and not on a dataset.",
)
@click.option(
    "--target",
    "target_file",
    type=click.Path(path_type=Path),
    help="The translations of --source, line by line.",
)
@click.pass_context
def train(
    context: click.Context,
    /,
    pair: str | None,
    source_file: Path | None,
    target_file: Path | None,
    **options: Any,
) -> None:
    """Train a translation model."""
    from zoo.translation.train import PROGRAM, Settings

    if (source_file is None) != (target_file is None):
        raise click.UsageError("--source and --target go together: give both or none")
    common = common_settings(options, SIZES)
    if source_file and target_file:
        if given(context, "dataset", "pair"):
            raise click.UsageError(
                "--source and --target stand for a dataset: leave --dataset and "
                "--pair out"
            )
        common["dataset"] = None
    elif common["dataset"] == "multi30k":
        pair = pair or DEFAULT_PAIR
    elif pair and given(context, "dataset"):
        raise click.UsageError(
            f"--pair {pair} goes with --dataset multi30k, not with {common['dataset']}"
        )
    elif pair:
        common["dataset"] = "multi30k"
    settings = Settings(
        **common,
        pair=pair,
        source_file=str(source_file.resolve()) if source_file else None,
        target_file=str(target_file.resolve()) if target_file else None,
    )
    run_training(
        context,
        PROGRAM,
        settings,
        options,
        together=("dataset", "pair", "source_file", "target_file"),
    )


@click.command()
@run_argument
@click.option(
    "--split",
    type=click.Choice(SPLITS[1:]),
    default="test",
    show_default=True,
    help="Which held-out sentences to translate.",
)
@beam_option
@length_penalty_option
@json_option
@backend_option
def evaluate(
    run: str,
    split: str,
    beam: int,
    length_penalty: float,
    as_json: bool,
    backend: str | None,
) -> None:
    """Measure BLEU and chrF of a model's translations."""
    from zoo.translation.train import PROGRAM

    trained = open_trained(PROGRAM, run)
    backends.use(backends.chosen(backend))
    figures = PROGRAM.evaluate(
        trained, split=split, beam=beam, length_penalty=length_penalty
    )
    if as_json:
        print_json(figures)
        return
    print(
        f"{figures['dataset']} {figures['split']}: BLEU {figures['bleu']:.2f}, "
        f"chrF {figures['chrf']:.2f}, {figures['accuracy']:.1%} of "
        f"{figures['sentences']:,} sentences exact, beam {beam}, "
        f"{figures['seconds']:.1f} s\n{figures['signature']}"
    )


@click.command()
@run_argument
@beam_option
@length_penalty_option
@click.option(
    "--attention",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw what each subword of the first translation looked at, as a PNG.",
)
@json_option
@backend_option
def predict(
    run: str,
    beam: int,
    length_penalty: float,
    attention: Path | None,
    as_json: bool,
    backend: str | None,
) -> None:
    """Translate standard input, line by line."""
    from zoo.translation.train import PROGRAM

    trained = open_trained(PROGRAM, run)
    backends.use(backends.chosen(backend))
    from zoo.translation.alignment import draw
    from zoo.translation.use import translator

    translate = translator(trained, beam, length_penalty)
    begun = time.perf_counter()
    found: list[dict[str, Any]] = []
    lines = _lines()
    # On a terminal each line is answered at once.
    while batch := list(islice(lines, 1 if sys.stdin.isatty() else LINES_AT_ONCE)):
        made = translate(batch)
        shown = next((each for each in made if each.pieces), None)
        if attention is not None and shown is not None:
            draw(shown, attention)
            attention = None  # drawn
        for each in made:
            if as_json:
                found.append(
                    {
                        "source": each.source,
                        "translation": each.text,
                        "score": each.score,
                    }
                )
            else:
                print(each.text)
        sys.stdout.flush()
    if attention is not None:
        raise ZooError(f"--attention {attention}: standard input has no sentence")
    if as_json:
        seconds = round(time.perf_counter() - begun, 3)
        print_json({"translations": found, "beam": beam, "seconds": seconds})


def _lines() -> Iterator[str]:
    """Sentences of standard input.

    Raises:
        ZooError: it is not UTF-8.
    """
    number = 0
    while line := sys.stdin.buffer.readline():
        number += 1
        try:
            text = sentence(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise ZooError(
                f"standard input is not UTF-8: line {number}, byte {error.start} is "
                f"0x{error.object[error.start]:02x}; convert it first"
            ) from error
        if len(text) > LONGEST_LINE:
            print(
                f"note: line {number} has {len(text):,} characters; only the first "
                f"{LONGEST_LINE:,} are translated",
                file=sys.stderr,
            )
        yield text[:LONGEST_LINE]
