"""docs/exports.md is true: every cell is exported, loaded and compared."""

from __future__ import annotations

import pytest

from keras_gru.native import library
from tests import exports
from tests.passes import BACKEND

NEEDS = {"ONNX": "onnxruntime", "OpenVINO": "openvino"}
CONVERTERS = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnxscript"}

# What exporters say about themselves and each other.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{category}")
    for category in ("DeprecationWarning", "FutureWarning", "UserWarning")
] + [pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")] * (
    BACKEND == "torch"
)


@pytest.mark.parametrize(("form", "kind", "verdict"), exports.cells(BACKEND))
def test_cell(form, kind, verdict, tmp_path):
    if form in NEEDS:
        pytest.importorskip(NEEDS[form])
    if form == "ONNX":
        pytest.importorskip(CONVERTERS[BACKEND])
    if "native_cpu" in form and library.missing() is not None:
        pytest.skip(library.missing())
    found, said = exports.verdict_of(form, kind, tmp_path)
    assert found == verdict, said


def test_the_file_is_written_from_the_cells():
    text = exports.PATH.read_text(encoding="utf-8")
    assert text == exports.render(), "`python -m tests.exports` writes it anew"
