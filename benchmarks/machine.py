"""What a result depends on: the machine, the versions, the commit, the quiet."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

ZEN = {
    ("AuthenticAMD", 25): "zen3-4",
    ("AuthenticAMD", 26): "zen5",
}
"""(vendor, family) → what the model's name may not say."""

VERSIONS = {  # package -> as it stands in a file's name, None: it does not
    "keras": "keras",
    "tensorflow": "tf",
    "jax": "jax",
    "torch": "torch",
    "numpy": None,
    "flax": None,
    "onnxruntime": None,
}

BUSY = 0.05
"""Share of the processors that others may use before a run is not quiet."""


def processor() -> dict[str, str]:
    """Vendor, family and name of the processor, as far as the system tells."""
    fields = {"model name": platform.processor() or platform.machine()}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().split("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
    return {
        "name": fields["model name"],
        "vendor": fields.get("vendor_id", ""),
        "family": fields.get("cpu family", ""),
        "flags": " ".join(
            flag
            for flag in fields.get("flags", "").split()
            if flag.startswith(("avx", "fma", "amx"))
        ),
    }


def cores() -> int:
    return len(os.sched_getaffinity(0))


def slug() -> str:
    """The machine's name in a file's name, like `amd-epyc-zen5-2cores`."""
    cpu = processor()
    name = re.sub(r"\((r|tm)\)|@.*|\b(cpu|processor)\b", " ", cpu["name"].lower())
    parts = [re.sub(r"[^a-z0-9]+", "-", name).strip("-")]
    family = int(cpu["family"]) if cpu["family"].isdigit() else 0
    parts.append(ZEN.get((cpu["vendor"], family), ""))
    return "-".join([*filter(None, parts), f"{cores()}cores"])


def versions() -> dict[str, str]:
    """Package → version, of those installed."""
    found = {}
    for package in VERSIONS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def run_name() -> str:
    """The name of a run's files: the machine and the versions."""
    found = versions()
    parts = [slug()]
    for package, short in VERSIONS.items():
        if short is not None and package in found:
            parts.append(short + found[package].partition("+")[0])
    return "_".join(parts)


def commit() -> str:
    """The commit of the working tree, `-dirty` where tracked files differ."""
    folder = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def describe() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": versions(),
    }


def load() -> float | None:
    """The system's load average over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


class Quiet:
    """How busy the machine is with what is not this run.

    Args:
        processes: ids of the workers; this process is counted with them.
    """

    def __init__(self, processes: Iterable[int]) -> None:
        self._processes = [os.getpid(), *processes]
        self._start = self._read()

    def others(self) -> float | None:
        """Share of all processors that others used since the start, in [0, 1].

        None where the system does not tell.
        """
        now = self._read()
        if now is None or self._start is None:
            return None
        everything, busy, ours = (
            after - before for after, before in zip(now, self._start, strict=True)
        )
        return max(0.0, busy - ours) / everything if everything > 0 else 0.0

    def _read(self) -> tuple[int, int, int] | None:
        """Ticks since boot: of all processors, the busy ones, those of this run."""
        try:
            first = Path("/proc/stat").read_text().split("\n", 1)[0]
            ticks = [int(field) for field in first.split()[1:9]]  # … steal
            ours = sum(self._ticks(process) for process in self._processes)
        except OSError:
            return None
        idle = ticks[3] + ticks[4]
        return sum(ticks), sum(ticks) - idle, ours

    @staticmethod
    def _ticks(process: int) -> int:
        stat = Path(f"/proc/{process}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15])  # with ended children
