"""Command line of speech. Keras is imported once the backend is set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import backend as backends
from zoo.errors import ZooError
from zoo.old_programs import Card
from zoo.options import (
    backend_option,
    common_settings,
    json_option,
    print_json,
    run_argument,
    run_training,
    training_options,
)
from zoo.speech.config import DEFAULT_TASK, SIZES, TASKS, for_task, parameters

if TYPE_CHECKING:
    from zoo.speech.train import Trained

DATASETS = {
    "synthetic": "digits from a formant synthesiser, 6 voices; made on the spot",
    "fsdd": "Free Spoken Digit Dataset, 3,000 recordings of 6 speakers, CC BY-SA 4.0",
}
DEFAULT_DATASET = "synthetic"

CARD = Card(
    summary="spoken digits: one (--task digits), or strings with CTC (--task strings)",
    sizes={
        f"{size}, {task}": parameters(for_task(config, task))
        for task in TASKS
        for size, config in SIZES.items()
    },
    datasets=DATASETS,
)


@click.command()
@training_options(SIZES, DATASETS, DEFAULT_DATASET)
@click.option(
    "--task",
    type=click.Choice(list(TASKS)),
    default=DEFAULT_TASK,
    show_default=True,
    help="; ".join(f"{name}: {what}" for name, what in TASKS.items()) + ".",
)
@click.option(
    "--hold-out",
    metavar="SPEAKER",
    help="Train on the other speakers, test on this one.  [default: split by takes]",
)
@click.pass_context
def train(
    context: click.Context, /, task: str, hold_out: str | None, **options: Any
) -> None:
    """Train a recogniser of spoken digits."""
    from zoo.speech.train import PROGRAM, Settings

    settings = Settings(**common_settings(options, SIZES), task=task, hold_out=hold_out)
    run_training(context, PROGRAM, settings, options)


@click.command()
@run_argument
@click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="The part of the data to measure on; validation chose the weights.",
)
@json_option
@backend_option
def evaluate(run: str, split: str, as_json: bool, backend: str | None) -> None:
    """Measure accuracy (digits) or word error rate (strings) on recordings."""
    trained = _open(run, backend)
    from zoo.speech import use

    figures = use.evaluate(trained, split)
    if as_json:
        print_json(figures)
        return
    rate = "accuracy" if trained.config.task == "digits" else "wer"
    print(
        f"{figures['dataset']} {figures['task']}, {figures['split']}: "
        f"{rate} {figures[rate]:.2%}, {figures['nats']:.4f} nats a recording; "
        f"{figures['digits']:,} digits in {figures['examples']:,} recordings, "
        f"{figures['seconds']:.1f} s"
    )


@click.command()
@run_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--stream",
    "streaming",
    is_flag=True,
    help="Hear the file 20 ms at a time, and show what was said so far.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Draw the features and the posteriors of the file.",
)
@json_option
@backend_option
def predict(
    run: str,
    files: tuple[Path, ...],
    streaming: bool,
    plot: Path | None,
    as_json: bool,
    backend: str | None,
) -> None:
    """Recognise the digits in audio files, of any rate and format.

    A FILE that ends in .npy holds log-mel frames instead.
    """
    if len(files) > 1 and (streaming or plot):
        option = "--stream" if streaming else "--plot"
        raise click.UsageError(f"{option} takes one file, {len(files)} were given")
    if streaming and plot:
        raise click.UsageError("--stream and --plot exclude each other: give one")
    if plot:
        from zoo.speech import plots

        plots.require_format(plot)
    if streaming:
        _stream(run, files[0], as_json, backend)
        return
    trained = _open(run, backend, files)
    from zoo.speech import use

    recogniser = use.Recogniser(trained)
    found = []
    for file in files:
        begun = time.perf_counter()
        (recognised,) = recogniser([file])
        seconds = round(time.perf_counter() - begun, 3)
        found.append({"file": str(file), **recognised.as_json(), "took": seconds})
        if not as_json:
            print(f"{file}: {recognised.text or '(nothing)'}")
        if plot:
            title = f"{file.name}: {recognised.text or '(nothing)'}"
            plots.recognition(recognised, trained.config.mels, title, plot)
    if as_json:
        print_json({"task": trained.config.task, "files": found})


def _stream(run: str, file: Path, as_json: bool, backend: str | None) -> None:
    """Print the transcript each time it has grown."""
    trained = _open(run, backend, [file])
    from zoo.speech import audio, use

    if file.suffix == ".npy":
        raise ZooError(f"{file} holds no audio; --stream expects an audio file")
    rows: list[dict[str, Any]] = []
    for seconds, heard in use.stream(trained, audio.read(file)):
        if len(heard) > len(rows):
            rows += [
                {"digit": one.digit, "heard_at": round(seconds, 3)}
                for one in heard[len(rows) :]
            ]
            if not as_json:
                text = " ".join(str(one.digit) for one in heard)
                print(f"{seconds:6.2f} s  {text}", flush=True)
    if as_json:
        digits = [row["digit"] for row in rows]
        print_json({"file": str(file), "digits": digits, "stream": rows})
    elif not rows:
        print("(nothing)")


def _open(run: str, backend: str | None, files: Any = ()) -> Trained:
    """Open a run or a preset and start Keras; a missing file is told before that."""
    from zoo.speech.train import PROGRAM
    from zoo.trained import open_trained

    trained = open_trained(PROGRAM, run)
    for file in files:
        from zoo.speech.audio import require_file

        require_file(file)
    backends.use(backends.chosen(backend))
    return trained
