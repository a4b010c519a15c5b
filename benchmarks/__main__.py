"""The command line: `run` measures and reports, `report` reports once more."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from benchmarks.check import WrongResult
from benchmarks.contenders import BACKENDS
from benchmarks.processes import WorkerFailed
from benchmarks.report import report
from benchmarks.run import Options, run

RESULTS = Path(__file__).parent / "results"
QUICK_RESULTS = Path("runs") / "benchmarks"


def main(words: list[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    try:
        if arguments.command == "report":
            path = arguments.csv
        else:
            path = run(_options(arguments, words or sys.argv[1:]))
        for file in report(path):
            print(file)
    except (WrongResult, WorkerFailed, FileNotFoundError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _options(arguments: argparse.Namespace, words: list[str]) -> Options:
    return Options(
        out=arguments.out or (QUICK_RESULTS if arguments.quick else RESULTS),
        backends=_among(BACKENDS, arguments.backends),
        patterns=tuple(arguments.rows),
        threads=tuple(arguments.threads),
        kernels=tuple(arguments.kernels),
        minutes=arguments.minutes,
        quick=arguments.quick,
        again=arguments.again,
        command=shlex.join(["python", "-m", "benchmarks", *words]),
    )


def _among(known: tuple[str, ...], given: list[str]) -> tuple[str, ...]:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"--backends has {unknown}; expected some of {list(known)}.")
    return tuple(name for name in known if name in given)


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    measuring = commands.add_parser("run", help="measure, then report")
    add = measuring.add_argument
    add("--quick", action="store_true", help="tiny shapes: does it work?")
    add(
        "--backends",
        type=_words,
        default=list(BACKENDS),
        help="comma-separated; default all",
    )
    add(
        "--rows",
        type=_words,
        default=[],
        help="comma-separated parts or patterns of row ids, as in "
        "'training/2,growth' or '*x512/keep_*/unmasked/*'; default all",
    )
    cores = len(os.sched_getaffinity(0))
    add(
        "--threads",
        type=_numbers,
        default=[2, 1] if cores > 1 else [1],
        help="comma-separated; the first has all rows, the others keep-after; "
        "default 2,1",
    )
    add(
        "--kernels",
        type=_words,
        default=["auto"],
        help="comma-separated kernels of keras_gru to compare; default auto",
    )
    add("--minutes", type=float, default=28.0, help="to be used in all; default 28")
    add("--again", action="store_true", help="measure also what the files have")
    add("--out", type=Path, help=f"folder of the results; default {RESULTS.name}")

    telling = commands.add_parser("report", help="tables and plots of a CSV file")
    telling.add_argument("csv", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
