"""What the numbers come to: the claims, each with its target and what was found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import growth, ratios
from benchmarks.contenders import BACKENDS
from benchmarks.results import Row, convention_of
from benchmarks.rows import CONVENTIONS, LENGTHS, SHAPES, Shape

LIMIT_SHAPE = Shape(32, 100, 512, 512)
"""The shape at which the share of sgemm is claimed."""


@dataclass(frozen=True)
class Line:
    """One claim, evaluated.

    Attributes:
        claim: what is said.
        backend: of `keras_gru`.
        target: what is wanted; empty where it is only reported.
        found: what was measured.
        met: whether the target is met; None where there is none, or no rows.
    """

    claim: str
    backend: str
    target: str
    found: str
    met: bool | None


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def describe(row: Row) -> str:
    """A row in words: shape, convention, mask."""
    masked = "masked" if row["masked"] else "unmasked"
    return f"{shape_of(row)} {convention_of(row)} {masked}"


def shape_of(row: Row) -> Shape:
    return Shape(*(row[name] for name in Shape._fields))


def ours(rows: Sequence[Row], **fields: Any) -> list[Row]:
    """The rows of `keras_gru` with kernel="auto", of these fields."""
    return [
        row
        for row in rows
        if row["contender"] == ratios.OURS
        and all(row[name] == value for name, value in fields.items())
    ]


def summarise(rows: Sequence[Row], growing: Sequence[Row]) -> list[Line]:
    """All claims, in order; those of which nothing was measured say so."""
    threads = max((row["threads"] for row in rows), default=1)
    lines = []
    backends = [b for b in BACKENDS if ours(rows, backend=b)]
    for mode in ("training", "inference"):
        for backend in backends:
            mine = ours(rows, backend=backend, mode=mode, threads=threads)
            lines += _against_keras(mine, mode, backend)
    for mode in ("training", "inference"):
        mine = ours(rows, backend="torch", mode=mode, threads=threads)
        lines += _against_torch_nn(mine, mode)
    for mode in ("training", "inference"):
        for backend in backends:
            mine = ours(rows, backend=backend, mode=mode, threads=threads)
            lines += _conventions(mine, mode, backend)
    for mode in ("inference", "training"):
        for backend in backends:
            mine = ours(rows, backend=backend, mode=mode, threads=threads)
            lines += _masked(mine, mode, backend)
    for mode in ("inference", "training"):
        for backend in backends:
            mine = ours(rows, backend=backend, mode=mode, threads=threads)
            lines += _share_of_limit(mine, mode, backend)
    for backend in BACKENDS:
        lines += _growth([r for r in growing if r["backend"] == backend], backend)
    for backend in backends:
        lines += _not_claimed(rows, backend, threads)
    return lines


def _against_keras(rows: Sequence[Row], mode: str, backend: str) -> list[Line]:
    rows = [row for row in rows if row["ratio_to_keras"]]
    if not rows:
        return []
    mean = geometric_mean([row["ratio_to_keras"] for row in rows])
    worst = min(rows, key=lambda row: row["ratio_to_keras"])
    lowest = worst["ratio_to_keras"]
    everything = 2 * len(SHAPES) * len(CONVENTIONS)
    return [
        Line(
            f"{mode}: times faster than keras.layers.GRU, geometric mean",
            backend,
            "≥ 2.0",
            f"{mean:.2f} ({len(rows)} of {everything} rows)",
            mean >= 2.0,
        ),
        Line(
            f"{mode}: times faster than keras.layers.GRU, worst row",
            backend,
            "≥ 1.0",
            f"{lowest:.2f} ({describe(worst)}, {worst['kernel']})",
            lowest >= 1.0,
        ),
    ]


def _against_torch_nn(rows: Sequence[Row], mode: str) -> list[Line]:
    rows = [
        row
        for row in rows
        if convention_of(row) == "keep_after" and row["ratio_to_torch_nn"]
    ]
    if not rows:
        return []
    mean = geometric_mean([row["ratio_to_torch_nn"] for row in rows])
    worst = min(rows, key=lambda row: row["ratio_to_torch_nn"])
    unmasked = [row["ratio_to_torch_nn"] for row in rows if not row["masked"]]
    without = f"; unmasked alone {geometric_mean(unmasked):.2f}" if unmasked else ""
    return [
        Line(
            f"{mode}: times faster than torch.nn.GRU, keep-after, geometric mean",
            "torch",
            "≥ 1.5",
            f"{mean:.2f} (worst {worst['ratio_to_torch_nn']:.2f}, {describe(worst)}"
            f"{without})",
            mean >= 1.5,
        )
    ]


def _conventions(rows: Sequence[Row], mode: str, backend: str) -> list[Line]:
    rows = [
        row
        for row in rows
        if convention_of(row) != "keep_after" and row["time_to_keep_after"]
    ]
    if not rows:
        return []
    mean = geometric_mean([row["time_to_keep_after"] for row in rows])
    worst = max(rows, key=lambda row: row["time_to_keep_after"])
    highest = worst["time_to_keep_after"]
    return [
        Line(
            f"{mode}: time of the other conventions / keep-after, worst row",
            backend,
            "≤ 1.15",
            f"{highest:.2f} ({describe(worst)}; geometric mean {mean:.2f})",
            highest <= 1.15,
        )
    ]


def _masked(rows: Sequence[Row], mode: str, backend: str) -> list[Line]:
    """What skipping masked steps saves; some half of the steps are masked."""
    full = {
        (shape_of(row), convention_of(row)): row["median_s"]
        for row in rows
        if not row["masked"]
    }
    parts = [
        (row["median_s"] / full[key], row)
        for row in rows
        if row["masked"] and (key := (shape_of(row), convention_of(row))) in full
    ]
    if not parts:
        return []
    mean = geometric_mean([part for part, _ in parts])
    worst, row = max(parts, key=lambda pair: pair[0])
    return [
        Line(
            f"{mode}: time of the masked row / the unmasked, geometric mean",
            backend,
            "≤ 0.7",
            f"{mean:.2f} (worst {worst:.2f}, {describe(row)})",
            mean <= 0.7,
        )
    ]


def _share_of_limit(rows: Sequence[Row], mode: str, backend: str) -> list[Line]:
    rows = [
        row
        for row in rows
        if shape_of(row) == LIMIT_SHAPE and not row["masked"] and row["share_of_sgemm"]
    ]
    lines = []
    for row in rows:
        if convention_of(row) != "keep_after":
            continue
        share, kernel = row["share_of_sgemm"], row["kernel"]
        lowest = min(other["share_of_sgemm"] for other in rows)
        native = kernel.startswith("native")
        lines.append(
            Line(
                f"{mode}: share of sgemm at {LIMIT_SHAPE}, keep-after",
                backend,
                "≥ 80 %" if native else "≥ 80 % of a native kernel",
                f"{share:.0%} ({kernel}; lowest convention {lowest:.0%})",
                share >= 0.8 if native else None,
            )
        )
    return lines


def _growth(rows: Sequence[Row], backend: str) -> list[Line]:
    if not rows:
        return []
    done = sorted((r for r in rows if r["seconds"]), key=lambda r: r["timesteps"])
    longest = max(LENGTHS)
    finished = any(row["timesteps"] == longest for row in done)
    failed = "; ".join(f"T={r['timesteps']}: {r['note']}" for r in rows if r["note"])
    lines = []
    found = failed or "not measured"
    if finished:
        found = f"{done[-1]['seconds']:.2f} s ({done[-1]['kernel']})"
    lines.append(
        Line(f"training step of {longest} time steps", backend, "ends", found, finished)
    )
    # A short pass is overhead: the law is that of 1,000 steps and more.
    long = [row for row in done if row["timesteps"] >= 1_000]
    if len(long) < 2:
        return lines
    timesteps = [row["timesteps"] for row in long]
    power = growth.exponent(timesteps, [row["seconds"] for row in long])
    bytes_each = 2**20 * growth.slope(
        timesteps, [row["peak_mib"] - row["before_mib"] for row in long]
    )
    return [
        *lines,
        Line(
            "time ∝ T^k from 1,000 steps on: k",
            backend,
            "≤ 1.1",
            f"{power:.2f}",
            power <= 1.1,
        ),
        Line(
            f"peak memory a time step ({growth.BATCH} rows, {growth.UNITS} units)",
            backend,
            "",
            f"{bytes_each / 1024:.2f} KiB",
            None,
        ),
    ]


def _not_claimed(rows: Sequence[Row], backend: str, threads: int) -> list[Line]:
    """Generation, and fewer threads: reported without a target."""
    lines = []
    steps = ours(rows, backend=backend, mode="generation")
    for row in steps:
        if convention_of(row) == "keep_after" and row["ratio_to_keras"]:
            lines.append(
                Line(
                    f"generation step {shape_of(row)}: times faster than "
                    "keras.layers.GRU",
                    backend,
                    "",
                    f"{row['ratio_to_keras']:.2f} ({1e6 * row['median_s']:.0f} µs, "
                    f"{row['kernel']})",
                    None,
                )
            )
    for mode in ("training", "inference"):
        fewer = [
            row["ratio_to_keras"]
            for row in ours(rows, backend=backend, mode=mode)
            if row["threads"] < threads and row["ratio_to_keras"]
        ]
        if fewer:
            lines.append(
                Line(
                    f"{mode} on fewer threads, keep-after: times faster than "
                    "keras.layers.GRU, geometric mean",
                    backend,
                    "",
                    f"{geometric_mean(fewer):.2f} (worst {min(fewer):.2f})",
                    None,
                )
            )
    return lines
