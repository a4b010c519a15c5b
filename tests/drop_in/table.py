"""docs/drop_in.md: what the uses came to on each backend, written and read."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path

import keras

from tests.drop_in.judge import (
    BACKENDS,
    BOTH_REFUSE,
    DIFFERS,
    FAILS,
    ONLY_OURS,
    SAME,
    USES,
    Use,
)

MODULES = ("constructing", "calling", "models", "training", "saving", "looking")
MODULES += ("on_tensorflow", "on_jax", "on_torch")
for module in MODULES:
    importlib.import_module(f"tests.drop_in.{module}")

PATH = Path(__file__).parents[2] / "docs" / "drop_in.md"
NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "torch"}
NO_SUCH_USE = "–"
LISTS = {
    DIFFERS: "What differs on purpose",
    ONLY_OURS: "What only keras_gru.GRU does, and why Keras' own fails",
    BOTH_REFUSE: "What both refuse",
}

HEAD = f"""\
# Where `keras.layers.GRU` works, `keras_gru.GRU` works

Each row is a use of the layer, run with `keras.layers.GRU` and with `keras_gru.GRU` in
its place (`GRUCell` and `GRUCellV` likewise), from the same seed, on Keras
{keras.__version__} without a GPU. The uses are the functions of
[tests/drop_in](../tests/drop_in); `tests/test_drop_in.py` runs them and compares each
cell with what it saw; `python -m tests.drop_in` writes this file.

- **{SAME}**: equal results within `tests/tolerances.py`, and no new warning.
- **{DIFFERS}**, **{ONLY_OURS}**, **{BOTH_REFUSE}**: the reasons are below.
- **{FAILS}**: an error, other results or a new warning; a defect.
- **{NO_SUCH_USE}**: the backend has no such thing, or the tests do not run it there:
  `jit_compile=True` takes torch a minute a model, `tf.data` beside torch would bring
  two copies of LLVM into one process, and LiteRT from torch needs another package.
"""
NOT_YET = dict.fromkeys(BACKENDS, "?")
"""The verdicts of a use that has not run."""

Cells = dict[tuple[str, str], dict[str, str]]
"""(group, title) -> backend -> verdict."""


def render(cells: Cells) -> str:
    """The file with these verdicts; the uses and their reasons are from the code."""
    lines = HEAD.splitlines()
    for heading, uses in itertools.groupby(USES, lambda use: use.group):
        lines += ["", f"## {heading}", "", f"| use | {' | '.join(NAMES.values())} |"]
        lines.append("|---|---|---|---|")
        for use in uses:
            verdicts = cells.get((use.group, use.title), NOT_YET)
            lines.append(
                f"| {use.title} | {' | '.join(verdicts[b] for b in BACKENDS)} |"
            )
    for verdict, heading in LISTS.items():
        lines += ["", f"## {heading}", ""]
        for use in USES:
            lines += _reasons(use, verdict)
    return "\n".join(lines) + "\n"


def read() -> Cells:
    """The verdicts of the committed file."""
    cells: Cells = {}
    heading = ""
    for line in PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| "):
            title, *verdicts = (cell.strip() for cell in line.strip("|").split("|"))
            cells[heading, title] = dict(zip(BACKENDS, verdicts, strict=True))
    return cells


def _reasons(use: Use, verdict: str) -> list[str]:
    """The lines that say why, one for each reason."""
    why: dict[str, list[str]] = {}
    for backend, (declared, reason) in use.declared.items():
        if declared == verdict:
            why.setdefault(reason, []).append(NAMES[backend])
    return [
        f"- {use.group}, {use.title} ({', '.join(backends)}): {reason}."
        for reason, backends in why.items()
    ]
