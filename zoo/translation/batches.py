"""Sentence pairs in batches of like length, a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from zoo.translation.subwords import BOS, EOS, HIDDEN, PAD

# Batches have a multiple of this many rows: few shapes, each compiled once.
ROWS = 8


def padded(
    sentences: Sequence[Sequence[int]], pad_to: int = 1, rows: int = 0
) -> np.ndarray:
    """Ids of unequal length -> int32 (rows, width), filled with `PAD`.

    Args:
        sentences: lists of ids.
        pad_to: the width is a multiple of it.
        rows: at least as many rows; those without a sentence are all padding.
    """
    width = -(-max(len(sentence) for sentence in sentences) // pad_to) * pad_to
    ids = np.full((max(rows, len(sentences)), width), PAD, dtype=np.int32)
    for row, sentence in zip(ids, sentences, strict=False):
        row[: len(sentence)] = sentence
    return ids


class Batches:
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


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
