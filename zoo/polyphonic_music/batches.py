"""Excerpts of pieces as batches, each a function of the seed and the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from zoo.errors import ZooError
from zoo.polyphonic_music.config import KEYS, Config

Batch = tuple[np.ndarray, np.ndarray]
Excerpt = tuple[int, int, int, int]  # piece, its first step, the one behind, semitones


def shifted(piece: np.ndarray) -> np.ndarray:
    """What is read to predict each step: the step before; silence before the first."""
    return np.concatenate([np.zeros_like(piece[:1]), piece[:-1]])


def padded(
    rows: Sequence[np.ndarray], count: int, time: int, filler: float
) -> np.ndarray:
    """Sequences (time, 88) of any length -> (count, time, 88)."""
    found = np.full((count, time, KEYS), filler, np.float32)
    for index, row in enumerate(rows):
        found[index, : len(row)] = row
    return found


def transposed(piece: np.ndarray, semitones: int) -> np.ndarray:
    """A piece moved up (or down); at most as far as the keyboard has its keys."""
    used = np.flatnonzero(piece.any(axis=0))
    if not len(used):
        return piece
    semitones = min(max(semitones, -int(used[0])), KEYS - 1 - int(used[-1]))
    return np.roll(piece, semitones, axis=1)


@dataclass(frozen=True)
class Batches:
    """Training batches, each a function of (seed, step) and of nothing else.

    Every epoch has all pieces, in another order and cut elsewhere; what is left of the
    last batch is left out of the epoch.

    Attributes:
        pieces: those that train, (time, 88) each.
        config: batch size, length of an excerpt, transposition.
        seed: decides order, cuts and transposition.
    """

    pieces: Sequence[np.ndarray]
    config: Config
    seed: int

    @cached_property
    def counts(self) -> list[int]:
        """Excerpts of each piece."""
        return [-(-len(piece) // self.config.timesteps) for piece in self.pieces]

    @property
    def steps_per_epoch(self) -> int:
        return sum(self.counts) // self.config.batch_size

    @cached_property
    def time(self) -> int:
        """Steps of a batch."""
        return min(self.config.timesteps, max(len(piece) for piece in self.pieces))

    def require_one_batch(self) -> None:
        """Raise where there are too few pieces."""
        if self.steps_per_epoch < 1:
            raise ZooError(
                f"the training part has {sum(self.counts)} excerpts of at most "
                f"timesteps={self.config.timesteps}; expected at least "
                f"batch_size={self.config.batch_size}: a smaller --batch-size or "
                f"--timesteps, or more pieces"
            )

    def excerpts(self, epoch: int) -> list[Excerpt]:
        """All excerpts of an epoch, in its order: each step of a piece is in one.

        All but the first and the last of a piece are `timesteps` long; the first is as
        long as is drawn, so that cuts fall elsewhere in every epoch.
        """
        rng = np.random.default_rng([self.seed, epoch])
        longest, furthest = self.config.timesteps, self.config.transpose
        lengths = np.array([len(piece) for piece in self.pieces])
        shortest = lengths - (np.array(self.counts) - 1) * longest
        firsts = rng.integers(shortest, np.minimum(lengths, longest) + 1)
        semitones = rng.integers(-furthest, furthest + 1, len(lengths))
        found = []
        for index, first in enumerate(firsts):
            length = int(lengths[index])
            ends = [0, *range(int(first), length, longest), length]
            for begin, end in pairwise(ends):
                found.append((index, begin, end, int(semitones[index])))
        return [found[place] for place in rng.permutation(len(found))]

    def batch(self, step: int) -> Batch:
        """Inputs and targets (batch, time, 88); a target behind an excerpt is NaN."""
        epoch, position = divmod(step, self.steps_per_epoch)
        size = self.config.batch_size
        inputs, targets = [], []
        excerpts = self.excerpts(epoch)[position * size : (position + 1) * size]
        for index, begin, end, semitones in excerpts:
            piece = transposed(self.pieces[index], semitones)
            inputs.append(shifted(piece)[begin:end])
            targets.append(piece[begin:end])
        return (
            padded(inputs, size, self.time, 0.0),
            padded(targets, size, self.time, np.nan),
        )
