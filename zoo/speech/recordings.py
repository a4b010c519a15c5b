"""Recordings of spoken digits: where they come from, and which of them test."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from zoo.datasets import PublicFile, locate
from zoo.errors import ZooError
from zoo.speech.config import DIGITS
from zoo.speech.features import SAMPLE_RATE

FSDD = PublicFile(
    "free-spoken-digit-dataset-1.0.10.zip",
    "https://github.com/Jakobovski/free-spoken-digit-dataset/"
    "archive/refs/tags/v1.0.10.zip",
    sha256=None,  # GitHub packs archives anew, to other bytes
    licence="CC BY-SA 4.0",
)
FSDD_DIGEST = "f8242b38cb54d3e76b629d12e63151fba7318913f0625e113f2f2f77a2ae6729"
FSDD_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
FSDD_TAKES = 50
# A few seconds; the longest recording has 36 kB. What is larger is no recording.
LARGEST_MEMBER = 1 << 20

LICENCES = {
    "synthetic": "made by zoo/speech/synthetic.py, Apache-2.0",
    "fsdd": FSDD.licence,
}

# Takes 0-4 of each speaker and digit are FSDD's own test set; two more of each choose
# the weights, so that the test set does not.
TEST_TAKES = range(5)
VALIDATION_TAKES = range(5, 7)


@dataclass(frozen=True)
class Recording:
    """One spoken digit.

    Attributes:
        digit: 0 to 9.
        speaker: a name.
        take: how many times the speaker had said the digit before.
        samples: (samples,) at `SAMPLE_RATE`, float32 within ±1.
    """

    digit: int
    speaker: str
    take: int
    samples: np.ndarray


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

        Raises:
            ZooError: nobody of that name is among the speakers.
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


def load(dataset: str) -> list[Recording]:
    """All recordings of a dataset, by digit, speaker and take.

    Raises:
        ZooError: the dataset cannot be had, or is damaged.
    """
    if dataset == "fsdd":
        return load_fsdd(locate(FSDD, check=load_fsdd))
    from zoo.speech import synthetic

    return synthetic.recordings()


def load_fsdd(path: Path) -> list[Recording]:
    """Read the archive, and check that all that is said is what this was measured with.

    Raises:
        ZooError: it is damaged, or another version.
    """
    found = read_fsdd(path)
    if digest(found) != FSDD_DIGEST:
        raise ZooError(
            f"{path} has other recordings than the Free Spoken Digit Dataset 1.0.10: "
            f"sha256 of their samples {digest(found)[:16]}…, expected "
            f"{FSDD_DIGEST[:16]}…; download it again from {FSDD.url}"
        )
    return found


def read_fsdd(path: Path) -> list[Recording]:
    """Read the recordings out of the archive; nothing is unpacked to the disk.

    It must have 3,000 recordings by the names that they must have, whole by their
    checksums, and readable. Whatever else is in it, names that lead out of a folder
    included, is never looked at.

    Raises:
        ZooError: the archive or a recording is damaged, or recordings are missing.
    """
    found: dict[tuple[int, str, int], zipfile.ZipInfo] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if key := _key(member.filename):
                    found[key] = member
            _require_all(path, found)
            return [
                Recording(*key, _read_member(path, archive, found[key]))
                for key in sorted(found)
            ]
    # What zipfile raises for a torn or tampered archive, by where it was torn.
    except (
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
    ) as error:
        raise ZooError(
            f"{path} is damaged: {type(error).__name__}: {error}; download it again"
        ) from error


def speakers_of(recordings: Iterable[Recording]) -> list[str]:
    """The names of the speakers, sorted."""
    return sorted({recording.speaker for recording in recordings})


def digest(recordings: Iterable[Recording]) -> str:
    """SHA-256 over what is spoken by whom and all samples, in hexadecimal."""
    sha256 = hashlib.sha256()
    for recording in recordings:
        name = f"{recording.digit} {recording.speaker} {recording.take}\n"
        sha256.update(name.encode())
        sha256.update(np.ascontiguousarray(recording.samples).tobytes())
    return sha256.hexdigest()


@lru_cache
def _pattern() -> re.Pattern[str]:
    speakers = "|".join(FSDD_SPEAKERS)
    return re.compile(rf"[^/\\]+/recordings/([0-9])_({speakers})_([0-9]+)\.wav")


def _key(name: str) -> tuple[int, str, int] | None:
    """(digit, speaker, take) of a member's name, or None where it is no recording."""
    match = _pattern().fullmatch(name)
    if match is None or int(match[3]) >= FSDD_TAKES:
        return None
    return int(match[1]), match[2], int(match[3])


def _require_all(path: Path, found: Iterable[tuple[int, str, int]]) -> None:
    wanted = {
        (digit, speaker, take)
        for digit in range(DIGITS)
        for speaker in FSDD_SPEAKERS
        for take in range(FSDD_TAKES)
    }
    if missing := sorted(wanted - set(found)):
        digit, speaker, take = missing[0]
        raise ZooError(
            f"{path} is not the Free Spoken Digit Dataset 1.0.10: {len(missing):,} of "
            f"{len(wanted):,} recordings are missing, the first is "
            f"recordings/{digit}_{speaker}_{take}.wav"
        )


def _read_member(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> np.ndarray:
    import soundfile

    if member.file_size > LARGEST_MEMBER:
        raise ZooError(
            f"{path}: {member.filename} has {member.file_size:,} bytes, expected a "
            f"recording of at most {LARGEST_MEMBER:,}"
        )
    try:
        samples, rate = soundfile.read(
            io.BytesIO(archive.read(member)), dtype="float32"
        )
    except soundfile.LibsndfileError as error:
        raise ZooError(f"{path}: {member.filename} cannot be read: {error}") from error
    if rate != SAMPLE_RATE or samples.ndim != 1 or len(samples) == 0:
        raise ZooError(
            f"{path}: {member.filename} has shape {samples.shape} at {rate} Hz, "
            f"expected one channel of samples at {SAMPLE_RATE} Hz"
        )
    return np.asarray(samples)
