"""Recordings as examples and batches, each a function of the seed and the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import ZooError
from zoo.speech import augment
from zoo.speech.augment import LONGEST_STRING, Spoken
from zoo.speech.config import SAMPLE_RATE, Config
from zoo.speech.data import Split
from zoo.speech.features import Features, log_mel
from zoo.speech.recordings import Recording
from zoo.training.data import SHAPES

Batch = tuple[tuple[np.ndarray, np.ndarray], np.ndarray]

# A string is heard to its end only when some silence follows: the model decides on a
# digit a little after it.
TAIL = int(0.3 * SAMPLE_RATE)
BLANK = 0  # CTC's class for "no digit here"; digit d is class d + 1

# The lists of strings to validate and to test on; the same for every run.
TEST_STRINGS, TEST_SEED = 300, 1_000_001
VALIDATION_STRINGS, VALIDATION_SEED = 150, 1_000_002
STATISTICS_EXAMPLES, STATISTICS_SEED = 300, 1_000_003


def with_tail(samples: np.ndarray, config: Config) -> np.ndarray:
    """A waveform as the model is given it: a string gets silence behind it."""
    return samples if config.task == "digits" else np.pad(samples, (0, TAIL))


def held_out(split: Split, part: str, config: Config) -> list[Spoken]:
    """What a model is measured on, "validation" or "test".

    Of digits the recordings, of strings a fixed list that is made of them.
    """
    recordings = split.validation if part == "validation" else split.test
    if config.task == "digits":
        return [Spoken(one.samples, (one.digit,), (one.speaker,)) for one in recordings]
    if part == "validation":
        return strings(recordings, VALIDATION_SEED, VALIDATION_STRINGS)
    return strings(recordings, TEST_SEED, TEST_STRINGS)


def strings(recordings: Sequence[Recording], seed: int, count: int) -> list[Spoken]:
    """The first `count` strings of the list that `seed` decides."""
    made = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        chosen = augment.draw(recordings, augment.LENGTHS, rng)
        made.append(augment.joined(chosen, rng))
    return made


def statistics(recordings: Sequence[Recording], config: Config) -> Features:
    """Mean and deviation of each band over examples of the training recordings."""
    frames = []
    for index in range(STATISTICS_EXAMPLES):
        rng = np.random.default_rng([STATISTICS_SEED, index])
        recording = recordings[index * 7 % len(recordings)]
        spoken = augment.example(recording, recordings, LONGEST_STRING, config, rng)
        frames.append(log_mel(with_tail(spoken.samples, config), config.mels))
    joined = np.concatenate(frames).astype(np.float64)
    return Features(
        config.mels,
        config.stack,
        joined.mean(axis=0).astype(np.float32),
        (joined.std(axis=0) + 1e-3).astype(np.float32),
    )


def targets_of(examples: Sequence[Spoken], config: Config) -> np.ndarray:
    """Digits (batch,), or strings as classes (batch, LONGEST_STRING), filled up."""
    if config.task == "digits":
        return np.array([one.digits[0] for one in examples], np.int32)
    targets = np.full((len(examples), LONGEST_STRING), BLANK, np.int32)
    for row, one in zip(targets, examples, strict=True):
        row[: len(one.digits)] = np.array(one.digits) + 1
    return targets


def padded(
    sequences: Sequence[np.ndarray], pad_to: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (time, width) -> features (batch, time, width), mask (batch, time).

    The length is that of the longest, up to a multiple of `pad_to`.
    """
    longest = max(len(sequence) for sequence in sequences)
    time = -(-longest // pad_to) * pad_to
    features = np.zeros((len(sequences), time, sequences[0].shape[1]), np.float32)
    mask = np.zeros((len(sequences), time), bool)
    for index, sequence in enumerate(sequences):
        features[index, : len(sequence)] = sequence
        mask[index, : len(sequence)] = True
    return features, mask


@dataclass(frozen=True)
class Batches:
    """Training batches, each a function of (seed, step) and of nothing else.

    Attributes:
        recordings: those that train.
        features: with the statistics of the training data.
        config: batch size and augmentation.
        seed: decides order, strings and augmentation.
    """

    recordings: Sequence[Recording]
    features: Features
    config: Config
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return len(self.recordings) // self.config.batch_size

    def require_one_batch(self) -> None:
        """Raise where there are too few recordings."""
        if self.steps_per_epoch < 1:
            raise ZooError(
                f"{len(self.recordings)} recordings to train on are fewer than one "
                f"batch, expected at least {self.config.batch_size}"
            )

    def longest(self, step: int) -> int:
        """Digits of the longest strings of a batch; see `Config.curriculum`."""
        growing = self.config.curriculum * self.config.epochs * self.steps_per_epoch
        grown = min(1.0, step / max(growing, 1.0))
        return 1 + int(grown * (LONGEST_STRING - 1))

    def batch(self, step: int) -> Batch:
        """((features (batch, time, width), mask (batch, time)), targets)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(
            len(self.recordings)
        )
        first, longest = position * self.config.batch_size, self.longest(step)
        examples, sequences = [], []
        for row in range(self.config.batch_size):
            rng = np.random.default_rng([self.seed, 1, step, row])
            recording = self.recordings[order[first + row]]
            spoken = augment.example(
                recording, self.recordings, longest, self.config, rng
            )
            frames = self.features.frames(with_tail(spoken.samples, self.config))
            frames = augment.spec_augment(frames, self.config, rng)
            examples.append(spoken)
            sequences.append(self.features.stacked(frames))
        inputs = padded(sequences, self.config.pad_to)
        return inputs, targets_of(examples, self.config)

    def example(self, index: int) -> Batch:
        """Batches whose shapes differ; see `zoo.training.data.Batches.example`."""
        return self.silence(*SHAPES[index % len(SHAPES)])

    def silence(self, rows: int, steps: int) -> Batch:
        """A batch of this shape, of no use but to show the shape."""
        spoken = [Spoken(np.zeros(0, np.float32), (0,), ("nobody",))] * rows
        features = np.zeros((rows, steps, self.config.width), np.float32)
        mask = np.ones((rows, steps), bool)
        return (features, mask), targets_of(spoken, self.config)
