"""The run folder: settings, figures, and one row a run in a table of all runs."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError, one_line
from zoo.files import making, naming, remove_partial, why, write_text

FIELDS = (
    "started",
    "program",
    "status",
    "command",
    "seed",
    "commit",
    "machine",
    "backend",
    "versions",
    "dataset",
    "size",
    "variant",
    "parameters",
    "steps",
    "seconds",
    "train_loss",
)

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds all that a training leaves behind.

    ======================  =====================================================
    ``settings.json``       every setting that decides the result; written first
    ``checkpoints/``        the last checkpoints, each enough to go on from
    ``best.weights.h5``     the weights of the best validation figure, with a hash
    ``history.csv``         one row a validation
    ``learning_curve.png``  the same as a picture
    ``tensorboard/``        the same and the training loss, for TensorBoard
    ``samples.txt``         what the program makes at the end
    ``result.json``         the final figures and hashes; only of a finished run
    ``runs.csv``            one row a start of the program, failed ones too
    ======================  =====================================================
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best_weights(self) -> Path:
        return self.path / "best.weights.h5"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def learning_curve(self) -> Path:
        return self.path / "learning_curve.png"

    @property
    def events(self) -> Path:
        return self.path / "tensorboard"

    @property
    def samples(self) -> Path:
        return self.path / "samples.txt"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def rows(self) -> Path:
        return self.path / "runs.csv"

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any]) -> RunFolder:
        """Make a new run folder; it appears with its settings or not at all.

        Raises:
            ZooError: the folder is in use, or cannot be written.
        """
        if path.exists() and not path.is_dir():
            raise ZooError(f"--out {path} is a file; expected the name of a folder")
        if (path / "settings.json").is_file():
            raise ZooError(
                f"--out {path} already holds a run: add --resume to go on with it, "
                f"or choose another folder"
            )
        if path.is_dir() and any(path.iterdir()):
            raise ZooError(f"--out {path} is not empty and holds no run")
        try:
            with making(path) as draft:
                text = json.dumps(settings, indent=2) + "\n"
                write_text(draft / "settings.json", text)
        except OSError as error:
            raise ZooError(f"--out {path} cannot be written: {why(error)}") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path, program: str) -> tuple[RunFolder, dict[str, Any]]:
        """Open a folder that a training of `program` made, and read its settings.

        Raises:
            ZooError: it is no run folder, of another program, or damaged.
        """
        settings = cls.read_settings(path)
        if (found := settings["program"]) != program:
            raise ZooError(f"{path} is a run of {found!r}, expected one of {program!r}")
        remove_partial(path)
        return cls(path), settings

    @staticmethod
    def read_settings(path: Path) -> dict[str, Any]:
        """Read a run folder's settings; they name its program.

        Raises:
            ZooError: it is no run folder, or damaged.
        """
        file = path / "settings.json"
        if not file.is_file():
            raise ZooError(
                f"{path} is not a run folder: it has no settings.json; "
                f"expected the --out folder of a training"
            )
        try:
            settings = dict(json.loads(file.read_text(encoding="utf-8")))
            settings["program"]
        except (ValueError, KeyError, TypeError) as error:
            raise ZooError(
                f"{file} is damaged: {type(error).__name__}: {error}"
            ) from error
        return settings

    def discard(self) -> None:
        """Remove a folder that was just created and that nothing was trained in."""
        shutil.rmtree(self.path, ignore_errors=True)

    def told(self, columns: Sequence[str]) -> str:
        """The result of a finished run, in a line."""
        result = json.loads(self.result.read_text(encoding="utf-8"))
        figures = ", ".join(
            f"{name} {result[name]:.4f}" for name in columns if name in result
        )
        return (
            f"best weights: {figures}, at step {result['best_step']:,} of "
            f"{result['steps']:,} in {result['seconds']:.0f} s; "
            f"final weights {result['final_weights_sha256'][:16]}"
        )

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write the validations so far as a table."""
        if not history:
            return
        lines = [",".join(history[0])]
        lines += [",".join(str(value) for value in row.values()) for row in history]
        write_text(self.history, "\n".join(lines) + "\n")


def fields(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of a program's table: those of all programs, its own, the error."""
    return (*FIELDS, *columns, "error")


def append_row(table: Path, row: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Append one row to a table of runs, with the head line where it is new.

    Args:
        table: the CSV.
        row: what has no column is left out.
        columns: the program's own.

    Raises:
        ZooError: the table has other columns.
    """
    names = fields(columns)
    new = not table.is_file() or table.stat().st_size == 0
    if not new:
        with table.open(encoding="utf-8", newline="") as file:
            head = next(csv.reader(file), [])
        if tuple(head) != names:
            raise ZooError(f"{table} has other columns than a table of runs: {head}")
    with naming(table), table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({name: row.get(name, "") for name in names})


def command_line() -> str:
    """The command as it was typed."""
    return "python -m zoo " + shlex.join(sys.argv[1:])


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
    # No git, or a checkout without a commit: the row then says that it is unknown.
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


def versions(backend: str) -> str:
    """Python, Keras, backend and project versions in one cell."""
    parts = [f"python {platform.python_version()}"]
    for name in ("keras", backend, "keras_gru"):
        try:
            parts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            parts.append(f"{name} (not installed as a package)")
    return ", ".join(parts)


def code(backend: str) -> str:
    """Versions and commit: what must be the same for the same bits."""
    return f"{versions(backend)}, commit {commit() or 'unknown'}"


def now() -> str:
    """The time in UTC to the second, ISO 8601."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


@dataclass
class Run:
    """A training, begun or gone on with: what it is asked to do, and its folder.

    Attributes:
        program: its name.
        columns: of its table of runs, beside those of all programs.
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
    """

    program: str
    columns: Sequence[str]
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
        """Make the folder; at the end, a row in its table says how it went.

        Args:
            config: with what the data decide.
            extras: what use needs beside the weights.
            data: as loaded; it has a `name` and a `sha256`.

        Yields:
            The result, to be filled; it goes into ``result.json`` and the row.

        Raises:
            ZooError: the folder is in use, or the run was begun with other data.
        """
        settings = {"size": self.size, **asdict(self.source), "seed": self.seed}
        settings |= {"backend": self.backend, "from_preset": self.pretrained}
        if self.stored is None:
            RunFolder.create(
                self.folder.path,
                {
                    "program": self.program,
                    "settings": settings,
                    "config": asdict(config),
                    "data": {"name": data.name, "sha256": data.sha256},
                    "extras": dict(extras),
                    "code": code(self.backend),
                },
            )
        elif self.stored["data"]["sha256"] != data.sha256:
            raise ZooError(f"{self.folder.path} was trained on other data: {data.name}")
        row = {
            "started": now(),
            "program": self.program,
            "status": "finished",
            "command": command_line(),
            "seed": self.seed,
            "commit": commit(),
            "machine": machine(),
            "backend": self.backend,
            "versions": versions(self.backend),
            "dataset": data.name,
            "size": self.size,
            "variant": config.variant,
        }
        result: dict[str, Any] = {}
        try:
            yield result
            write_text(self.folder.result, json.dumps(result, indent=2) + "\n")
            print(self.folder.told(self.columns))
        except KeyboardInterrupt:
            row.update(status="interrupted")
            raise
        except BaseException as error:
            told = one_line(f"{type(error).__name__}: {error}")
            row.update(status="failed", error=told)
            # A mistake in the use, such as weights of another shape, leaves no folder.
            mistake = isinstance(error, ZooError) and error.exit_code == 2
            if self.stored is None and mistake and not self.folder.checkpoints.exists():
                self.folder.discard()
            raise
        finally:
            if self.folder.path.exists():
                append_row(self.folder.rows, {**row, **result}, self.columns)
