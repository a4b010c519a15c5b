"""Sentence pairs: where they come from, what is left out, how they make batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zoo.config import Checked, File
from zoo.datasets import PublicFile, locate, read_text
from zoo.errors import ZooError
from zoo.translation import numbers
from zoo.translation.config import SPLITS, Config
from zoo.translation.subwords import BOS, EOS, HIDDEN, PAD, Subwords

NUMBER_PAIRS = 12_000
# The part of a user's pairs that is held out, once to validate and once to test.
HELD_OUT_SHARE = 0.05
HELD_OUT_MOST = 1000
LONGEST_LINE = 4000  # characters; longer lines are no sentences
# Batches have a multiple of this many rows: few shapes, each compiled once.
ROWS = 8

Pair = tuple[str, str]

LICENCES = {
    "numbers": "made by rule; that of the project",
    "multi30k": "not stated; research use",
}
MULTI30K = {  # name -> file, with the hashes beside this module
    name: PublicFile(
        f"multi30k/{name}",
        f"https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/{name}",
        sha256,
        LICENCES["multi30k"],
    )
    for name, sha256 in map(
        str.split, Path(__file__).with_name("multi30k.txt").read_text().splitlines()
    )
}
MULTI30K_SPLITS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}

DATASETS = {
    "numbers": "English numbers, dates, times -> German, made by rule",
    "multi30k": "29,000 captions of pictures, with --pair; test 2016",
}
DEFAULT_DATASET = "numbers"
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


@dataclass(frozen=True)
class Source(Checked):
    """What a translation model is trained on.

    Attributes:
        dataset: sentence pairs; by default numbers, which needs no network.
        pair: languages of multi30k, from-to; by default en-de.
        source: a UTF-8 file to train on, a sentence a line, in the place of a dataset.
        target: the translations of --source, line by line.
    """

    dataset: Literal["numbers", "multi30k"] | None = None
    pair: Literal["en-de", "de-en", "en-fr", "fr-en"] | None = None
    source: File | None = None
    target: File | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.source) != bool(self.target):
            raise ZooError("--source and --target go together: give both or none")
        if self.source and (self.dataset or self.pair):
            raise ZooError(
                "--source and --target stand for a dataset: leave --dataset and "
                "--pair out"
            )
        if self.pair and self.dataset == "numbers":
            raise ZooError(
                f"--pair {self.pair} goes with --dataset multi30k, not with numbers"
            )
        if not self.source and not self.dataset:
            dataset = "multi30k" if self.pair else DEFAULT_DATASET
            object.__setattr__(self, "dataset", dataset)
        if self.dataset == "multi30k" and not self.pair:
            object.__setattr__(self, "pair", DEFAULT_PAIR)

    @property
    def licence(self) -> str:
        return LICENCES.get(self.dataset or "", "that of the files")

    def load(self) -> Corpus:
        """Load the sentences."""
        if self.source and self.target:
            return from_files(Path(self.source), Path(self.target))
        return _multi30k(self.pair) if self.pair else _numbers()


def label(config: Config, source: Source) -> str:
    """What was learnt from, for the name of a run folder."""
    if source.source:
        return Path(source.source).stem
    return "-".join(filter(None, (source.dataset, source.pair)))


def from_files(source: Path, target: Path) -> Corpus:
    """Pairs out of two files; the last ones are held out."""
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
    """Lines of a UTF-8 file, gzipped or not, each trimmed, spaces made single."""
    text = read_text(path, newline="\n")
    return [sentence(line) for line in text.removesuffix("\n").split("\n")]


def sentence(line: str) -> str:
    """A line as the model reads it: trimmed, with single spaces."""
    return " ".join(line.split())


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
    source, target = pair.split("-")
    splits: dict[str, list[Pair]] = {}
    notes: list[str] = []
    for split, name in MULTI30K_SPLITS.items():
        files = [locate(MULTI30K[f"{name}.{side}.gz"]) for side in (source, target)]
        splits[split], more = aligned(
            read_lines(files[0]), read_lines(files[1]), files[0], files[1]
        )
        notes += [f"{name}: {note}" for note in more]
    return Corpus(f"multi30k {pair}", splits, MULTI30K_SPLITS, tuple(notes))


def padded(
    sentences: Sequence[Sequence[int]], pad_to: int = 1, rows: int = 0
) -> np.ndarray:
    """Ids of unequal length -> int32 (rows, width), filled with `PAD`."""
    width = -(-max(len(sentence) for sentence in sentences) // pad_to) * pad_to
    ids = np.full((max(rows, len(sentences)), width), PAD, dtype=np.int32)
    for row, sentence in zip(ids, sentences, strict=False):
        row[: len(sentence)] = sentence
    return ids


def ends(rows: int, width: int) -> np.ndarray:
    """Ids (rows, width) that are all the end of a sentence, to compile models with."""
    return np.full((rows, width), EOS, dtype=np.int32)


class Buckets:
    """Every pair exactly once an epoch, like lengths together.

    In each epoch the pairs are shuffled, then sorted by their padded lengths, so that
    chance decides between equals; cut into batches of about `tokens` target positions;
    and the batches shuffled. Lengths are the same in every epoch, so the shapes are,
    and so is the number of steps.

    Args:
        sources, targets: ids of the sentences, aligned, without begin and end.
        tokens: most target positions in a batch, padding included.
        pad_to: widths are multiples of it.
        word_dropout: rate at which ids are replaced by `HIDDEN`.
        seed: decides all that chance does.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        *,
        tokens: int,
        pad_to: int,
        word_dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.sources = sources
        self.targets = targets
        self.tokens = tokens
        self.pad_to = pad_to
        self.word_dropout = word_dropout
        self.seed = seed
        self._widths = np.array(
            [
                (_round_up(len(target) + 1, pad_to), _round_up(len(source) + 1, pad_to))
                for source, target in zip(sources, targets, strict=True)
            ]
        )  # (pairs, 2)
        self._epoch = lru_cache(maxsize=1)(self._order)

    @cached_property
    def _cuts(self) -> list[tuple[int, int]]:
        """Where the sorted pairs are cut: (start, stop) of each batch."""
        widths = np.sort(self._widths[:, 0])[::-1]  # the longest first
        cuts, start = [], 0
        while start < len(widths):
            rows = self.tokens // int(widths[start]) // ROWS * ROWS
            stop = min(start + max(rows, ROWS), len(widths))
            cuts.append((start, stop))
            start = stop
        return cuts

    @property
    def steps_per_epoch(self) -> int:
        return len(self._cuts)

    def members(self, step: int) -> np.ndarray:
        """Indices of the pairs of batch `step`."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order, places = self._epoch(epoch)
        return order[slice(*self._cuts[places[position]])]

    def batch(self, step: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Sources and shifted targets, and the targets, each (rows, width) int32."""
        members = self.members(step)
        rows = _round_up(len(members), ROWS)
        source = padded([[*self.sources[i], EOS] for i in members], self.pad_to, rows)
        before = padded([[BOS, *self.targets[i]] for i in members], self.pad_to, rows)
        target = padded([[*self.targets[i], EOS] for i in members], self.pad_to, rows)
        if self.word_dropout > 0:
            random = np.random.default_rng([self.seed, step, 1])
            for ids in (source, before):
                hidden = random.random(ids.shape) < self.word_dropout
                ids[hidden & (ids > HIDDEN)] = HIDDEN
        return (source, before), target

    def example(self, index: int) -> Any:
        """Batches whose shapes differ; see `zoo.training.data.Batches.example`."""
        ids = ends(ROWS * (index + 1), self.pad_to * (index + 1))
        return (ids, ids), ids

    def _order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The pairs of an epoch, longest first, and the order of its batches."""
        random = np.random.default_rng([self.seed, epoch, 0])
        chance = random.permutation(len(self._widths))
        # Every other group from its long sources to its short ones: a batch across the
        # border of two groups then has sources of like length too.
        by_source = self._widths[:, 1] * np.where(
            self._widths[:, 0] // self.pad_to % 2, 1, -1
        )
        order = np.lexsort((chance, by_source, -self._widths[:, 0]))
        return order, random.permutation(self.steps_per_epoch)


def buckets_of(
    corpus: Corpus, subwords: Subwords, config: Config, seed: int
) -> tuple[Buckets, list[str]]:
    """The training pairs that are not too long, in batches; a note on the others."""
    pairs = corpus.splits["train"]
    sources, targets = (subwords.encode(side) for side in zip(*pairs, strict=True))
    kept = [
        pair
        for pair in zip(sources, targets, strict=True)
        if max(map(len, pair)) <= config.max_length
    ]
    if not kept:
        raise ZooError(
            f"{corpus.name}: no training pair has at most {config.max_length} subwords "
            f"on either side; split the lines into sentences"
        )
    skipped = len(pairs) - len(kept)
    buckets = Buckets(
        [source for source, _ in kept],
        [target for _, target in kept],
        tokens=config.batch_tokens,
        pad_to=config.pad_to,
        word_dropout=config.word_dropout,
        seed=seed,
    )
    long = f"{skipped:,} pairs skipped: over {config.max_length} subwords"
    return buckets, [long] if skipped else []


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
