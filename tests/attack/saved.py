"""Run folders and presets: damaged, senseless, hostile."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.attack.outcomes import REFUSED, SAME, Different
from zoo import presets
from zoo.errors import ZooError
from zoo.files import read_hashed, write_hashed
from zoo.language_model.use import LanguageModel


@functools.cache
def trained() -> Path:
    """A finished run of the smallest language model, made once."""
    folder = Path(tempfile.mkdtemp())
    (folder / "text.txt").write_text("the cat sat on the mat; " * 40)
    command = [sys.executable, "-m", "tests.zoo.tiny_zoo", "train", "language_model"]
    command += ["--size", "tiny", "--epochs", "1", "--out", str(folder / "run")]
    command += ["--text", str(folder / "text.txt")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "run"


@functools.cache
def _written(source: Path) -> str:
    return _write(source)


def _write(source: Path) -> str:
    return LanguageModel.from_preset(source).predict("the ", length=8, seed=1)


def _used(source: Path, original: Path) -> str:
    """Use a copy that was damaged; its text must be that of the original."""
    try:
        text = _write(source)
    except ZooError as error:
        if "\n" in str(error):
            raise Different(f"more than one line: {error}") from error
        return REFUSED
    if text != _written(original):
        raise Different(f"{text!r}, expected {_written(original)!r}")
    return SAME


def damage(rng: np.random.Generator, path: Path) -> None:
    """Flip bits, cut, overwrite or remove a file."""
    content = bytearray(path.read_bytes())
    how = rng.integers(5)
    if how == 0:
        path.unlink()
        return
    if how == 1 and content:
        del content[int(rng.integers(len(content))) :]
    elif how == 2:
        content = bytearray(rng.bytes(int(rng.integers(200))))
    elif how == 3:
        content += rng.bytes(int(rng.integers(1, 50)))
    else:
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(8 * max(1, len(content))))
            if content:
                content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def damaged_run(rng: np.random.Generator, folder: Path) -> str:
    """A file of a finished run, damaged."""
    copy = Path(shutil.copytree(trained(), folder / "run"))
    files = [path for path in sorted(copy.rglob("*")) if path.is_file()]
    damage(rng, files[rng.integers(len(files))])
    return _used(copy, trained())


@functools.cache
def _preset() -> Path:
    folder = trained().parent / "preset"
    with contextlib.redirect_stdout(io.StringIO()):
        LanguageModel.from_preset(trained()).save_to_preset(folder)
    return folder


def damaged_preset(rng: np.random.Generator, folder: Path) -> str:
    """A file of a preset, damaged."""
    copy = Path(shutil.copytree(_preset(), folder / "preset"))
    files = sorted(path for path in copy.iterdir() if path.is_file())
    damage(rng, files[rng.integers(len(files))])
    return _used(copy, _preset())


SENSELESS: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**9, 2**70, 1e300, float("nan"), float("inf")),
    *("", "x", "../../etc/passwd", "\0", "a" * 10_000, [], {}, [1], {"a": 1}, [[]]),
)


def senseless_preset(rng: np.random.Generator, folder: Path) -> str:
    """A value of a preset made senseless, with the right hash."""
    copy = Path(shutil.copytree(_preset(), folder / "preset"))
    name = str(rng.choice([presets.CONFIG, presets.EXTRAS]))
    content = json.loads((copy / name).read_text())
    place = content["config"] if name == presets.CONFIG else content
    if rng.integers(3) == 0:
        place = content
    key = str(rng.choice(sorted(place)))
    value = SENSELESS[rng.integers(len(SENSELESS))]
    harmless = place[key] == value or key in ("code", "figures", "headline", "data")
    place[key] = value
    (copy / name).write_text(json.dumps(content))
    _seal(copy)
    try:
        return _used(copy, _preset())
    except Different:
        if harmless or name == presets.CONFIG:
            return SAME  # another configuration, that of whoever made the preset
        raise


def _seal(preset: Path) -> None:
    hashes = {
        file: hashlib.sha256((preset / file).read_bytes()).hexdigest()
        for file in presets.FILES
    }
    (preset / presets.HASHES).write_text(json.dumps(hashes))


def hostile_weights(rng: np.random.Generator, folder: Path) -> str:
    """A weights file with links to elsewhere, bombs, and arrays of other shapes."""
    copy = Path(shutil.copytree(_preset(), folder / "preset"))
    with h5py.File(copy / presets.WEIGHTS, "a") as file:
        names: list[str] = []
        file.visititems(
            lambda name, item: (
                names.append(name) if isinstance(item, h5py.Dataset) else None
            )
        )
        name = names[rng.integers(len(names))]
        shape = file[name].shape
        how = rng.integers(5)
        if how < 4:
            del file[name]
        if how == 0:
            file[name] = h5py.ExternalLink("/etc/hostname", "/")
        elif how == 1:  # 4 TiB that take no room
            file.create_dataset(name, (2**20, 2**20), "float32", chunks=(1, 1024))
        elif how == 2:
            file[name] = np.full(shape, np.nan, "float16")
        elif how == 3:
            file[name] = np.array([b"text"])
        else:
            file.create_group("elsewhere").attrs["pickle"] = b"cos\nsystem\n."
    _seal(copy)
    return _used(copy, _preset())


def two_writers(rng: np.random.Generator, folder: Path) -> str:
    """Two processes that write one file, and one that reads it."""
    path = folder / "x.json"
    contents = [{"a": 0, "b": "x" * int(rng.integers(1, 5000))} for _ in range(2)]
    write_hashed(path, contents[0])
    children = []
    for content in contents:
        child = os.fork()
        if child == 0:
            for _ in range(5):
                write_hashed(path, content)
            os._exit(0)
        children.append(child)
    for _ in range(20):
        if read_hashed(path) not in contents:
            raise Different("a file that nobody has written")
    for child in children:
        if os.waitpid(child, 0)[1]:
            raise Different("a writer failed")
    return SAME
