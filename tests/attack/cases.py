"""One case of each kind of attack: (random numbers, a folder) -> what came of it.

A case ends with one of three allowed outcomes: SAME, the result of an undisturbed run;
REFUSED, one line of the project's own error; REPAIRED, a repair that is told. It raises
`Different` where the result is another one without a word; whatever else it raises is
a traceback that a user would have seen.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import soundfile

from keras_gru.tuning import settings
from keras_gru.tuning.errors import SweepError
from tests.cases import CONVENTIONS
from tests.native.arrays import Layer, draw, expected, instructions
from tests.tuning import models
from zoo import presets
from zoo.errors import ZooError
from zoo.language_model.sampling import Sampling
from zoo.language_model.use import LanguageModel
from zoo.speech import audio

SAME, REFUSED, REPAIRED = "same", "refused", "repaired"

Case = Callable[[np.random.Generator, Path], str]


class Different(Exception):
    """The result is another one, and nothing was said."""


# The compiled kernel.


def _configuration(rng: np.random.Generator) -> tuple[dict[str, Any], Any]:
    """Options of a layer, and numbers for it."""
    shape = tuple(int(rng.integers(1, most)) for most in (9, 12, 20, 40))
    options = CONVENTIONS[str(rng.choice(list(CONVENTIONS)))]
    mask = str(rng.choice(["none", "right", "left", "holes", "rows", "empty"]))
    numbers = draw(shape, mask, options["reset_after"], int(rng.integers(2**31)))
    return {**options, "go_backwards": bool(rng.integers(2))}, numbers


def native(rng: np.random.Generator, folder: Path) -> str:
    """A random configuration, forwards and backwards, against the oracle."""
    options, numbers = _configuration(rng)
    sets = str(rng.choice(instructions()))
    layer = Layer(threads=int(rng.integers(1, 5)), instructions=sets, **options)
    for ours, oracle in zip(
        layer.run(numbers), expected(numbers, **options), strict=True
    ):
        if oracle is not None and not np.allclose(ours, oracle, 1e-9, 1e-11):
            raise Different(f"{options}, {sets}")
    return SAME


def threads(rng: np.random.Generator, folder: Path) -> str:
    """The same call in several threads at once."""
    options, numbers = _configuration(rng)
    alone = Layer(**options).run(numbers)
    found: list[Any] = []

    def run() -> None:
        found.append(Layer(threads=2, **options).run(numbers))

    running = [threading.Thread(target=run) for _ in range(4)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    if len(found) < 4 or not all(_equal(alone, one) for one in found):
        raise Different(str(options))
    return SAME


def forks(rng: np.random.Generator, folder: Path) -> str:
    """A child that was forked while another thread runs the kernel."""
    options, numbers = _configuration(rng)
    alone = Layer(**options).run(numbers)
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            Layer(threads=2, **options).run(numbers)

    beside = threading.Thread(target=run)
    beside.start()
    try:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(0 if _equal(alone, Layer(**options).run(numbers)) else 1)
        _, status = os.waitpid(child, 0)
    finally:
        over.set()
        beside.join()
    if status:
        raise Different(f"the child ended with {status}: {options}")
    return SAME


def _equal(first: list[Any], second: list[Any]) -> bool:
    return all(
        a is b is None or np.array_equal(a, b)
        for a, b in zip(first, second, strict=True)
    )


# Run folders and presets of the zoo.


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


def _damage(rng: np.random.Generator, path: Path) -> None:
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
    _damage(rng, files[rng.integers(len(files))])
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
    _damage(rng, files[rng.integers(len(files))])
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


# What a user types or gives.


def prompts(rng: np.random.Generator, folder: Path) -> str:
    """Random text and settings into `predict language_model`."""
    writer = LanguageModel.from_preset(trained())
    letters = "the catsonm; " if rng.integers(4) else "the cat\0\ud7ff\U0001f600ß"
    prompt = "".join(rng.choice(list(letters), int(rng.integers(0, 300))))
    wild = rng.integers(3) == 0  # settings out of their ranges
    temperatures = [-1.0, np.nan, np.inf] if wild else [0.0, 1e-300, 0.8, 1e300]
    try:
        how = Sampling(
            length=int(rng.integers(-1 if wild else 1, 20)),
            temperature=float(rng.choice(temperatures)),
            top_k=None if rng.integers(2) else int(rng.integers(0 if wild else 1, 50)),
            top_p=None if rng.integers(2) else float(rng.uniform(0.1, 1 + wild)),
        )
        text = "".join(writer.stream(prompt, how))
    except ZooError:
        return REFUSED
    if len(text) != how.length:
        raise Different(f"{len(text)} characters, expected {how.length}")
    return SAME


def recordings(rng: np.random.Generator, folder: Path) -> str:
    """Bytes that are nearly audio, or an array."""
    path = folder / str(rng.choice(["a.wav", "a.flac", "a.npy"]))
    samples = rng.normal(0, 0.1, int(rng.integers(1, 4000))).astype("float32")
    if path.suffix == ".npy":
        np.save(path, samples)
    else:
        soundfile.write(path, samples, int(rng.choice([8000, 16000, 44100, 7919])))
    content = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 20))):
        content[int(rng.integers(min(len(content), 100)))] = int(rng.integers(256))
    path.write_bytes(content)
    read = audio.read_array if path.suffix == ".npy" else audio.read
    try:
        read(path)
    except ZooError:
        return REFUSED
    return SAME  # audio of another content is audio


# Sweeps.


def torn_sweep(rng: np.random.Generator, folder: Path) -> str:
    """A state file of a sweep, damaged."""
    sweep = models.settings("hyperband", trials=8)
    settings.begin(folder / "sweep", sweep)
    book = models.ledger(folder / "sweep", sweep)
    whole = [record.values for record in models.finish(book)]
    names = ("*/trial.json", "space.json", "sweep.json")
    files = [path for name in names for path in (folder / "sweep").rglob(name)]
    _damage(rng, files[rng.integers(len(files))])
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            settings.go_on(folder / "sweep", sweep)
            again = models.ledger(folder / "sweep", sweep)
            redone = models.finish(again)
    except SweepError:
        return REFUSED
    if len(redone) > 1:
        raise Different(f"{len(redone)} trials were run again")
    if [record.values for record in again.trials] != whole:
        raise Different("other trials")
    return REPAIRED if errors.getvalue() or redone else SAME


KINDS: dict[str, Case] = {
    "native": native,
    "threads": threads,
    "forks": forks,
    "damaged_run": damaged_run,
    "damaged_preset": damaged_preset,
    "senseless_preset": senseless_preset,
    "hostile_weights": hostile_weights,
    "prompts": prompts,
    "recordings": recordings,
    "torn_sweep": torn_sweep,
}
