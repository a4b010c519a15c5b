"""The packages of the extra ``[zoo]``, looked for before any of them is imported."""

from __future__ import annotations

import importlib.util

PACKAGES = (
    "click",
    "filelock",
    "h5py",
    "jiwer",
    "matplotlib",
    "num2words",
    "pandas",
    "pooch",
    "pydantic",
    "rich",
    "sacrebleu",
    "scipy",
    "soundfile",
    "tensorboard",
    "tokenizers",
)


def require() -> None:
    """Check that they are installed, without importing them.

    Raises:
        ImportError: naming those that are missing, and how to get them.
    """
    missing = [name for name in PACKAGES if not _installed(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ImportError(
            f'{", ".join(missing)} {verb} not installed: pip install -e ".[zoo]"',
            name=missing[0],
        )


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:
        return False
