"""Files from elsewhere: bombs, names that lead out, code in a model, other content."""

from __future__ import annotations

import io
import json
import resource
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import soundfile
from scipy import io as scipy_io

from keras_gru.resume import checkpoint
from keras_gru.resume.checkpoint import DamagedCheckpoint
from keras_gru.tuning import Results, SweepError
from tests.attack import saved
from tests.attack.outcomes import REFUSED, SAME, Different
from zoo.errors import ZooError
from zoo.polyphonic_music import mat
from zoo.speech import fsdd

ROOM = 2**30  # bytes that reading a hostile file may take


class _Limit:
    """No more than `ROOM` of new memory, so that a bomb shows itself."""

    def __enter__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self._before)


def recordings_archive(rng: np.random.Generator, folder: Path) -> str:
    """The recordings' archive: names that lead out, bombs, damage."""
    path, how = folder / "fsdd.zip", int(rng.integers(5))
    sound = io.BytesIO()
    soundfile.write(sound, rng.normal(0, 0.1, 800), 8000, format="WAV")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        inside = "free-spoken-digit-dataset-1.0.10/recordings/"
        archive.writestr(f"{inside}3_jackson_0.wav", sound.getvalue())
        if how == 0:
            archive.writestr("../" * int(rng.integers(1, 5)) + "out.wav", b"x")
        elif how == 1:
            archive.writestr(str(folder / "out.wav"), b"x")
        elif how == 2:
            header = zipfile.ZipInfo(f"{inside}4_jackson_0.wav")
            archive.writestr(header, bytes(2**26), zipfile.ZIP_DEFLATED)
    if how == 3:
        saved.damage(rng, path)
    before = sorted(folder.rglob("*"))
    try:
        with _Limit():
            fsdd.read(path)
    except ZooError:
        return REFUSED
    finally:
        if sorted(folder.rglob("*")) != before:
            raise Different("it wrote a file")
    return SAME


def checkpoints(rng: np.random.Generator, folder: Path) -> str:
    """A checkpoint: damaged, a bomb, an array that claims a size, a pickle."""
    arrays = {"a": rng.normal(size=(3, 4)), "b": np.arange(5)}
    whole = checkpoint.Checkpoint(1, arrays, {"x": 1})
    path, how = checkpoint.save(folder, whole), int(rng.integers(4))
    if how == 0:
        saved.damage(rng, path)
    else:
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, allowZip64=True) as file:
            header = io.BytesIO()
            if how == 1:  # a size that nobody has
                np.lib.format.write_array_header_1_0(
                    header,
                    {"descr": "<f8", "fortran_order": False, "shape": (2**40,)},
                )
            elif how == 2:
                np.save(header, np.array([{"a": 1}]), allow_pickle=True)
            file.writestr("array/c.npy", header.getvalue())
    try:
        with _Limit():
            found = checkpoint.load(path)
    except DamagedCheckpoint:
        return REFUSED
    if any(not np.array_equal(found.arrays[name], arrays[name]) for name in arrays):
        raise Different(str(found.arrays))
    return SAME


def rolls(rng: np.random.Generator, folder: Path) -> str:
    """Piano rolls: bytes overwritten, cut, or a piece of another form.

    What is read must be pieces of zeros and ones; of a compressed file, which has
    checksums, those that were written.
    """
    path, how = folder / "a.mat", int(rng.integers(4))
    cells, compressed = {}, bool(rng.integers(2))
    for name in mat.NAMES.values():
        cells[name] = np.empty((1, int(rng.integers(1, 4))), object)
        for index in range(cells[name].size):
            piece = rng.random((int(rng.integers(2, 30)), 88)) < 0.1
            cells[name][0, index] = piece.astype(rng.choice(["u1", "f8", "f4"]))
    written = {name: [*cell[0]] for name, cell in cells.items()}
    if how == 0:
        name = str(rng.choice(list(cells)))
        other = (np.zeros((3, 87)), np.full((4, 88), 2), "text", {"a": 1}, np.zeros(0))
        cells[name][0, 0] = other[rng.integers(len(other))]
    elif how == 1:
        del cells[str(rng.choice(list(cells)))]
    scipy_io.savemat(path, cells, do_compression=compressed)
    if how == 2:
        saved.damage(rng, path)
    try:
        with _Limit():
            found = mat.read(path)
    except ZooError as error:
        if "\n" in str(error):
            raise Different(f"more than one line: {error}") from error
        return REFUSED
    for part, name in mat.NAMES.items():
        for piece in found[part]:
            if piece.shape[1:] != (88,) or not np.isin(piece, (0, 1)).all():
                raise Different(f"a piece {piece.shape}, {np.unique(piece)}")
        expected = written[name]
        same = len(found[part]) == len(expected) and all(
            map(np.array_equal, found[part], expected)
        )
        if not same and (compressed or how != 2):
            raise Different("other pieces, and nothing was said")
    return SAME


def hostile_models(rng: np.random.Generator, folder: Path) -> str:
    """The best model of a sweep: code in it, bombs, names that lead out, damage."""
    path, mark = folder / "best.keras", folder / "executed"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    model.save(path)
    how = int(rng.integers(6))
    if how == 0:
        saved.damage(rng, path)
    else:
        _rewrite(path, how, mark)
    results = Results(folder, [], mock.Mock(trial_id="0000"))
    try:
        with _Limit():
            found = results.model()
    except SweepError as error:
        if "\n" in str(error):
            raise Different(f"more than one line: {error}") from error
        return REFUSED
    finally:
        if mark.exists():
            raise Different("code of the model ran")
    x = np.ones((2, 3), "float32")
    if not np.array_equal(found.predict(x, verbose=0), model.predict(x, verbose=0)):
        raise Different("another model")
    return SAME


def _rewrite(path: Path, how: int, mark: Path) -> None:
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    config: dict[str, Any] = json.loads(content["config.json"])
    layer = config["config"]["layers"][1]
    if how == 1:  # a function of Python's own, called with a string
        code = {"module": "os", "class_name": "system", "registered_name": None}
        layer.update(code, config={"command": f"touch {mark}"})
    elif how == 2:
        function = {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}}
        layer.update(module="keras.layers", class_name="Lambda", registered_name=None)
        layer["config"] = {"name": "dense", "function": function}
    elif how == 3:
        layer["config"]["activation"] = "no such activation"
    elif how == 4:
        layer["config"]["units"] = 10**9
    content["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in content.items():
            file.writestr(name, value)
        if how == 5:
            file.writestr("../../../executed", b"x")
            file.writestr(str(mark), b"x")
