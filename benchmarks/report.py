"""From the files of a run to its tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, off_road, plots, ratios, results, summary
from benchmarks.check import WrongResult
from benchmarks.contenders import BACKENDS
from benchmarks.grids import Grid
from benchmarks.results import Row, convention_of
from benchmarks.rows import keep_form

PEERS = {
    (ratios.TORCH_NN, "torch"): "torch.nn.GRU",
    ("torch.nn.GRU compiled", "torch"): "torch.compile",
    ("onnxruntime", "onnxruntime"): "ONNX Runtime",
    ("flax", "jax"): "flax",
}


def report(path: Path) -> list[Path]:
    """Prints the tables of a CSV file; writes them and the plots beside it.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: there is no such file, or no row in it.
        WrongResult: the check of one of its groups is red.
    """
    record = results.Sessions(path)
    refuse_while_red(record)
    rows = results.rows_table(path).rows
    growing = results.growth_table(path).rows
    beside = record.content.get("off_road", {})
    if not (rows or growing or beside):
        raise FileNotFoundError(
            f"There are no results in {path}. Run python -m benchmarks run first."
        )
    grids = [
        claims(summary.summarise(rows, growing)),
        *tables(rows),
        *jit_table(rows),
        *limits(rows),
        *growth_table(growing),
        *off_road.grids(beside),
    ]
    for grid in grids:
        grid.show()
    print(notes(rows, record))
    written = plots.save_all(rows, growing, path)
    text = path.with_suffix(".md")
    text.write_text(
        "\n".join([heading(path, record), *(grid.markdown() for grid in grids)])
        + "\n"
        + notes(rows, record)
        + "".join(f"\n![{plot.stem}]({plot.name})\n" for plot in written)
    )
    return [text, *written]


def refuse_while_red(record: results.Sessions) -> None:
    """Raises WrongResult where a contender of these files is wrong."""
    red = record.content.get("red", {})
    if red:
        groups = "\n".join(f"{group}: {message}" for group, message in red.items())
        raise WrongResult(
            f"No report: the correctness check is red.\n{groups}\n"
            "Run these rows again once it is mended (run --rows … --again)."
        )


def claims(lines: Sequence[summary.Line]) -> Grid:
    words = {True: "yes", False: "NO", None: ""}
    grid = Grid("Claims", ["what", "backend", "target", "found", "met"], texts=5)
    for line in lines:
        grid.lines.append(
            [line.claim, line.backend, line.target, line.found, words[line.met]]
        )
    return grid


def jit_table(rows: Sequence[Row]) -> list[Grid]:
    """TensorFlow with jit_compile=True, which Keras does not choose by itself."""
    places = dict.fromkeys(
        (row["mode"], row["threads"], _place(row)[2:])
        for row in rows
        if row["contender"] == ratios.OURS + " jit"
    )
    at = {(row["mode"], row["threads"], _place(row)): row for row in rows}
    grid = Grid(
        "TensorFlow with and without jit_compile=True: median milliseconds",
        [
            *("mode", "shape", "masked", "threads", "keras_gru", "keras_gru jit"),
            *("keras.layers.GRU", "keras.layers.GRU jit"),
        ],
        texts=3,
    )
    for mode, threads, place in places:
        shape, _, masked = place
        cells = [
            _milliseconds(at.get((mode, threads, (name, "tensorflow", *place))))
            for name in grid.head[4:]
        ]
        kind = [mode, str(shape), "yes" if masked else "no", str(threads)]
        grid.lines.append(kind + cells)
    return [grid] if places else []


def tables(rows: Sequence[Row]) -> list[Grid]:
    """One table a mode and number of threads: ours beside the peers."""
    kinds = dict.fromkeys((row["mode"], row["threads"]) for row in rows)
    return [
        _table([r for r in rows if (r["mode"], r["threads"]) == kind], *kind)
        for kind in kinds
    ]


def _table(rows: Sequence[Row], mode: str, threads: int) -> Grid:
    ours = summary.ours(rows)
    backends = [b for b in BACKENDS if any(r["backend"] == b for r in ours)]
    grid = Grid(
        f"{mode}, {threads} thread{'s' if threads > 1 else ''}: median "
        "milliseconds (times faster than keras.layers.GRU on the same backend)",
        [
            *("shape", "convention", "masked"),
            *(f"keras_gru {backend}" for backend in backends),
            *PEERS.values(),
            *("best peer", "ratio to it", "share of sgemm"),
        ],
        texts=3,
    )
    at = {_place(row): row for row in rows}
    places = dict.fromkeys(_place(row)[2:] for row in ours)
    for place in places:
        found = [at.get((ratios.OURS, backend, *place)) for backend in backends]
        shape, convention, masked = place
        peer_place = (shape, keep_form(convention), masked)
        fastest = min((r for r in found if r), key=lambda r: r["median_s"])
        grid.lines.append(
            [
                *(str(shape), convention, "yes" if masked else "no"),
                *map(_cell, found),
                *(_milliseconds(at.get((*peer, *peer_place))) for peer in PEERS),
                fastest["best_peer"] or "",
                _number(fastest["ratio_to_best_peer"], "{:.2f}×"),
                _number(fastest["share_of_sgemm"], "{:.0%}"),
            ]
        )
    return grid


def _place(row: Row) -> tuple[Any, ...]:
    return (
        *(row["contender"], row["backend"], summary.shape_of(row)),
        *(convention_of(row), row["masked"]),
    )


def _cell(row: Row | None) -> str:
    ratio = _number(row["ratio_to_keras"] if row else None, " ({:.1f}×)")
    return _milliseconds(row) + ratio


def _milliseconds(row: Row | None) -> str:
    return f"{1e3 * row['median_s']:.3g}" if row else ""


def _number(value: float | None, form: str) -> str:
    return form.format(value) if value else ""


def limits(rows: Sequence[Row]) -> list[Grid]:
    """The matrix products: what each library reached, and where it was best."""
    products = [row for row in rows if ratios.is_sgemm(row["contender"])]
    if not products:
        return []
    grid = Grid(
        "Matrix products, GFLOP/s",
        ["product", "library", "threads", "median over groups", "best group"],
        texts=2,
    )
    for kind in dict.fromkeys(
        (row["contender"], row["backend"], row["threads"]) for row in products
    ):
        speeds = sorted(
            row["gflops"]
            for row in products
            if (row["contender"], row["backend"], row["threads"]) == kind
        )
        middle = speeds[len(speeds) // 2]
        grid.lines.append([*map(str, kind), f"{middle:.0f}", f"{speeds[-1]:.0f}"])
    return [grid]


def growth_table(rows: Sequence[Row]) -> list[Grid]:
    if not rows:
        return []
    grid = Grid(
        "A training step against the number of time steps (2 rows, 32 units)",
        ["backend", "kernel", "note", "time steps", "ms", "peak MiB above the data"],
        texts=3,
    )
    for row in sorted(rows, key=lambda r: (r["backend"], r["timesteps"])):
        above = row["peak_mib"] and row["peak_mib"] - row["before_mib"]
        grid.lines.append(
            [
                *(row["backend"], row["kernel"], row["note"], f"{row['timesteps']:,}"),
                _number(row["seconds"] and 1e3 * row["seconds"], "{:.4g}"),
                _number(above, "{:.0f}"),
            ]
        )
    return [grid]


def heading(path: Path, record: results.Sessions) -> str:
    content = record.content
    processor = content["machine"].get("processor", {})
    versions = ", ".join(
        f"{name} {version}"
        for name, version in content["machine"].get("versions", {}).items()
    )
    commands = "\n".join(
        f"- `{session['command']}`, {session['started']}, commit {session['commit']}, "
        f"load {session['load_at_start']:.2f} at the start"
        for session in content["sessions"]
    )
    return (
        f"# {path.stem}\n\n{processor.get('name', '')}, "
        f"{content['machine'].get('cores', '?')} cores; {versions}.\n\n{commands}\n"
    )


def notes(rows: Sequence[Row], record: results.Sessions) -> str:
    """Who was not there, what spoils the numbers, and how to read them."""
    lines = []
    absent: dict[str, list[str]] = {}
    for session in record.sessions:
        absent |= session["absent"]
    there = {row["backend"] for row in rows}
    for name, reasons in absent.items():
        if name not in there:
            why = "; ".join(reasons)
            lines.append(f"- Not measured, or not in every row: {name}: {why}.")
    commits = {row["commit"] for row in rows}
    if len(commits) > 1:
        lines.append(f"- Rows of several commits: {', '.join(sorted(commits))}.")
    incomplete = record.sessions and not record.sessions[-1]["complete"]
    if incomplete:
        lines.append("- The last session was broken off: rows may be missing.")
    busy = [row for row in rows if (row["others"] or 0.0) > machine.BUSY]
    if busy:
        lines.append(
            f"- The machine was not quiet: in {len(busy)} of {len(rows)} rows others "
            f"used more than {machine.BUSY:.0%} of it."
        )
    worst = max((row["error"] for row in rows if row["error"]), default=0.0)
    lines += [
        "- Every contender was held against the float64 oracle before it was timed; "
        f"the largest relative error was {worst:.1g}.",
        "- A ratio is the median of the ratios of each repeat. A masked row counts "
        "the arithmetic of its used steps only. Peers of the replace conventions "
        "are those of the keep convention with the same reset.",
    ]
    return "\n".join(lines) + "\n"
