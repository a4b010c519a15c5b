"""The examples in the docstrings run; every public name and argument has its part."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import keras_gru


def _examples() -> dict[str, str]:
    """MODULE:LINE -> docstring, of classes, functions, modules and constants."""
    found = {}
    walked = pkgutil.walk_packages(keras_gru.__path__, f"{keras_gru.__name__}.")
    for name in ["keras_gru", *sorted(module.name for module in walked)]:
        # Read, not imported: some modules import a framework that is not this one.
        origin = importlib.util.find_spec(name).origin
        if not origin.endswith(".py"):
            continue  # a compiled library lies beside the modules
        for node in ast.walk(ast.parse(Path(origin).read_text(encoding="utf-8"))):
            match node:
                case ast.Expr(ast.Constant(str(text))) if ">>> " in text:
                    found[f"{name}:{node.lineno}"] = text
    return found


EXAMPLES = _examples()
SWEEPS = [at for at, text in EXAMPLES.items() if "tuning.run(" in text]


@pytest.mark.parametrize(
    "at",
    # A sweep starts processes; tests/tuning and tests/zoo do so on each backend.
    [pytest.param(at, marks=[pytest.mark.once] * (at in SWEEPS)) for at in EXAMPLES],
)
def test_an_example_runs(at):
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    names = vars(importlib.import_module(at.partition(":")[0])).copy()
    example = doctest.DocTestParser().get_doctest(EXAMPLES[at], names, at, None, 0)
    runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize(
    "name", [name for name in keras_gru.__all__ if name[0].isupper()]
)
def test_every_public_name_has_an_example(name):
    assert any(f"keras_gru.{name}" in text for text in EXAMPLES.values())


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
def test_the_docstring_lists_every_argument_and_no_other(cls):
    listed = inspect.getdoc(cls).partition("\nArgs:\n")[2].partition("\n\n")[0]
    # Several in one entry: "    kernel_initializer, bias_initializer: initial …".
    entries = re.findall(r"^ {4}([*\w]+(?:,\s+\w+)*):", listed, re.MULTILINE)
    names = {name.strip("*") for entry in entries for name in re.split(r",\s+", entry)}
    assert names == set(inspect.signature(cls).parameters)
