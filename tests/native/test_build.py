"""Installing with and without a C++ compiler."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import keras_gru
from keras_gru.native import library

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def sources(tmp_path):
    """A copy of the checkout's folders, without what was built already."""
    copy = tmp_path / "sources"
    for name in ("keras_gru", "zoo", "benchmarks", "examples", "tests"):
        shutil.copytree(
            ROOT / name,
            copy / name,
            ignore=shutil.ignore_patterns("*.so", "__pycache__"),
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    return copy


def build(sources, folder, **environment):
    """Build the wheel and unpack it into a folder: (wheel, what pip said)."""
    wheels = folder.with_name("wheels")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", str(wheels), str(sources)),
        ],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder)
    return wheel, ran.stdout


def native(folder):
    return {path.name for path in (folder / "keras_gru" / "native").glob("*.so")}


def test_without_a_compiler(sources, tmp_path):
    """The package is built all the same, says so, and tells why at run time."""
    nowhere = str(tmp_path / "no-compiler")
    folder = tmp_path / "built"
    _, said = build(sources, folder, CC=nowhere, CXX=nowhere)
    assert native(folder) == set()
    assert "building extension" in said
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
    """The wheel has the package alone, with both libraries as it expects them."""
    folder = tmp_path / "built"
    wheel, _ = build(sources, folder)
    assert {path.name for path in folder.iterdir()} == {
        "keras_gru",
        f"keras_gru-{keras_gru.__version__}.dist-info",
    }
    assert wheel.stat().st_size < 3e6
    (metadata,) = folder.glob("*.dist-info/METADATA")
    # Those of no extra: the backend is the user's choice.
    needs = re.findall(r"^Requires-Dist: (\w+)[^;\n]*$", metadata.read_text(), re.M)
    assert needs == ["keras", "numpy"]
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
