"""Exports: the same numbers without this package, at any batch and any length."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.zoo.conftest import Zoo
from zoo import exporting, load
from zoo.backend import chosen
from zoo.errors import ZooError
from zoo.exporting import FORMATS
from zoo.presets.saved import open_saved
from zoo.training import runs

ROOT = Path(__file__).parents[2]
IDS = np.arange(21, dtype="int32").reshape(3, 7)  # (batch, time)


@pytest.fixture(scope="module")
def logits(trained: Path) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(load(trained).model(IDS)))


def _export_onnx(program: str, source: object, cwd: Path = ROOT) -> Path:
    """In a process of its own, as it is used: what TensorFlow traced before shows."""
    pytest.importorskip("tf2onnx")
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "export", program, source],
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"},
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return Path(done.stdout.partition("-> ")[2].strip())


def _export(run: Zoo, trained: Path, form: str, out: Path) -> None:
    if chosen() not in FORMATS[form].backends:
        pytest.skip(f"{form} is not written on {chosen()}")
    command = ("export", "language_model", trained, "--format", form, "--out", out)
    outcome = run(*command)
    assert outcome.code == 0, outcome.err
    assert f"-> {out}" in outcome.out


@pytest.mark.once
def test_onnx(trained: Path, tmp_path: Path, logits: np.ndarray) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    written = _export_onnx("language_model", run)
    assert written == run / "run.onnx"
    session = onnxruntime.InferenceSession(written)
    (given,) = session.get_inputs()
    (logits_out,) = session.get_outputs()
    assert given.shape == ["batch", "time"]
    assert logits_out.shape == ["batch", "time", logits.shape[-1]]
    assert session.get_modelmeta().custom_metadata_map == {
        "run": "run",
        "commit": runs.commit() or "unknown",
        "licence": "not stated: a file of yours",
    }
    for part in (IDS, IDS[:1, :2]):
        (found,) = session.run(None, {given.name: part})
        np.testing.assert_allclose(
            found, logits[: len(part), : part.shape[1]], atol=1e-5
        )


@pytest.mark.once
def test_onnx_of_a_preset_and_of_two_lengths(tmp_path: Path) -> None:
    """It goes where the runs are: a preset's own folder is the package's."""
    onnxruntime = pytest.importorskip("onnxruntime")
    written = _export_onnx("translation", "multi30k-en-de", cwd=tmp_path)
    assert written == Path("runs/export/multi30k-en-de.onnx")
    session = onnxruntime.InferenceSession(tmp_path / written)
    shapes = {given.name: given.shape for given in session.get_inputs()}
    assert shapes == {"source": ["batch", "source_time"], "target": ["batch", "time"]}
    (logits,) = session.get_outputs()
    assert logits.shape[:2] == ["batch", "time"]
    (found,) = session.run(
        None,
        {"source": np.ones((2, 5), "int32"), "target": np.ones((2, 3), "int32")},
    )
    assert found.shape == (2, 3, logits.shape[2])
    card = load("multi30k-en-de").card
    about = session.get_modelmeta().custom_metadata_map
    assert set(about) == {"preset", "commit", "licence"}
    assert about["preset"] == "multi30k-en-de"
    for name, row in (("commit", "commit"), ("licence", "licence of the data")):
        assert f"| {row} | {about[name]} |" in str(card)


def test_the_suffix_of_onnx(trained: Path, tmp_path: Path) -> None:
    opened = open_saved(trained, "language_model")
    for typed, written in (("a", "a.onnx"), ("a.onnx", "a.onnx"), ("a.b", "a.b")):
        out = exporting._place(opened, "onnx", tmp_path / typed)
        assert out == tmp_path / written
    assert exporting._place(opened, "saved_model", tmp_path / "a") == tmp_path / "a"
    (tmp_path / "a.onnx").touch()
    with pytest.raises(ZooError, match=r"a\.onnx exists"):
        exporting._place(opened, "onnx", tmp_path / "a")


def test_saved_model(
    zoo: Zoo, trained: Path, tmp_path: Path, logits: np.ndarray
) -> None:
    tf = pytest.importorskip("tensorflow")
    _export(zoo, trained, "saved_model", tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for part in (IDS, IDS[:1, :2]):
        np.testing.assert_allclose(
            loaded.serve(part).numpy(),
            logits[: len(part), : part.shape[1]],
            atol=1e-5,
        )


def test_a_backend_that_cannot_names_those_that_can(
    zoo: Zoo, trained: Path, tmp_path: Path
) -> None:
    outcome = zoo(
        *("export", "language_model", trained, "--backend", "torch"),
        *("--out", tmp_path / "model.onnx"),
    )
    assert outcome.code == 2
    assert "on torch: add --backend tensorflow" in outcome.err
    assert not (tmp_path / "model.onnx").exists()


def test_nothing_is_overwritten(zoo: Zoo, trained: Path, tmp_path: Path) -> None:
    outcome = zoo(
        *("export", "language_model", trained, "--backend", "tensorflow"),
        *("--out", tmp_path),
    )
    assert outcome.code == 2
    assert f"--out {tmp_path} exists" in outcome.err
