"""The leave-one-speaker-out table: how well is a voice heard that was never heard?

``python -m zoo.speech.speakers --dataset fsdd --size small``

One training for each speaker, who is left out of it and then is the test set. A row
stands in ``speakers.csv`` as soon as its training has ended. The command may be killed
at any moment; given again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from zoo import extra
from zoo.errors import ZooError
from zoo.files import write_text
from zoo.speech.config import SIZES, TASKS
from zoo.speech.data import DATASETS, load, speakers_of
from zoo.training.runs import RunFolder

FIELDS = ("speaker", "figure", "test", "validation", "seconds", "command")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train once without each speaker; show the table and its mean."""
    parser = argparse.ArgumentParser(
        "python -m zoo.speech.speakers",
        description="Train once without each speaker; show the table and its mean.",
        epilog="All other options of `python -m zoo train speech` are passed on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--dataset", choices=list(DATASETS), default="fsdd")
    parser.add_argument("--task", choices=TASKS, default=TASKS[0])
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--variant", default="keras")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder of the runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    known, rest = parser.parse_known_args(arguments)
    try:
        extra.require()
        table(known, rest)
    except (ImportError, ZooError) as error:
        print(f"zoo: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, ZooError) else 2
    return 0


def table(known: argparse.Namespace, rest: Sequence[str]) -> None:
    """Train, and write a row of the table behind each training.

    Args:
        known: the options that this command has itself.
        rest: those that it passes on.

    Raises:
        ZooError: the dataset cannot be had, or a training failed.
    """
    named = {
        name: str(getattr(known, name))
        for name in ("dataset", "task", "size", "variant", "seed")
    }
    out = known.out or Path("runs") / "-".join(["speakers", *named.values()])
    out.mkdir(parents=True, exist_ok=True)
    options = [word for name, value in named.items() for word in (f"--{name}", value)]
    rows: list[dict[str, Any]] = []
    for speaker in speakers_of(load(known.dataset)):
        rows.append(_row(speaker, [*options, *rest], out / speaker))
        text = io.StringIO()
        writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(out / "speakers.csv", text.getvalue())
        if not known.json:
            print(f"{speaker}: {rows[-1]['figure']} {rows[-1]['test']:.4f}")
    figure, average = rows[0]["figure"], mean(row["test"] for row in rows)
    if not known.json:
        print(f"mean: {figure} {average:.4f} -> {out / 'speakers.csv'}")
        return
    facts = {
        figure: average,
        "speakers": {row["speaker"]: row["test"] for row in rows},
        "dataset": known.dataset,
        "split": "each speaker in turn, mean",
        "seconds": sum(row["seconds"] for row in rows),
    }
    print(json.dumps(facts))


def _row(speaker: str, options: Sequence[str], out: Path) -> dict[str, Any]:
    """Train without `speaker`, if that has not been done; the row of the table.

    Raises:
        ZooError: the training failed; its own line says why.
    """
    command = [*("train", "speech"), *options, "--hold-out", speaker, "--out", str(out)]
    if not RunFolder(out).result.is_file():
        # A process of its own: each training starts alike, whatever ran before it.
        resume = ["--resume"] if (out / "settings.json").is_file() else []
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *command, *resume], stdout=sys.stderr
        )
        if done.returncode != 0:
            raise ZooError(
                f"the training without {speaker} ended with exit code "
                f"{done.returncode}; the same command goes on where it was"
            )
    result = json.loads(RunFolder(out).result.read_text(encoding="utf-8"))
    figure = "accuracy" if "test_accuracy" in result else "wer"
    return {
        "speaker": speaker,
        "figure": figure,
        "test": result[f"test_{figure}"],
        "validation": result[f"validation_{figure}"],
        "seconds": result["seconds"],
        "command": "python -m zoo " + " ".join(command),
    }


if __name__ == "__main__":
    sys.exit(main())
