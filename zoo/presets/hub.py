"""Presets from the Hugging Face hub: ``hf://owner/name``. Needs `huggingface_hub`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.errors import ZooError

PREFIX = "hf://"


def fetch(address: str, files: Sequence[str]) -> Path:
    """Bring a preset from the hub into its cache; return the folder.

    Only the files of a preset are taken. They are checked like any preset's when it
    is opened.

    Args:
        address: ``hf://owner/name`` or ``hf://owner/name@revision``.
        files: their names.

    Raises:
        ZooError: the address is malformed, `huggingface_hub` is not installed, or the
            hub does not give the files.
    """
    repository, _, revision = address.removeprefix(PREFIX).partition("@")
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise ZooError(f"{address} is no address of a preset; expected hf://owner/name")
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise ZooError(
            f"{address} needs huggingface_hub: pip install huggingface_hub"
        ) from error
    try:
        folder = huggingface_hub.snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(files),
        )
    # No network, no such repository, no right to it, a name that the hub refuses.
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise ZooError(
            f"cannot get {address}: {type(error).__name__}: {error}"
        ) from error
    return Path(folder)
