"""Every example and every Python block of the documents runs as it stands."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "examples").glob("*.py"))
}
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "*/README.md", "*/*/README.md")
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"python -m ((?:zoo|benchmarks|keras_gru)\b[^#<|&\n]*)")


def _blocks(*languages: str) -> dict[str, str]:
    """FILE:LINE -> content of the blocks in one of these languages."""
    found = {}
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            if block[1] in languages:
                line = text.count("\n", 0, block.start()) + 1
                found[f"{path.relative_to(ROOT)}:{line}"] = block[2]
    return found


PYTHON = _blocks("python")
COMMANDS = sorted(
    {
        command.strip()
        for text in _blocks("", "bash").values()
        for command in COMMAND.findall(text)
    }
)


def _run(folder: Path, *arguments: object) -> str:
    """Run Python in a process of its own and in `folder`; what it printed."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "KERAS_GRU_EXAMPLE": "quick",
            "RAY_worker_niceness": "0",  # else other tests starve it
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _starts_processes(text: str) -> bool:
    """Sweeps do; the zoo is for a process of its own, as people run it."""
    return any(word in text for word in ("tuning", "import zoo", "subprocess"))


def _params(texts: dict[str, str]) -> list[Any]:
    """The names; what starts processes is run once, for each is a framework's start.

    What a backend has a part in there, tests/tuning and tests/zoo run on each.
    """
    marks = {True: [pytest.mark.once], False: []}
    return [
        pytest.param(name, marks=marks[_starts_processes(text)])
        for name, text in texts.items()
    ]


def _run_script(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if _starts_processes(path.read_text(encoding="utf-8")):
        _run(folder, path)
    else:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", [str(path)])
        runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize("name", _params(EXAMPLES))
def test_an_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_script(ROOT / "examples" / name, tmp_path, monkeypatch)


@pytest.mark.parametrize("at", _params(PYTHON))
def test_a_block_runs(at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "block.py"
    quick = re.sub(r"\btrials=\d+", "trials=2", PYTHON[at])  # a sweep takes minutes
    script.write_text(quick, encoding="utf-8")
    _run_script(script, tmp_path, monkeypatch)


@pytest.mark.once
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_options_it_is_given(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    options = [word for word in words if word.startswith("--")]
    before = words[: words.index(options[0])] if options else words
    told = _run(tmp_path, "-m", *before, "--help")
    for option in options:
        assert re.search(rf"{option}\b", told), f"{option} is not among\n{told}"


def test_there_are_some() -> None:
    """A pattern that finds nothing must not pass."""
    assert EXAMPLES
    assert "README.md" in {at.split(":")[0] for at in PYTHON}
    assert COMMANDS
