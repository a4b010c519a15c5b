"""A training as it is asked for, and the folder of all that it leaves behind."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoo.errors import ZooError, one_line
from zoo.files import (
    making,
    naming,
    read_hashed,
    remove_partial,
    why,
    write_hashed,
    write_text,
)

CHECKOUT = Path(__file__).resolve().parents[2]


class RunFolder:
    """A folder that holds all that a training leaves behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Every setting that decides the result; written first.
        self.settings = path / "settings.json"
        # The last two, each enough to go on from.
        self.checkpoints = path / "checkpoints"
        # Of the best validation figure, with a hash.
        self.best_weights = path / "best.weights.h5"
        # One row a validation; the same as a picture, and for TensorBoard.
        self.history = path / "history.csv"
        self.learning_curve = path / "learning_curve.png"
        self.events = path / "tensorboard"
        # What the program makes at the end.
        self.samples = path / "samples.txt"
        # The final figures and hashes; only of a finished run.
        self.result = path / "result.json"
        # A line a start of the program: command, machine, and how it ended.
        self.starts = path / "starts.jsonl"

    def create(self, settings: Mapping[str, Any]) -> None:
        """Make the folder; it appears with its settings or not at all."""
        path = self.path
        if path.exists() and not path.is_dir():
            raise ZooError(f"--out {path} is a file; expected the name of a folder")
        if self.settings.is_file():
            raise ZooError(
                f"--out {path} already holds a run: add --resume to go on with it, "
                f"or choose another folder"
            )
        if path.is_dir() and any(path.iterdir()):
            raise ZooError(f"--out {path} is not empty and holds no run")
        try:
            with making(path) as draft:
                write_hashed(draft / self.settings.name, settings)
        except OSError as error:
            raise ZooError(f"--out {path} cannot be written: {why(error)}") from error

    def read_settings(self) -> dict[str, Any]:
        """Read the settings; they name the run's program."""
        if not self.settings.is_file():
            raise ZooError(
                f"{self.path} is not a run folder: it has no settings.json; "
                f"expected the --out folder of a training"
            )
        return read_hashed(self.settings)

    def told(self) -> str:
        """The result of a finished run, in a line."""
        result = read_hashed(self.result)
        figures = ", ".join(
            f"{name} {value:.4f}"
            for name, value in result.items()
            if name.startswith(("validation_", "test_"))
        )
        return (
            f"best weights: {figures}, at step {result['best_step']:,} of "
            f"{result['steps']:,} in {result['seconds']:.0f} s; "
            f"final weights {result['final_weights_sha256'][:16]}"
        )

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write the validations so far as a table."""
        lines = [",".join(history[0])]
        lines += [",".join(str(value) for value in row.values()) for row in history]
        write_text(self.history, "\n".join(lines) + "\n")

    def read_starts(self) -> list[dict[str, str]]:
        """The starts of the program so far."""
        try:
            lines = self.starts.read_text(encoding="utf-8").splitlines()
            return [dict(json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError) as error:
            raise ZooError(f"{self.starts} is damaged: {one_line(error)}") from error


def commit() -> str:
    """The commit of the code, marked where files differ from it; "" if unknown."""
    if not (CHECKOUT / ".git").exists():
        return ""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    # No git, or a checkout without a commit: it then stands there as unknown.
    except (OSError, subprocess.SubprocessError):
        return ""


def machine() -> str:
    """The processor and its cores, for example "AMD EPYC, 2 cores, Linux"."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}"


def code(backend: str) -> str:
    """Versions and commit: what must be the same for the same bits."""
    parts = [f"python {platform.python_version()}"]
    for name in ("keras", backend, "keras_gru"):
        try:
            parts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            parts.append(f"{name} (not installed as a package)")
    return ", ".join([*parts, f"commit {commit() or 'unknown'}"])


@dataclass
class Run:
    """A training, begun or gone on with: what it is asked to do, and its folder.

    Attributes:
        program: its name.
        config: all that decides the result, but for the next ones.
        source: what to train on.
        size: the name of the size whose defaults `config` has.
        seed: decides initial weights, order of the data, dropout and samples.
        backend: Keras' backend.
        folder: where everything goes.
        pretrained: what to go on from: a preset or a run of before; None: nothing.
        extras: what use needs beside the weights, where it is known already: of a
            resumed run, or of `pretrained`.
        stored: the settings of a resumed run.
        checkpoint_seconds: the most work that a kill may cost.
        samples: whether to leave samples, or the figures of a test, at the end.
        check_size: raises where a model with so many parameters is not to be trained.
        callbacks: of Keras; they find the validation figures in the logs of an epoch.
    """

    program: str
    config: Any
    source: Any
    size: str
    seed: int
    backend: str
    folder: RunFolder
    pretrained: str | None = None
    extras: Mapping[str, Any] | None = None
    stored: Mapping[str, Any] | None = None
    checkpoint_seconds: float = 15.0
    samples: bool = True
    check_size: Callable[[int], object] = lambda parameters: None
    callbacks: Sequence[Any] = ()

    def described(self) -> str:
        """The rest of a training's first line."""
        return (
            f"size {self.size}, variant {self.config.variant}, {self.backend} -> "
            f"{self.folder.path}"
        )

    @contextmanager
    def begin(
        self, config: Any, extras: Mapping[str, Any], data: Any
    ) -> Iterator[dict[str, Any]]:
        """Make the folder; at the end, a line in it says how the training went.

        Args:
            config: with what the data decide.
            extras: what use needs beside the weights.
            data: as loaded; it has a `name` and a `sha256`.

        Yields:
            The result, to be filled; it goes into ``result.json``.
        """
        folder = self.folder
        self.data_sha256: str = data.sha256
        settings = {"size": self.size, **asdict(self.source), "seed": self.seed}
        settings |= {"backend": self.backend, "from_preset": self.pretrained}
        if self.stored is None:
            folder.create(
                {
                    "program": self.program,
                    "settings": settings,
                    "config": asdict(config),
                    "data": {"name": data.name, "sha256": data.sha256},
                    "extras": dict(extras),
                    "code": code(self.backend),
                }
            )
        elif self.stored["data"]["sha256"] != data.sha256:
            raise ZooError(f"{folder.path} was trained on other data: {data.name}")
        lock = FileLock(folder.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise ZooError(f"{folder.path} is in use: a training runs in it") from error
        remove_partial(folder.path)
        begun = datetime.datetime.now(datetime.timezone.utc)
        start = {
            "begun": begun.isoformat(timespec="seconds"),
            "command": "python -m zoo " + shlex.join(sys.argv[1:]),
            "machine": machine(),
            "code": code(self.backend),
            "ended": "finished",
        }
        result: dict[str, Any] = {}
        try:
            yield result
            write_hashed(folder.result, result)
            print(folder.told())
        except KeyboardInterrupt:
            start["ended"] = "interrupted"
            raise
        except BaseException as error:
            start["ended"] = one_line(f"{type(error).__name__}: {error}")
            # A mistake in the use, such as weights of another shape, leaves no folder.
            mistake = isinstance(error, ZooError) and error.exit_code == 2
            if self.stored is None and mistake and not folder.checkpoints.exists():
                shutil.rmtree(folder.path)
            raise
        finally:
            lock.release()
            if folder.path.exists():
                with (
                    naming(folder.starts),
                    folder.starts.open("a", encoding="utf-8") as file,
                ):
                    file.write(json.dumps(start, ensure_ascii=False) + "\n")
