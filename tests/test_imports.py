"""Nothing imports in a circle, not even for the type checker."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("keras_gru", "zoo", "benchmarks")


def _modules() -> dict[str, Path]:
    """Name -> file."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def _imported(source: str, known: set[str]) -> Iterator[str]:
    """The modules among `known` that a file imports at its top, `if` included."""
    pending: list[ast.AST] = list(ast.parse(source).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If | ast.Try):
            pending += [*node.body, *node.orelse]
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                whole = f"{node.module}.{one.name}"
                if whole in known or node.module in known:
                    yield whole if whole in known else node.module


def _circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_nothing_imports_in_a_circle() -> None:
    modules = _modules()
    assert len(modules) > 150
    graph = {
        name: {
            one
            for one in _imported(path.read_text(encoding="utf-8"), set(modules))
            if one != name
        }
        for name, path in modules.items()
    }
    assert sum(map(len, graph.values())) > 500  # it sees the imports
    assert _circle(graph) == []


def test_a_circle_is_seen() -> None:
    source = "if TYPE_CHECKING:\n    from a.b import C\n"
    assert list(_imported(source, {"a.b"})) == ["a.b"]
    assert _circle({"a": {"b"}, "b": {"a"}})
