"""Without the packages of the extra [zoo]: one line that says how to get them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.extra import PACKAGES

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]

# As if a package were not installed.
BLOCK = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Blocker())
"""


def _without(
    missing: tuple[str, ...], folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run Python where `missing` are not installed."""
    (folder / "sitecustomize.py").write_text(BLOCK.format(missing=missing))
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": "", "PYTHONPATH": f"{folder}:{ROOT}"},
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("click",), "click is not installed"),
        (("rich",), "rich is not installed"),
        (("h5py",), "h5py is not installed"),
        (("scipy",), "scipy is not installed"),
        (PACKAGES, f"{', '.join(PACKAGES)} are not installed"),
    ],
)
@pytest.mark.parametrize(
    "command", [(), ("list",), ("train", "speech"), ("predict", "speech", "a", "b")]
)
def test_the_command_line(
    missing: tuple[str, ...], words: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    done = _without(missing, tmp_path, "-m", "zoo", *command)
    assert done.returncode == 2, done
    assert done.stderr == f'zoo: {words}: pip install -e ".[zoo]"\n'
    assert done.stdout == ""


@pytest.mark.parametrize("missing", ["click", "scipy"])
@pytest.mark.parametrize(
    "code", ["import zoo; zoo.load('fsdd-digits')", "from zoo import load"]
)
def test_python(missing: str, code: str, tmp_path: Path) -> None:
    done = _without((missing,), tmp_path, "-c", code)
    last = done.stderr.splitlines()[-1]
    assert last == (f'ImportError: {missing} is not installed: pip install -e ".[zoo]"')


def test_a_fault_of_the_zoo_itself_is_not_mistaken(tmp_path: Path) -> None:
    code = "import sys; sys.modules['zoo.presets.loaded'] = None; import zoo; zoo.load"
    done = _without((), tmp_path, "-c", code)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: import of zoo.presets.loaded halted")


def test_the_packages_are_those_of_the_extra() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extra = re.search(r"^zoo = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert extra is not None
    assert re.findall(r'"(.+?)"', extra[1]) == ["keras_gru[tensorflow]", *PACKAGES]
