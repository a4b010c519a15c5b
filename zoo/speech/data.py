"""Spoken digits: which dataset, and which of its recordings train and test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from zoo.config import Checked
from zoo.datasets import locate
from zoo.errors import ZooError
from zoo.speech import fsdd, synthetic
from zoo.speech.config import Config
from zoo.speech.recordings import Recording, digest

DATASETS = {
    "synthetic": "digits from a formant synthesiser, 6 voices; made on the spot",
    "fsdd": "Free Spoken Digit Dataset, 3,000 recordings of 6 speakers, CC BY-SA 4.0",
}
LICENCES = {
    "synthetic": "made by zoo/speech/synthetic.py, Apache-2.0",
    "fsdd": fsdd.ARCHIVE.licence,
}

# Takes 0-4 of each speaker and digit are FSDD's own test set; two more of each choose
# the weights, so that the test set does not.
TEST_TAKES = range(5)
VALIDATION_TAKES = range(5, 7)


@dataclass(frozen=True)
class Split:
    """Recordings to train on, to choose the weights with, and to test on."""

    train: list[Recording]
    validation: list[Recording]
    test: list[Recording]

    @classmethod
    def of(cls, recordings: Sequence[Recording], hold_out: str | None = None) -> Split:
        """Split by take; or by speaker, where one is held out to test on.

        Args:
            recordings: all of a dataset.
            hold_out: None: takes 0-4 test (the official split), 5-6 validate. Else all
                recordings of this speaker test, and of the others' those of takes 5-6
                validate and the rest train.
        """
        speakers = speakers_of(recordings)
        if hold_out is not None and hold_out not in speakers:
            raise ZooError(
                f"--hold-out {hold_out}: unknown speaker; "
                f"expected one of {', '.join(speakers)}"
            )
        split = cls([], [], [])
        for recording in recordings:
            if hold_out is None:
                tests = recording.take in TEST_TAKES
            else:
                tests = recording.speaker == hold_out
            if tests:
                split.test.append(recording)
            elif recording.take in VALIDATION_TAKES:
                split.validation.append(recording)
            else:
                split.train.append(recording)
        return split


@dataclass(frozen=True)
class Corpus:
    """A dataset and its split."""

    name: str
    recordings: list[Recording]
    split: Split

    @cached_property
    def sha256(self) -> str:
        return digest(self.recordings)


@dataclass(frozen=True)
class Source(Checked):
    """What a recogniser is trained on.

    Attributes:
        dataset: recordings; the default needs no network.
        hold_out: train on the other speakers and test on this one; by default the
            recordings are split by takes.
    """

    dataset: Literal["synthetic", "fsdd"] = "synthetic"
    hold_out: str | None = None

    @property
    def licence(self) -> str:
        return LICENCES[self.dataset]

    def load(self) -> Corpus:
        """Load the recordings and split them."""
        found = load(self.dataset)
        return Corpus(self.dataset, found, Split.of(found, self.hold_out))


def load(dataset: str) -> list[Recording]:
    """All recordings of a dataset, by digit, speaker and take."""
    if dataset == "fsdd":
        return fsdd.load(locate(fsdd.ARCHIVE, check=fsdd.load))
    return synthetic.recordings()


def speakers_of(recordings: Iterable[Recording]) -> list[str]:
    """The names of the speakers, sorted."""
    return sorted({recording.speaker for recording in recordings})


def label(config: Config, source: Source) -> str:
    """What was learnt, for the name of a run folder."""
    without = f"-without-{source.hold_out}" if source.hold_out else ""
    return f"{source.dataset}-{config.task}{without}"
