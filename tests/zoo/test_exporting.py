"""Exports: the same numbers without this package, at any batch and any length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.zoo.conftest import Zoo
from tests.zoo.tiny_zoo import TINY
from zoo import exporting, load
from zoo.backend import chosen
from zoo.errors import ZooError
from zoo.exporting import FORMATS
from zoo.presets.saved import open_saved
from zoo.training import runs
from zoo.translation.decoding import Decoder

MODELS = ("encoder", "step")
IDS = np.arange(21, dtype="int32").reshape(3, 7)  # (batch, time)


@pytest.fixture(scope="module")
def logits(trained: Path) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(load(trained).model(IDS)))


def _export(run: Zoo, program: str, source: object, form: str, out: Path) -> None:
    if chosen() not in FORMATS[form]:
        pytest.skip(f"{form} is not written on {chosen()}")
    outcome = run("export", program, source, "--format", form, "--out", out)
    assert outcome.code == 0, outcome.err
    assert f"-> {out}" in outcome.out


def _session(path: Path) -> Any:
    """What runs a file, whose recurrent layers are nodes."""
    nodes = pytest.importorskip("onnx").load(path).graph.node
    assert not {"Loop", "Scan"} & {node.op_type for node in nodes}
    return pytest.importorskip("onnxruntime").InferenceSession(path)


def _shapes(values: list[Any]) -> dict[str, list[Any]]:
    return {one.name: one.shape for one in values}


def _run(session: Any, **given: np.ndarray) -> dict[str, np.ndarray]:
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, given), strict=True))


def test_onnx(zoo: Zoo, trained: Path, tmp_path: Path, logits: np.ndarray) -> None:
    out = tmp_path / "model.onnx"
    _export(zoo, "language_model", trained, "onnx", out)
    session = _session(out)
    assert _shapes(session.get_inputs()) == {
        "characters": ["batch", "time"],
        "gru_1.state": ["batch", TINY.units],
        "gru_2.state": ["batch", TINY.units],
    }
    assert _shapes(session.get_outputs()) == {
        "logits": ["batch", "time", logits.shape[-1]],
        "gru_1.new_state": ["batch", TINY.units],
        "gru_2.new_state": ["batch", TINY.units],
    }
    about = session.get_modelmeta().custom_metadata_map
    assert about == {
        "run": trained.name,
        "commit": runs.commit() or "unknown",
        "licence": "not stated: a file of yours",
    }
    beside = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside.items() >= {"program": "language_model", **about}.items()
    assert beside["vocabulary"] == load(trained).tokens.characters
    for part in (IDS, IDS[:1, :2]):
        zeros = np.zeros((len(part), TINY.units), "float32")
        states = {"gru_1.state": zeros, "gru_2.state": zeros}
        found = _run(session, characters=part, **states)
        np.testing.assert_allclose(
            found["logits"], logits[: len(part), : part.shape[1]], atol=1e-5
        )
    for step in range(IDS.shape[1]):
        found = _run(session, characters=IDS[:1, step : step + 1], **states)
        states = {name: found[name.replace(".", ".new_")] for name in states}
        np.testing.assert_allclose(
            found["logits"][:, 0], logits[:1, step], atol=1e-5, err_msg=str(step)
        )


def test_onnx_of_a_preset_that_translates(zoo: Zoo, tmp_path: Path) -> None:
    """The model of training, and its two halves beside the search that uses Keras."""
    out = tmp_path / "model.onnx"
    _export(zoo, "translation", "multi30k-en-de", "onnx", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.encoder.onnx",
        "model.json",
        "model.onnx",
        "model.step.onnx",
    ]
    translator = load("multi30k-en-de")
    session = _session(out)
    source = np.array([[20, 30, 7, 2], [9, 2, 0, 0]], "int32")
    target = np.array([[1, 40, 50], [1, 8, 0]], "int32")
    assert _shapes(session.get_inputs()) == {
        "source": ["batch", "source_time"],
        "target": ["batch", "time"],
    }
    found = _run(session, source=source, target=target)
    expected = keras.ops.convert_to_numpy(translator.model((source, target)))
    np.testing.assert_allclose(found["logits"], expected, atol=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    assert about["preset"] == "multi30k-en-de"
    for name, row in (("commit", "commit"), ("licence", "licence of the data")):
        assert f"| {row} | {about[name]} |" in str(translator.card)

    encoder, step = (_session(out.with_suffix(f".{end}.onnx")) for end in MODELS)
    with_keras = Decoder(translator.model, translator.config, 5)
    memory, states = with_keras.start(source)
    read = _run(encoder, source=source)
    for name, value in zip(("values", "keys"), memory, strict=False):
        np.testing.assert_allclose(read[name], value, atol=1e-5)
    own = [np.repeat(read[f"state_{one}"][:, None], 5, axis=1) for one in (1, 2)]
    tokens = np.full((2, 5), 1, "int32")
    for _ in range(3):
        best, ids, _, states = with_keras.step(tokens, memory, states)
        found = _run(
            step,
            tokens=tokens,
            **{name: read[name] for name in ("values", "keys", "mask")},
            **{f"state_{one}": state for one, state in enumerate(own, 1)},
        )
        np.testing.assert_allclose(found["log_probabilities"], best, atol=1e-5)
        assert np.array_equal(found["ids"], ids)
        own = [found["new_state_1"], found["new_state_2"]]
        tokens = ids[:, 0, :5].astype("int32")  # on torch they are int64


@pytest.mark.parametrize(
    ("program", "source"),
    [
        ("speech", "fsdd-digits"),
        ("speech", "fsdd-digit-strings"),
        ("forecasting", "exchange-rate-daily"),
    ],
)
def test_onnx_of_other_presets(
    zoo: Zoo, program: str, source: str, tmp_path: Path
) -> None:
    out = tmp_path / "model.onnx"
    _export(zoo, program, source, "onnx", out)
    session = _session(out)
    model = load(source).model
    random = np.random.default_rng(0)
    given = {}
    for one in session.get_inputs():
        sizes = {"batch": 3, "time": 6}
        shape = [sizes.get(size, size) for size in one.shape]
        given[one.name] = random.normal(size=shape).astype("float32")
        if one.type == "tensor(bool)":
            given[one.name] = np.arange(6) < np.array([[6], [4], [1]])
        elif one.name.endswith(".state"):
            given[one.name] *= 0
    found = next(iter(_run(session, **given).values()))
    own = [given[one.name] for one in model.inputs]
    expected = keras.ops.convert_to_numpy(model(own if len(own) > 1 else own[0]))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_model_that_has_no_nodes_is_refused_by_its_layer(
    zoo: Zoo, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    text = tmp_path / "text.txt"
    text.write_text("A text of a few words. " * 40, encoding="utf-8")
    outcome = zoo(
        *("train", "language_model", "--text", text, "--out", run, "--epochs", 1),
        *("--size", "tiny", "--layer", "simple_rnn"),
    )
    assert outcome.code == 0, outcome.err
    outcome = zoo("export", "language_model", run, "--format", "onnx")
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert "Layer 'simple_rnn_1'" in line
    assert "a loop of its own" in line
    assert not list(run.glob("*.onnx"))
    assert not list(run.glob("run.json"))


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
    _export(zoo, "language_model", trained, "saved_model", tmp_path / "model")
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
        *("--format", "saved_model", "--out", tmp_path / "model"),
    )
    assert outcome.code == 2
    assert "on torch: add --backend tensorflow or jax" in outcome.err
    assert not (tmp_path / "model").exists()


def test_nothing_is_overwritten(zoo: Zoo, trained: Path, tmp_path: Path) -> None:
    outcome = zoo(
        *("export", "language_model", trained, "--backend", "tensorflow"),
        *("--out", tmp_path),
    )
    assert outcome.code == 2
    assert f"--out {tmp_path} exists" in outcome.err
