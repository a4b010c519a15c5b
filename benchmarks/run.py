"""A session: which groups, in which processes, for how long, into which files."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import growth, machine, numbers, off_road, ratios, results, rows
from benchmarks.budget import Budget
from benchmarks.check import WrongResult
from benchmarks.contenders import BACKENDS, PEERS
from benchmarks.measure import measure
from benchmarks.processes import Process, processors_for

QUIET_LOAD = 0.5
"""Load average of the last minute above which a session says it is not quiet."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        out: folder of the files.
        backends: out of `contenders.BACKENDS`.
        patterns: of row ids; none is all. See `rows.matches`.
        threads: numbers of threads; the first has the complete list of rows.
        kernels: of `keras_gru`, `"auto"` and those to be compared with it.
        minutes: to be used in all.
        quick: tiny shapes, to see that it works.
        again: measure also what the files have.
        command: as it was typed, for the record.
    """

    out: Path
    backends: tuple[str, ...] = BACKENDS
    patterns: tuple[str, ...] = ()
    threads: tuple[int, ...] = (2, 1)
    kernels: tuple[str, ...] = ("auto",)
    minutes: float = 28.0
    quick: bool = False
    again: bool = False
    command: str = "python -m benchmarks run"


def run(options: Options) -> Path:
    """Measures what the files of this machine and these versions lack.

    Returns:
        The path of the CSV file.

    Raises:
        WrongResult: a contender is wrong. It is noted in the record, so that no
            report is made of these files until the group has been measured.
        WorkerFailed: a worker died.
    """
    name = ("quick_" if options.quick else "") + machine.run_name()
    path = options.out / f"{name}.csv"
    table, growing = results.rows_table(path), results.growth_table(path)
    record = results.Sessions(path)
    groups, lengths = _to_do(options, table, growing)
    weights = [group.expected_seconds() for group in groups]
    weights += [growth.expected_seconds(timesteps) for _, timesteps in lengths]
    budget = Budget(60 * options.minutes, weights)
    _say(
        f"{path}\n{len(groups)} groups of rows and {len(lengths)} lengths to measure, "
        f"{options.minutes:g} minutes"
    )
    with _session(record, options) as session, tempfile.TemporaryDirectory() as folder:
        for threads in dict.fromkeys(group.threads for group in groups):
            part = [group for group in groups if group.threads == threads]
            _measure_groups(part, threads, options, budget, table, record, Path(folder))
        for backend, timesteps in lengths:
            budget.start_part()
            threads = max(options.threads)
            key = f"{growth.row_id(timesteps)}/{backend}"
            with _red(record, key):
                row = growth.measure(backend, timesteps, threads)
            growing.add([row | _origin(session)])
            outcome = row["note"] or f"{row['seconds']:.3g} s a training step"
            _say(f"{key}: {outcome}")
        for name, backend in _off_road(options, record):
            found = off_road.measure(name, backend)
            known = record.content.setdefault("off_road", {}).setdefault(name, {})
            known[backend] = found
            record.save()
            _say(f"off_road/{name}/{backend}: {found}")
    return path


def _to_do(
    options: Options, table: results.Table, growing: results.Table
) -> tuple[list[rows.Group], list[tuple[str, int]]]:
    """The groups and the (backend, time steps) that the files lack."""
    wanted = rows.select(rows.groups(options.threads, options.quick), options.patterns)
    ours = [(backend, ratios.OURS) for backend in options.backends]
    groups = [
        group
        for group in wanted
        if options.again or not results.is_measured(group, ours, table)
    ]
    there = {(row["backend"], row["timesteps"]) for row in growing.rows}
    lengths = [
        (backend, timesteps)
        for timesteps in (rows.QUICK_LENGTHS if options.quick else rows.LENGTHS)
        for backend in options.backends
        if rows.matches(growth.row_id(timesteps), options.patterns)
        and (options.again or (backend, timesteps) not in there)
    ]
    return groups, lengths


def _off_road(options: Options, record: results.Sessions) -> list[tuple[str, str]]:
    """The rows beside keras.layers.GRU, each with a backend, that the record lacks."""
    there = record.content.get("off_road", {})
    return [
        (name, backend)
        for name in (() if options.quick else off_road.ROWS)
        for backend in options.backends
        if rows.matches(f"off_road/{name}/{backend}", options.patterns)
        and (options.again or backend not in there.get(name, {}))
    ]


def _measure_groups(
    groups: Sequence[rows.Group],
    threads: int,
    options: Options,
    budget: Budget,
    table: results.Table,
    record: results.Sessions,
    folder: Path,
) -> None:
    """All groups of one number of threads, with one set of processes."""
    session = record.sessions[-1]
    processes: list[Process] = []
    try:
        for position, name in enumerate((*options.backends, PEERS)):
            processors = processors_for(threads, position)
            processes.append(Process(name, processors, options.kernels))
        for process in processes:
            process.receive()  # "started"
        for position, group in enumerate(groups, 1):
            start = time.monotonic()
            budget.start_part()
            file, used_steps = _numbers(group, folder)
            with _red(record, str(group)):
                measured = measure(group, str(file), processes, budget)
            for name, reasons in measured.absent.items():
                known = session["absent"].setdefault(name, [])
                known += [reason for reason in reasons if reason not in known]
            if measured.others is not None:
                session["others"].append(round(measured.others, 4))
            new = ratios.rows(group, used_steps, measured)
            table.add([row | _origin(session) for row in new])
            record.save()
            _say(_progress(position, len(groups), group, measured, start, budget))
    finally:
        for process in processes:
            process.stop()


def _progress(
    position: int,
    count: int,
    group: rows.Group,
    measured: Any,
    start: float,
    budget: Budget,
) -> str:
    repeats = len(measured.timings[0].seconds)
    others = measured.others or 0.0
    busy = "" if others <= machine.BUSY else f", others used {others:.0%} of it"
    return (
        f"[{position}/{count}] {group}: {repeats} repeats of {len(measured.timings)} "
        f"contenders, {time.monotonic() - start:.0f} s{busy}; "
        f"{budget.left / 60:.1f} minutes left"
    )


def _numbers(group: rows.Group, folder: Path) -> tuple[Path, int]:
    """The file with the group's numbers, made once; and its used steps."""
    conventions = tuple(
        dict.fromkeys((*group.conventions, *rows.keep_forms(group.conventions)))
    )
    kind = "masked" if group.masked else "unmasked"
    name = "_".join([str(group.shape), kind, group.mode, *conventions])
    file = folder / f"{name}.npz"
    if not file.exists():
        numbers.for_group(group, conventions).save(file)
    return file, numbers.Numbers.load(file).used_steps


@contextmanager
def _red(record: results.Sessions, key: str) -> Iterator[None]:
    """Notes that the check of a group is red, or that it no longer is."""
    red = record.content.setdefault("red", {})
    try:
        yield
    except WrongResult as wrong:
        red[key] = str(wrong)
        record.save()
        raise
    if red.pop(key, None):
        record.save()


@contextmanager
def _session(record: results.Sessions, options: Options) -> Iterator[dict[str, Any]]:
    """Writes down what a session was, however it ends."""
    record.content["machine"] = machine.describe()
    session: dict[str, Any] = {
        "started": _now(),
        "command": options.command,
        "commit": machine.commit(),
        "versions": machine.versions(),
        "threads": list(options.threads),
        "minutes": options.minutes,
        "load_at_start": machine.load(),
        "others": [],
        "absent": _absent_backends(options),
        "complete": False,
    }
    record.sessions.append(session)
    if (session["load_at_start"] or 0.0) > QUIET_LOAD:
        _say(
            f"This machine is not quiet: its load is {session['load_at_start']:.2f}. "
            "The timings will not be what they could be."
        )
    try:
        yield session
        session["complete"] = True
    finally:
        session["ended"] = _now()
        session["load_at_end"] = machine.load()
        others = session["others"]
        session["others"] = {
            "median": statistics.median(others) if others else None,
            "max": max(others, default=None),
        }
        if (session["others"]["median"] or 0.0) > machine.BUSY:
            _say(
                "This machine was not quiet: beside this run others used "
                f"{session['others']['median']:.0%} of its processors."
            )
        record.save()


def _absent_backends(options: Options) -> dict[str, list[str]]:
    return {
        backend: ["not asked for in this session"]
        for backend in BACKENDS
        if backend not in options.backends
    }


def _origin(session: dict[str, Any]) -> dict[str, str]:
    return {"commit": session["commit"], "session": session["started"]}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _say(text: str) -> None:
    print(text, flush=True)
