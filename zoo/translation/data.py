"""Sentence pairs: where they come from, how they are read, what is left out."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from zoo.datasets import PublicFile, locate
from zoo.errors import ZooError
from zoo.translation import numbers

NUMBER_PAIRS = 12_000
# The part of a user's pairs that is held out, once to validate and once to test.
HELD_OUT_SHARE = 0.05
HELD_OUT_MOST = 1000
LONGEST_LINE = 4000  # characters; longer lines are no sentences

SPLITS = ("train", "validation", "test")
Pair = tuple[str, str]

MULTI30K_LICENCE = "not stated; research use"
_MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
_MULTI30K_SHA256 = {
    "train.en": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.fr": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "val.en": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.fr": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "test_2016_flickr.en": (
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"
    ),
    "test_2016_flickr.de": (
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"
    ),
    "test_2016_flickr.fr": (
        "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90"
    ),
}
MULTI30K = {
    name: PublicFile(
        name=f"multi30k/{name}.gz",
        url=f"{_MULTI30K}{name}.gz",
        sha256=sha256,
        licence=MULTI30K_LICENCE,
    )
    for name, sha256 in _MULTI30K_SHA256.items()
}
MULTI30K_SPLITS = {
    "train": "train",
    "validation": "val",
    "test": "test_2016_flickr",
}

DATASETS = {
    "numbers": "English numbers, dates, times -> German, made by rule",
    "multi30k": "29,000 captions of pictures, with --pair; test 2016",
}
LICENCES = {
    "numbers": "made by rule; that of the project",
    "multi30k": MULTI30K_LICENCE,
}
DEFAULT_DATASET = "numbers"
PAIRS = ("en-de", "de-en", "en-fr", "fr-en")
DEFAULT_PAIR = "en-de"


@dataclass(frozen=True)
class Corpus:
    """Sentence pairs in three splits.

    Attributes:
        name: the dataset's name, with the pair where it has several.
        splits: "train", "validation", "test" -> pairs (source, target).
        split_names: what the publisher calls the splits.
        notes: for the reader: what was left out, and how much.
    """

    name: str
    splits: dict[str, list[Pair]]
    split_names: dict[str, str] = field(
        default_factory=lambda: {name: name for name in SPLITS}
    )
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for name in SPLITS:
            for source, target in self.splits[name]:
                digest.update(f"{name}\t{source}\t{target}\n".encode())
        return digest.hexdigest()


def load(dataset: str, pair: str | None = None) -> Corpus:
    """Load a dataset by name.

    Args:
        dataset: a name in `DATASETS`.
        pair: a name in `PAIRS`, where the dataset has several.

    Raises:
        ZooError: a name is unknown, or the sentences cannot be had.
    """
    if dataset == "numbers":
        return _numbers()
    if dataset == "multi30k":
        return _multi30k(pair or DEFAULT_PAIR)
    raise ZooError(
        f"unknown dataset {dataset!r}; expected one of {', '.join(DATASETS)}, or two "
        f"files with --source and --target"
    )


def from_files(source: Path, target: Path) -> Corpus:
    """Pairs out of two files; the last ones are held out.

    Raises:
        ZooError: a file cannot be read, or they do not fit each other.
    """
    pairs, notes = aligned(read_lines(source), read_lines(target), source, target)
    held_out = min(HELD_OUT_MOST, max(1, round(len(pairs) * HELD_OUT_SHARE)))
    if len(pairs) < 3:
        raise ZooError(
            f"{source} and {target} have {len(pairs)} usable pairs of sentences; "
            f"expected at least 3: to train on, to validate, to test"
        )
    return Corpus(
        f"{source.name} -> {target.name}",
        {
            "train": pairs[: -2 * held_out],
            "validation": pairs[-2 * held_out : -held_out],
            "test": pairs[-held_out:],
        },
        notes=tuple(notes),
    )


def aligned(
    sources: list[str], targets: list[str], source: Path, target: Path
) -> tuple[list[Pair], list[str]]:
    """Line n of one file with line n of the other, but for what is no sentence.

    Returns:
        The pairs, and a note for each reason for which some were left out.

    Raises:
        ZooError: the files have different numbers of lines.
    """
    if len(sources) != len(targets):
        raise ZooError(
            f"{source} has {len(sources)} lines and {target} has {len(targets)}; "
            f"expected as many: line n of one translates line n of the other"
        )
    pairs: list[Pair] = []
    empty = long = 0
    for pair in zip(sources, targets, strict=True):
        if not all(pair):
            empty += 1
        elif max(map(len, pair)) > LONGEST_LINE:
            long += 1
        else:
            pairs.append(pair)
    notes = []
    if empty:
        notes.append(f"{empty} pairs skipped: a line is empty")
    if long:
        notes.append(f"{long} pairs skipped: a line has over {LONGEST_LINE} characters")
    return pairs, notes


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file, gzipped or not, each trimmed, spaces made single.

    Raises:
        ZooError: the file cannot be read, is not UTF-8, or is empty.
    """
    opened: Callable[[], bytes] = path.read_bytes
    if path.suffix == ".gz":
        opened = partial(_unzipped, path)
    try:
        content = opened()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ZooError(
            f"{path} is not UTF-8: byte {error.start} is "
            f"0x{error.object[error.start]:02x} ({error.reason}); convert it first"
        ) from error
    except OSError as error:
        raise ZooError(f"cannot read {path}: {error.strerror or error}") from error
    if not text:
        raise ZooError(f"{path} is empty; expected one sentence a line")
    return [sentence(line) for line in text.removesuffix("\n").split("\n")]


def sentence(line: str) -> str:
    """A line as the model reads it: trimmed, with single spaces."""
    return " ".join(line.split())


def _unzipped(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ZooError(f"{path} is damaged: {error}; get it again") from error


def _numbers() -> Corpus:
    pairs = numbers.pairs(NUMBER_PAIRS)
    return Corpus(
        "numbers",
        {
            "train": pairs[:-1000],
            "validation": pairs[-1000:-500],
            "test": pairs[-500:],
        },
    )


def _multi30k(pair: str) -> Corpus:
    if pair not in PAIRS:
        raise ZooError(f"unknown pair {pair!r}; expected one of {', '.join(PAIRS)}")
    source, target = pair.split("-")
    splits: dict[str, list[Pair]] = {}
    notes: list[str] = []
    for split, name in MULTI30K_SPLITS.items():
        files = [locate(MULTI30K[f"{name}.{side}"]) for side in (source, target)]
        splits[split], more = aligned(
            read_lines(files[0]), read_lines(files[1]), files[0], files[1]
        )
        notes += [f"{name}: {note}" for note in more]
    return Corpus(f"multi30k {pair}", splits, MULTI30K_SPLITS, tuple(notes))
