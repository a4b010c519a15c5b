"""The examples in the docstrings run, and every public thing has one."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import pkgutil

import keras
import pytest

import keras_gru

# Modules that import a framework. No process imports two of them: Triton, which torch
# imports where it is installed, crashes beside the LLVM of TensorFlow and of JAX.
FRAMEWORKS = {
    "keras_gru.native.on_tensorflow": "tensorflow",
    "keras_gru.native.on_jax": "jax",
    "keras_gru.native.on_torch": "torch",
    "keras_gru.triton.function": "torch",
    "keras_gru.triton.programs": "torch",
}

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(keras_gru.__path__, f"{keras_gru.__name__}.")
    # The compiled libraries lie beside the modules and are none.
    if importlib.util.find_spec(module.name).origin.endswith(".py")
    and FRAMEWORKS.get(module.name, keras.backend.backend()) == keras.backend.backend()
)


@pytest.mark.parametrize("name", ["keras_gru", *MODULES])
def test_examples(name):
    module = importlib.import_module(name)
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)


def test_there_are_examples():
    """The finder must not miss them in silence."""
    count = sum(
        len(example.examples)
        for name in MODULES
        for example in doctest.DocTestFinder().find(importlib.import_module(name))
    )
    assert count >= 10


@pytest.mark.parametrize(
    "name", [name for name in keras_gru.__all__ if name[0].isupper()]
)
def test_every_public_class_has_an_example(name):
    public = getattr(keras_gru, name)
    if not inspect.isclass(public):  # a constant: its docstring stands below it
        assert f">>> layer = keras_gru.GRU(8, **keras_gru.{name}" in inspect.getsource(
            importlib.import_module(f"keras_gru.{name.lower()}")
        )
        return
    assert ">>> " in inspect.getdoc(public)


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
def test_the_docstring_has_formula_and_every_argument(cls):
    text = inspect.getdoc(cls)
    for formula in ("h' = z ⊙ h + (1 − z) ⊙ n", "h' = (1 − z) ⊙ h + z ⊙ n"):
        assert formula in text
    for name in inspect.signature(cls).parameters:
        assert name in text, name
    for heading in ("Args:", "Call arguments:", "Returns:", "Raises:", "Source:"):
        assert heading in text


@pytest.mark.parametrize("name", ["keras_gru", *MODULES])
def test_every_module_says_what_it_is(name):
    text = importlib.import_module(name).__doc__
    assert text
    assert text.splitlines()[0].endswith((".", ":"))
