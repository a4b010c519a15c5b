"""The Triton kernel: its programs and how they are launched, torch on CUDA.

Here stands what can be known of it where Triton is not installed.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil

COLUMNS = 16
"""Units of one program at most, where several share them."""

OLDEST = (8, 0)
"""The compute capability that Triton is written for, and upwards."""


def interpreted() -> bool:
    """Whether Triton interprets its programs, on any device: slow, for tests."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "yes", "on")


def missing(device: str) -> str | None:
    """Why the programs cannot be launched on the device, which torch has."""
    if not _installed():
        return "Triton is not installed beside torch; on Linux: pip install triton"
    if interpreted() or device != "gpu":
        return None
    if _capability() < OLDEST:
        needed, found = (".".join(map(str, v)) for v in (OLDEST, _capability()))
        return f"Triton needs compute capability {needed}; this GPU has {found}"
    if not _compiler():
        return "Triton finds no C compiler (gcc, clang or the variable CC)"
    return None


def processors(device: str) -> int:
    """How many programs run at the same time on the device; 0 where it is no GPU."""
    return _processors() if device == "gpu" else 0


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _processors() -> int:
    import torch

    return int(torch.cuda.get_device_properties().multi_processor_count)


@functools.cache
def _capability() -> tuple[int, int]:
    import torch

    return torch.cuda.get_device_capability()


@functools.cache
def _compiler() -> bool:
    return any(os.environ.get("CC") or shutil.which(name) for name in ("gcc", "clang"))
