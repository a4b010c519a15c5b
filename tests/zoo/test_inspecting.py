"""Pictures of what is inside of a trained model, by the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zoo.conftest import Zoo
from zoo.errors import ZooError
from zoo.presets.pretrained import Pretrained

COMMAND = ("inspect", "language_model")


def test_a_run_is_drawn(zoo: Zoo, trained: Path, tmp_path: Path) -> None:
    outcome = zoo(*COMMAND, trained, "--input", "def plus(a", "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    drawn = sorted(path.name for path in tmp_path.iterdir())
    kinds = ("gates", "gradient_flow")
    assert drawn == [f"gru_{index}-{kind}.png" for index in (1, 2) for kind in kinds]
    for name in drawn:
        assert f"-> {tmp_path / name}" in outcome.out
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_read_is_told(zoo: Zoo, trained: Path, tmp_path: Path) -> None:
    nothing = zoo(*COMMAND, trained, "--input", "", "--out", tmp_path)
    assert nothing.code == 2
    assert "the text is empty" in nothing.err
    unknown = ("--layer", "gru_9", "--input", "def", "--out", tmp_path)
    outcome = zoo(*COMMAND, trained, *unknown)
    assert outcome.code == 2
    assert "'gru_9'. Expected one of ['gru_1', 'gru_2']" in outcome.err
    with pytest.raises(ZooError, match="has no inputs that inspect could give"):
        Pretrained.model_inputs(type("Some", (), {"program": "some"})(), "x")
