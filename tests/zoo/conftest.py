"""Fixtures: a smaller "tiny", a text, the command line in-process, a trained run."""

from __future__ import annotations

import csv
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.zoo.tiny_zoo import SAMPLE_LENGTH, TINY
from zoo.__main__ import main
from zoo.backend import chosen, use
from zoo.language_model import sampling
from zoo.language_model.config import SIZES

LINES = (
    "def plus(a, b):\n    return a + b\n\n",
    "def minus(a, b):\n    return a - b\n\n",
    "for i in range(9):\n    print(plus(i, minus(i, 3)))\n\n",
    'if __name__ == "__main__":\n    main()\n\n',
)


@dataclass(frozen=True)
class Outcome:
    """What a command gave back."""

    code: int
    out: str
    err: str


Zoo = Callable[..., Outcome]


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def killed(module: str, out: Path, *arguments: object, seconds: float = 240.0) -> None:
    """Run ``python -m MODULE``, and end it with SIGKILL behind its third batch."""
    more = ("--out", out, "--checkpoint-seconds", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, (*arguments, *more))],
        stdout=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    deadline = time.monotonic() + seconds
    try:
        while not list((out / "checkpoints").glob("step-*[3-9].npz")):
            assert process.poll() is None, "the training ended before it was killed"
            assert time.monotonic() < deadline, "the training does not get on"
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    assert not (out / "result.json").exists(), "killed too late to test anything"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pass what NumPy 2 says of Keras' variables when Keras saves weights."""
    ignore = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(ignore)


@pytest.fixture(scope="session", autouse=True)
def _small_and_alone() -> Iterator[None]:
    """Make "tiny" tiny, and keep the machine's cache and data out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        patch.setattr(sampling, "SAMPLE_LENGTH", SAMPLE_LENGTH)
        patch.delenv("KERAS_GRU_DATA", raising=False)
        patch.setenv("KERAS_BACKEND", chosen())
        yield


@pytest.fixture(scope="session", autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    """Undo what a training asks of torch; one thread, for matrices this small.

    Threads that wait for each other cost more than they add, most of all on a machine
    that is busy.
    """
    if chosen() != "torch":
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # for processes that the tests start
        yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def _keras_is_there() -> None:
    use(chosen())


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of 600 characters: 25 steps an epoch for the smaller "tiny"."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(("".join(LINES) * 10)[:600], encoding="utf-8")
    return path


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder over HTTP on this machine: -> its address."""
    with ExitStack() as stack:

        def start(folder: Path) -> str:
            handler = partial(_Quiet, directory=str(folder))
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            stack.callback(server.server_close)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def zoo(capfd: pytest.CaptureFixture[str]) -> Zoo:
    """Run ``python -m zoo ARGUMENTS`` in this process."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def trained(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained to its end without a break. Not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    command = ["train", "language_model", "--text", text_file, "--out", out]
    assert main([str(argument) for argument in command]) == 0
    return out
