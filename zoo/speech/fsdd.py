"""The Free Spoken Digit Dataset, read straight from its archive."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from zoo.datasets import PublicFile
from zoo.errors import ZooError
from zoo.speech.config import DIGITS, SAMPLE_RATE
from zoo.speech.recordings import Recording, digest

ARCHIVE = PublicFile(
    "free-spoken-digit-dataset-1.0.10.zip",
    "https://github.com/Jakobovski/free-spoken-digit-dataset/"
    "archive/refs/tags/v1.0.10.zip",
    sha256=None,  # GitHub packs archives anew, to other bytes
    licence="CC BY-SA 4.0",
)
DIGEST = "f8242b38cb54d3e76b629d12e63151fba7318913f0625e113f2f2f77a2ae6729"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TAKES = 50
MEMBER = re.compile(r"[^/\\]+/recordings/([0-9])_([a-z]+)_([0-9]+)\.wav")
# A few seconds; the longest recording has 36 kB. What is larger is no recording.
LARGEST_MEMBER = 1 << 20


def load(path: Path) -> list[Recording]:
    """Read the archive, and check that its samples are those of version 1.0.10.

    Raises:
        ZooError: it is damaged, or another version.
    """
    found = read(path)
    if digest(found) != DIGEST:
        raise ZooError(
            f"{path} has other recordings than the Free Spoken Digit Dataset 1.0.10: "
            f"sha256 of their samples {digest(found)[:16]}…, expected "
            f"{DIGEST[:16]}…; download it again from {ARCHIVE.url}"
        )
    return found


def read(path: Path) -> list[Recording]:
    """Read the recordings out of the archive; nothing is unpacked to the disk.

    It must have 3,000 recordings by the names that they must have, whole by their
    checksums, and readable. Whatever else is in it, names that lead out of a folder
    included, is never looked at.

    Raises:
        ZooError: the archive or a recording is damaged, or recordings are missing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {
                key: member
                for member in archive.infolist()
                if (key := _key(member.filename))
            }
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


def _key(name: str) -> tuple[int, str, int] | None:
    """(digit, speaker, take) of a member's name, or None where it is no recording."""
    match = MEMBER.fullmatch(name)
    if match is None or match[2] not in SPEAKERS or int(match[3]) >= TAKES:
        return None
    return int(match[1]), match[2], int(match[3])


def _require_all(path: Path, found: Iterable[tuple[int, str, int]]) -> None:
    wanted = {
        (digit, speaker, take)
        for digit in range(DIGITS)
        for speaker in SPEAKERS
        for take in range(TAKES)
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
    import soundfile  # of the extra [zoo], which `import zoo.speech` does not need

    if member.file_size > LARGEST_MEMBER:
        raise ZooError(
            f"{path}: {member.filename} has {member.file_size:,} bytes, expected a "
            f"recording of at most {LARGEST_MEMBER:,}"
        )
    try:
        content = io.BytesIO(archive.read(member))
        samples, rate = soundfile.read(content, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ZooError(f"{path}: {member.filename} cannot be read: {error}") from error
    if rate != SAMPLE_RATE or samples.ndim != 1 or len(samples) == 0:
        raise ZooError(
            f"{path}: {member.filename} has shape {samples.shape} at {rate} Hz, "
            f"expected one channel of samples at {SAMPLE_RATE} Hz"
        )
    return np.asarray(samples)
