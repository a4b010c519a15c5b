"""Public files: the data folder, the cache, the public address."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from zoo.datasets import PublicFile, cache_folder, locate
from zoo.errors import ZooError

pytestmark = pytest.mark.once

CONTENT = b"what the publisher serves\n"


@pytest.fixture
def public(
    tmp_path: Path, serve: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> PublicFile:
    """A published file, with an empty cache and no data folder."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    source = tmp_path / "public" / "file.txt"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return PublicFile("file.txt", f"{serve(source.parent)}/file.txt", sha256, "licence")


def test_it_is_fetched_once_and_then_found_in_the_cache(public: PublicFile) -> None:
    path = locate(public)
    assert path == cache_folder() / "file.txt"
    assert path.read_bytes() == CONTENT
    gone = replace(public, url="http://127.0.0.1:9/file.txt")
    assert locate(gone) == path


def test_the_data_folder_is_looked_at_first(
    public: PublicFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file.txt").write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_GRU_DATA", str(tmp_path))
    assert locate(public) == tmp_path / "file.txt"
    assert not cache_folder().exists()


def test_another_content_is_refused_wherever_it_lies(
    public: PublicFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(public, sha256="0" * 64)
    with pytest.raises(ZooError, match=r"cannot download.* hash of downloaded file"):
        locate(other)
    assert list(cache_folder().iterdir()) == []  # nothing half-made
    locate(public).write_bytes(b"damaged")
    assert locate(public).read_bytes() == CONTENT  # got again
    (tmp_path / "file.txt").write_bytes(b"other")
    monkeypatch.setenv("KERAS_GRU_DATA", str(tmp_path))
    with pytest.raises(ZooError, match=r"KERAS_GRU_DATA=.*another version"):
        locate(public)


def test_no_network_is_one_clear_error(public: PublicFile) -> None:
    # Port 9 discards; on a machine without a listener the connection is refused.
    unreachable = replace(public, url="http://127.0.0.1:9/file.txt")
    with pytest.raises(ZooError, match=r"cannot download file.txt.*KERAS_GRU_DATA"):
        locate(unreachable)
    assert list(cache_folder().iterdir()) == []
