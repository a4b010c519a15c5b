"""Exports: the same numbers without this package, at any batch and any length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.zoo.conftest import Zoo
from zoo.backend import chosen
from zoo.exporting import FORMATS

ROOT = Path(__file__).parents[2]
IDS = np.arange(21, dtype="int32").reshape(3, 7)  # (batch, time)


@pytest.fixture(scope="module")
def logits(trained: Path) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(zoo.load(trained).model(IDS)))


def _export(run: Zoo, trained: Path, form: str, out: Path) -> None:
    if chosen() not in FORMATS[form].backends:
        pytest.skip(f"{form} is not written on {chosen()}")
    command = ("export", "language_model", trained, "--format", form, "--out", out)
    outcome = run(*command)
    assert outcome.code == 0, outcome.err
    assert f"-> {out}" in outcome.out


def test_onnx(trained: Path, tmp_path: Path, logits: np.ndarray) -> None:
    """In a process of its own, as it is used: what TensorFlow traced before shows."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    out = tmp_path / "model.onnx"
    command = (sys.executable, "-m", "zoo", "export", "language_model", trained)
    subprocess.run(
        [*command, "--backend", "tensorflow", "--out", out],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    session = onnxruntime.InferenceSession(out)
    (given,) = session.get_inputs()
    for part in (IDS, IDS[:1, :2]):
        (found,) = session.run(None, {given.name: part})
        np.testing.assert_allclose(
            found, logits[: len(part), : part.shape[1]], atol=1e-5
        )


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
