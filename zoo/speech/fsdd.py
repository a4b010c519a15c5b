"""The Free Spoken Digit Dataset, read straight from its archive."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from zoo.datasets import PublicFile
from zoo.errors import ZooError
from zoo.speech.recordings import Recording, digest

ARCHIVE = PublicFile(
    "free-spoken-digit-dataset-1.0.10.zip",
    "https://github.com/Jakobovski/free-spoken-digit-dataset/"
    "archive/refs/tags/v1.0.10.zip",
    sha256=None,  # GitHub packs archives anew, to other bytes
    licence="CC BY-SA 4.0",
)
DIGEST = "f8242b38cb54d3e76b629d12e63151fba7318913f0625e113f2f2f77a2ae6729"
MEMBER = re.compile(r"[^/\\]+/recordings/([0-9])_([a-z]+)_([0-9]+)\.wav")
# A few seconds; the longest recording has 36 kB. What is larger is no recording.
LARGEST_MEMBER = 1 << 20


def load(path: Path) -> list[Recording]:
    """Read the archive, and check that its samples are those of version 1.0.10."""
    found = read(path)
    if (sha256 := digest(found)) != DIGEST:
        raise ZooError(
            f"{path} has {len(found):,} recordings, other than the 3,000 of the Free "
            f"Spoken Digit Dataset 1.0.10: sha256 of their samples {sha256[:16]}…, "
            f"expected {DIGEST[:16]}…; download it again from {ARCHIVE.url}"
        )
    return found


def read(path: Path) -> list[Recording]:
    """Read the recordings out of the archive; nothing is unpacked to the disk.

    Whatever else is in it, names that lead out of a folder included, is never looked
    at.
    """
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if match := MEMBER.fullmatch(member.filename):
                    samples = _read(archive, member)
                    digit, take = int(match[1]), int(match[3])
                    found.append(Recording(digit, match[2], take, samples))
    # What zipfile and soundfile raise for what is torn or tampered with.
    except (
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
    ) as error:
        raise ZooError(
            f"{path} is damaged: {type(error).__name__}: {error}; download it again"
        ) from error
    return sorted(found, key=lambda one: (one.digit, one.speaker, one.take))


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    import soundfile  # of the extra [zoo], which `import zoo.speech` does not need

    if member.file_size > LARGEST_MEMBER:
        raise ValueError(
            f"{member.filename} has {member.file_size:,} bytes, expected a recording "
            f"of at most {LARGEST_MEMBER:,}"
        )
    content = io.BytesIO(archive.read(member))
    return np.asarray(soundfile.read(content, dtype="float32")[0])
