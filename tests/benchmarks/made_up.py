"""Results that were never measured, to test what is made of them."""

from __future__ import annotations

from benchmarks import ratios
from benchmarks.measure import Measured, Timings
from benchmarks.results import Row
from benchmarks.rows import CONVENTIONS, SHAPES, Group


def timings(
    backend: str,
    contender: str,
    convention: str,
    seconds: list[float],
    flops: float | None = None,
    kernel: str = "",
) -> Timings:
    return Timings(
        backend, contender, convention, kernel, "", 1e-7, flops, seconds=seconds
    )


def group_timings(group: Group, ours: float, keras: float) -> Measured:
    """All contenders of a group, each of one constant time a repeat."""
    found = [timings("torch", "sgemm large", "", [0.1] * 3, flops=2e10)]
    for backend in ("tensorflow", "jax", "torch"):
        for convention in group.conventions:
            found.append(
                timings(
                    backend, ratios.OURS, convention, [ours] * 3, kernel="native_cpu"
                )
            )
        for convention in ("keep_after", "keep_before"):
            found.append(timings(backend, ratios.KERAS, convention, [keras] * 3))
    found.append(timings("torch", ratios.TORCH_NN, "keep_after", [2 * ours] * 3))
    return Measured(found, {"flax (jax)": ["not installed: flax"]}, 0.01)


def rows(ours: float = 0.1, keras: float = 0.3) -> list[Row]:
    """Rows of two groups at the shape where the share of sgemm is claimed."""
    made = []
    for mode in ("inference", "training"):
        group = Group(SHAPES[1], False, mode, 2, tuple(CONVENTIONS))
        steps = group.shape.batch * group.shape.timesteps
        made += ratios.rows(group, steps, group_timings(group, ours, keras))
    return [row | {"commit": "abc", "session": "s"} for row in made]


def growing() -> list[Row]:
    """Linear growth, 10 µs and 4 KiB a step."""
    return [
        {
            "backend": "jax",
            "kernel": "jax_scan",
            "batch": 2,
            "timesteps": timesteps,
            "features": 32,
            "units": 32,
            "threads": 2,
            "repeats": 3,
            "seconds": 1e-5 * timesteps,
            "before_mib": 300.0,
            "peak_mib": 400.0 + timesteps * 4 / 1024,
            "note": "",
        }
        for timesteps in (100, 1_000, 10_000, 100_000)
    ]
