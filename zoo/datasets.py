"""Find a public file: `KERAS_GRU_DATA`, then the cache, then its public address.

And read files of text.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch

from zoo.errors import ZooError

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class PublicFile:
    """A file that others publish.

    Attributes:
        name: its path inside the data folder and the cache.
        url: its public address.
        sha256: the hash of the bytes that this project was measured with; None where
            the publisher packs the same content to other bytes now and then: whoever
            reads it checks the content.
        licence: what the publisher allows.
    """

    name: str
    url: str
    sha256: str | None
    licence: str


def cache_folder() -> Path:
    """``datasets/keras_gru`` in Keras' own folder (`KERAS_HOME`, else ``~/.keras``)."""
    home = os.environ.get("KERAS_HOME")
    keras_home = Path(home) if home else Path.home() / ".keras"
    return keras_home / "datasets" / "keras_gru"


def locate(
    file: PublicFile, check: Callable[[Path], object] = lambda path: None
) -> Path:
    """Return a path to `file` whose hash is right, downloading it if need be.

    Args:
        file: what is wanted.
        check: raises a ZooError where what was downloaded has not the right content;
            for files without a hash.
    """
    if folder := os.environ.get("KERAS_GRU_DATA"):
        path = Path(folder) / file.name
        if path.is_file():
            if file.sha256 and pooch.file_hash(path) != file.sha256:
                raise ZooError(
                    f"{path} has another sha256 than {file.sha256[:16]}…: "
                    f"KERAS_GRU_DATA={folder} holds another version"
                )
            return path
    path = cache_folder() / file.name
    new = not path.is_file()
    try:
        pooch.retrieve(
            file.url,
            file.sha256,
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS),
        )
        if new:
            check(path)
    except ZooError:
        path.unlink()
        raise
    # Errors of the network are OSErrors, another hash is a ValueError.
    except (OSError, ValueError) as error:
        raise ZooError(
            f"cannot download {file.name} from {file.url}: {error}; put the file "
            f"into a folder and name that folder in KERAS_GRU_DATA"
        ) from error
    return path


def read_text(
    path: Path, *, may_be_empty: bool = False, newline: str | None = None
) -> str:
    """Read a UTF-8 file, gzipped or not, a byte-order mark dropped.

    Args:
        path: the file.
        may_be_empty: whether that is no error.
        newline: the only line end, left as it is; None: every one, as a newline.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline=newline) as file:
                text = file.read()
        else:
            with path.open(encoding="utf-8-sig", newline=newline) as file:
                text = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ZooError(f"{path} is damaged: {error}; get it again") from error
    except OSError as error:
        raise ZooError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ZooError(
            f"{path} is not UTF-8: byte {error.start} is "
            f"0x{error.object[error.start]:02x} ({error.reason}); convert it first"
        ) from error
    if not text and not may_be_empty:
        raise ZooError(f"{path} is empty; expected a text to learn from")
    return text
