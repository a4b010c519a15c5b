"""One group measured: every contender in turn, as often as the time allows."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.budget import Budget
from benchmarks.check import WrongResult
from benchmarks.machine import Quiet
from benchmarks.rows import Group

LEAST_SECONDS = 0.01
"""A shorter call is timed several times in a row, until it takes this long."""
MOST_CALLS = 200
SETTLE = 0.015
"""Seconds between contenders, in which the threads of the last one go to sleep.

OpenMP's wait for work on a processor for some 10 ms after their last call; those of
OpenBLAS for 100 ms, unless told otherwise (`processes.environment`).
"""


class Asked(Protocol):
    """A worker's process; see `processes.Process`."""

    name: str

    @property
    def pid(self) -> int: ...

    def send(self, do: str, **arguments: Any) -> None: ...

    def receive(self) -> Any: ...

    def ask(self, do: str, **arguments: Any) -> Any: ...


@dataclass
class Timings:
    """What was measured of one contender in one convention of a group."""

    backend: str
    contender: str
    convention: str
    kernel: str
    note: str
    error: float
    flops: float | None
    calls: int = 1
    seconds: list[float] = field(default_factory=list)  # one a repeat


@dataclass
class Measured:
    """A group's timings, who was not there and why, and how quiet it was."""

    timings: list[Timings]
    absent: dict[str, list[str]]  # contender → reasons
    others: float | None


def measure(
    group: Group,
    numbers: str,
    processes: Sequence[Asked],
    budget: Budget,
    settle: Callable[[float], None] = time.sleep,
) -> Measured:
    """Prepares, checks and times all contenders of a group.

    In each repeat every contender is timed once, in an order drawn anew (`shuffled`),
    so that a drift of the machine, and what the contender before leaves behind, hit
    all of them alike. A first round, which is not kept, tells what a repeat takes.

    Raises:
        WrongResult: a contender does not compute what the oracle does, or
            `keras_gru` itself failed.
    """
    for process in processes:
        process.send("prepare", group=group.to_json(), numbers=numbers)
    records = [(p, record) for p in processes for record in p.receive()]
    refuse_if_wrong(record for _, record in records)
    absent: dict[str, list[str]] = {}
    for _, record in records:
        if record["status"] != "ready":
            name = f"{record['contender']} ({record['backend']})"
            reasons = absent.setdefault(name, [])
            if record["note"] not in reasons:
                reasons.append(record["note"])
    runners = [
        (process, record["key"], _timings(record))
        for process, record in records
        if record["status"] == "ready"
    ]

    round_start = time.monotonic()
    for process, key, timings in runners:
        settle(SETTLE)
        once = process.ask("time", key=key, calls=1)
        wanted = math.ceil(LEAST_SECONDS / max(once, 1e-9))
        timings.calls = min(MOST_CALLS, max(1, wanted))
    round_seconds = time.monotonic() - round_start
    # Short calls take their full time only once they are timed in rows.
    round_seconds += LEAST_SECONDS * sum(t.calls > 1 for _, _, t in runners)

    quiet = Quiet(process.pid for process in processes)
    order = random.Random(str(group))
    for _ in range(budget.repeats(round_seconds)):
        for process, key, timings in shuffled(runners, order):
            settle(SETTLE)
            seconds = process.ask("time", key=key, calls=timings.calls)
            timings.seconds.append(seconds)
    others = quiet.others()
    for process in processes:
        process.ask("release")
    return Measured([timings for _, _, timings in runners], absent, others)


def shuffled(
    runners: Sequence[tuple[Asked, str, Timings]], order: random.Random
) -> list[tuple[Asked, str, Timings]]:
    """The runners of one process behind each other, all else by chance.

    Those are compared with each other, and a virtual machine can run at half its
    speed for seconds, where its processors are threads of one core.
    """
    processes: dict[str, list[tuple[Asked, str, Timings]]] = {}
    for runner in runners:
        processes.setdefault(runner[0].name, []).append(runner)
    blocks = order.sample(list(processes.values()), len(processes))
    return [runner for block in blocks for runner in order.sample(block, len(block))]


def refuse_if_wrong(records: Any) -> None:
    """Raises WrongResult if a contender is wrong or `keras_gru` has failed."""
    red = [
        f"{record['contender']} on {record['backend']}, {record['convention']}: "
        f"{record['note']}"
        for record in records
        if record["status"] == "wrong"
        or (record["status"] == "failed" and record["is_ours"])
    ]
    if red:
        raise WrongResult("\n".join(red))


def _timings(record: dict[str, Any]) -> Timings:
    names = ("backend", "contender", "convention", "kernel", "note", "error", "flops")
    return Timings(**{name: record[name] for name in names})
