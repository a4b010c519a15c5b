"""How a training step grows with the number of time steps: its time, its memory.

Each length is measured in a process of its own, so that the peak of one does not
hide in the memory that another has left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import numbers as made
from benchmarks.check import WrongResult, compare
from benchmarks.processes import environment, processors_for
from benchmarks.rows import Group, Shape

BATCH, FEATURES, UNITS = 2, 32, 32
CONVENTION = "keep_after"
CHECKED_STEPS = 1_000
"""The oracle goes this far; a loss on these steps alone has the gradients of them."""
REPEATS = 3
ENOUGH_SECONDS = 15.0
"""No further repeat is begun after this time."""
PATIENCE = 300.0
"""Seconds after which a length has not finished."""


def row_id(timesteps: int) -> str:
    """What --rows matches."""
    return f"growth/{timesteps}"


def expected_seconds(timesteps: int) -> float:
    """A guess for the time budget: start and compilation, and three passes."""
    return 10.0 + 3e-4 * timesteps


def measure(backend: str, timesteps: int, threads: int) -> dict[str, Any]:
    """One length on one backend, in a new process.

    Returns:
        A row of `results.GROWTH_COLUMNS`; `note` says what went wrong where
        `seconds` is None.

    Raises:
        WrongResult: the gradients are not the oracle's.
    """
    row: dict[str, Any] = {
        "backend": backend,
        **Shape(BATCH, timesteps, FEATURES, UNITS)._asdict(),
        "threads": threads,
        "repeats": 0,
        "kernel": "",
        "note": "",
    }
    processors = ",".join(map(str, processors_for(threads, 0)))
    command = [sys.executable, "-m", "benchmarks.growth", str(timesteps), processors]
    try:
        done = subprocess.run(
            command,
            env=environment(backend, threads),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return row | {"note": f"not finished in {PATIENCE:.0f} s"}
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [""])[-1][:300]
        return row | {"note": f"failed with exit status {done.returncode}: {last}"}
    answer = json.loads(done.stdout)
    if "wrong" in answer:
        raise WrongResult(f"keras_gru on {backend}, {timesteps} steps: {answer}")
    return row | answer


def _measure_here(timesteps: int) -> dict[str, Any]:
    """What the new process does. Its order matters: the oracle comes last."""
    from benchmarks.contenders.keras_layers import Ours

    contender = Ours()
    shape = Shape(BATCH, timesteps, FEATURES, UNITS)
    group = Group(shape, False, "training", 0, (CONVENTION,))
    numbers = made.make(shape, masked=False)
    checked = min(CHECKED_STEPS, timesteps)
    numbers.check_cotangent[:, checked:] = 0

    before = _resident_mib()
    _forget_peak()
    built = contender.build(group, CONVENTION, numbers)
    built.run()
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < ENOUGH_SECONDS:
        start = time.perf_counter()
        built.run()
        seconds.append(time.perf_counter() - start)
    peak = _peak_mib()

    _expect(numbers, checked)
    try:
        error = compare(numbers, CONVENTION, built.results(), contender.padding)
    except WrongResult as wrong:
        return {"wrong": str(wrong)}
    return {
        "kernel": built.kernel,
        "repeats": len(seconds),
        "seconds": statistics.median(seconds),
        "before_mib": before,
        "peak_mib": peak,
        "error": error,
    }


def _expect(numbers: made.Numbers, checked: int) -> None:
    """Adds the gradients of a loss on the first steps; those after have none."""
    first = replace(
        numbers,
        x=numbers.x[:, :checked],
        check_cotangent=numbers.check_cotangent[:, :checked],
    )
    expected = made.expect(first, CONVENTION, "training")
    d_x = np.zeros(numbers.x.shape)
    d_x[:, :checked] = expected["x"]
    for name, array in (expected | {"x": d_x}).items():
        numbers.expected[f"{CONVENTION}/{name}"] = array


def exponent(timesteps: Sequence[float], seconds: Sequence[float]) -> float:
    """k of the power law seconds ∝ timesteps^k that fits best; 1 is linear."""
    return float(np.polyfit(np.log(timesteps), np.log(seconds), 1)[0])


def slope(timesteps: Sequence[float], amounts: Sequence[float]) -> float:
    """Amount a time step, of the straight line that fits best."""
    return float(np.polyfit(timesteps, amounts, 1)[0])


def _status_mib(field: str) -> float | None:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024  # of KiB
    return None


def _resident_mib() -> float | None:
    return _status_mib("VmRSS")


def _forget_peak() -> None:
    # Where the system does not allow it, the peak is that of the whole life.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> float:
    peak = _status_mib("VmHWM")
    if peak is None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return peak


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("timesteps", type=int)
    parser.add_argument("processors", help="comma-separated")
    arguments = parser.parse_args()
    processors = [int(number) for number in arguments.processors.split(",")]
    os.sched_setaffinity(0, processors)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    from benchmarks.worker import limit_threads

    __import__(os.environ["KERAS_BACKEND"])
    limit_threads(len(processors))
    print(json.dumps(_measure_here(arguments.timesteps)), file=answers, flush=True)


if __name__ == "__main__":
    main()
