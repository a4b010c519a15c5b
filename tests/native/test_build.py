"""Installing with and without a C++ compiler."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from keras_gru.native import library

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def sources(tmp_path):
    """A copy of what the package is built from, without what was built already."""
    copy = tmp_path / "sources"
    shutil.copytree(
        ROOT / "keras_gru",
        copy / "keras_gru",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    return copy


def build(sources, folder, **environment):
    command = [sys.executable, "setup.py", "-q", "build", "--build-lib", str(folder)]
    return subprocess.run(
        command,
        cwd=sources,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )


def native(folder):
    return {path.name for path in (folder / "keras_gru" / "native").glob("*.so")}


def test_without_a_compiler(sources, tmp_path):
    """The package is built all the same, says so, and tells why at run time."""
    nowhere = str(tmp_path / "no-compiler")
    folder = tmp_path / "built"
    ran = build(sources, folder, CC=nowhere, CXX=nowhere)
    assert native(folder) == set()
    assert "building extension" in ran.stdout + ran.stderr
    program = "from keras_gru.native import library; print(library.missing())"
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "no C++ compiler" in told.stdout


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler is here")
def test_with_a_compiler(sources, tmp_path):
    """Both libraries are made, and they are as this keras_gru expects them."""
    folder = tmp_path / "built"
    build(sources, folder)
    assert native(folder) == {"libkeras_gru.so", "libkeras_gru_tensorflow.so"}
    program = "from keras_gru.native import library; print(library.best_instructions())"
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() in library.INSTRUCTIONS
