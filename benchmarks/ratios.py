"""From timings to rows: medians, spread, and ratios taken within a repeat.

A ratio compares two contenders that were timed in the same repeat, seconds apart;
what is reported is the median of these ratios, not the ratio of two medians.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.measure import Measured, Timings
from benchmarks.rows import CONVENTIONS, Group, keep_form

OURS = "keras_gru"
KERAS = "keras.layers.GRU"
TORCH_NN = "torch.nn.GRU"
SGEMM = "sgemm"


def is_ours(contender: str) -> bool:
    return contender.startswith(OURS)


def is_sgemm(contender: str) -> bool:
    return contender.startswith(SGEMM)


def paired(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the quotients, repeat by repeat."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def rows(group: Group, used_steps: int, measured: Measured) -> list[dict[str, Any]]:
    """The rows of the result file of one group; its columns are `results.COLUMNS`."""
    flops = group.flops(used_steps)
    found = {(t.backend, t.contender, t.convention): t for t in measured.timings}
    limit = _limit(measured.timings)
    return [
        _row(group, timings, flops, found, limit, measured.others)
        for timings in measured.timings
    ]


def _row(
    group: Group,
    timings: Timings,
    flops: float,
    found: dict[tuple[str, str, str], Timings],
    limit: Timings | None,
    others: float | None,
) -> dict[str, Any]:
    seconds = timings.seconds
    flops = timings.flops or flops
    middle = statistics.median(seconds)
    low, high = np.quantile(seconds, [0.25, 0.75])
    convention = CONVENTIONS.get(timings.convention, {})
    row = {
        "backend": timings.backend,
        "contender": timings.contender,
        "kernel": timings.kernel,
        **group.shape._asdict(),
        "update_gate": convention.get("update_gate", ""),
        "reset_after": convention.get("reset_after"),
        "masked": group.masked,
        "mode": group.mode,
        "threads": group.threads,
        "repeats": len(seconds),
        "calls": timings.calls,
        "median_s": middle,
        "q25_s": float(low),
        "q75_s": float(high),
        "min_s": min(seconds),
        "max_s": max(seconds),
        "gflops": flops / middle / 1e9,
        "error": timings.error,
        "others": others,
        "note": timings.note,
        "times_s": ";".join(f"{value:.6g}" for value in seconds),
    }
    if is_sgemm(timings.contender):
        return row
    if limit is not None and limit.flops:
        row["share_of_sgemm"] = paired(limit.seconds, seconds) * flops / limit.flops
    if is_ours(timings.contender):
        row |= _comparisons(timings, found)
    return row


def _comparisons(
    ours: Timings, found: dict[tuple[str, str, str], Timings]
) -> dict[str, Any]:
    """How many times faster than the peers, and slower than our keep-after."""
    peer_form = keep_form(ours.convention)
    variant = ours.contender.removeprefix(OURS)  # such as " jit"
    keras = found.get((ours.backend, KERAS + variant, peer_form)) or found.get(
        (ours.backend, KERAS, peer_form)
    )
    torch_nn = found.get(("torch", TORCH_NN, peer_form))
    keep_after = found.get((ours.backend, ours.contender, "keep_after"))
    peers = [
        t
        for t in found.values()
        if t.convention == peer_form
        and not is_ours(t.contender)
        and not is_sgemm(t.contender)
    ]
    best = min(peers, key=lambda t: statistics.median(t.seconds), default=None)
    compared: dict[str, Any] = {}
    if keras is not None:
        compared["ratio_to_keras"] = paired(keras.seconds, ours.seconds)
    if torch_nn is not None:
        compared["ratio_to_torch_nn"] = paired(torch_nn.seconds, ours.seconds)
    if keep_after is not None:
        compared["time_to_keep_after"] = paired(ours.seconds, keep_after.seconds)
    if best is not None:
        compared["best_peer"] = f"{best.contender} ({best.backend})"
        compared["ratio_to_best_peer"] = paired(best.seconds, ours.seconds)
    return compared


def _limit(timings: Sequence[Timings]) -> Timings | None:
    """The fastest matrix product of the group, by its arithmetic a second."""
    products = [t for t in timings if is_sgemm(t.contender) and t.flops]
    return max(
        products,
        key=lambda t: (t.flops or 0) / statistics.median(t.seconds),
        default=None,
    )
