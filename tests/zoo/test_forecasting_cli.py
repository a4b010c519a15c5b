"""The program from the command line: train, resume, evaluate, predict, mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras_tuner
import numpy as np
import pandas
import pytest

import zoo as zoo_package
from keras_gru.tuning.records import EPOCHS, SEED
from keras_gru.tuning.trials import Trial
from tests.zoo import tiny_forecasting
from tests.zoo.conftest import Zoo, killed
from tests.zoo.tiny_forecasting import ROWS, TINY
from zoo.__main__ import main
from zoo.backend import chosen
from zoo.files import read_hashed
from zoo.forecasting import synthetic
from zoo.forecasting.config import SIZES
from zoo.forecasting.use import Forecaster
from zoo.presets.make import make
from zoo.sweeps.model import ProgramModel, settings_of

HEADS = ("point", "quantiles")
FIGURES = {f"{one}{of}" for one in ("mse", "mae", "rse") for of in ("", "_linear")}


@pytest.fixture(scope="module", autouse=True)
def _smaller_still() -> Iterator[None]:
    """A smaller "tiny", and fewer rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        tiny_forecasting.shrink(patch.setattr)
        yield


@pytest.fixture(scope="module")
def runs(
    _smaller_still: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A finished run of each head. Not to be changed."""
    folder = tmp_path_factory.mktemp("forecasting")
    for head in HEADS:
        out = folder / head
        assert main(["train", "forecasting", "--head", head, "--out", str(out)]) == 0
    return {head: folder / head for head in HEADS}


@pytest.fixture(scope="module")
def table(_smaller_still: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic series as a CSV, with a column more."""
    found = synthetic.table()
    frame = pandas.DataFrame(found.values, columns=list(found.columns))
    frame.insert(0, "when", found.times)
    frame["word"] = "x"
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("head", HEADS)
def test_evaluate_is_what_the_training_measured(
    zoo: Zoo, runs: dict[str, Path], head: str
) -> None:
    result = read_hashed(runs[head] / "result.json")
    assert result["steps"] == 2 * ((int(0.7 * ROWS) - 24 - 10 + 1) // 16)
    figures = json.loads(zoo("evaluate", "forecasting", runs[head], "--json").out)
    assert set(figures) > FIGURES
    assert ("coverage" in figures) == (head == "quantiles")
    for name in FIGURES:
        kind = "naive" if name.endswith("linear") else "test"
        assert figures[name] == pytest.approx(result[f"{kind}_{name}"], rel=1e-4)
    assert figures["horizon"] == 10
    assert figures["windows"] == ROWS - int(0.8 * ROWS) - 10 + 1
    told = zoo("evaluate", "forecasting", runs[head], "--split", "validation").out
    assert "synthetic validation" in told
    assert told.splitlines()[-1].startswith("linear")
    assert (runs[head] / "samples.txt").read_text().startswith("the model  mse ")


def test_a_killed_training_ends_with_the_same_weights(
    zoo: Zoo, runs: dict[str, Path], tmp_path: Path
) -> None:
    """A real SIGKILL in the middle of an epoch, in another process."""
    out = tmp_path / "killed"
    killed("tests.zoo.tiny_forecasting", out, "train", "forecasting")
    outcome = zoo("train", "forecasting", "--out", out, "--resume")
    assert outcome.code == 0, outcome.err
    results = [read_hashed(run / "result.json") for run in (out, runs["point"])]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]


@pytest.mark.parametrize("head", HEADS)
def test_predict_writes_a_csv_and_a_picture(
    zoo: Zoo, runs: dict[str, Path], table: Path, tmp_path: Path, head: str
) -> None:
    out, plot = tmp_path / "out.csv", tmp_path / "out.png"
    command = ("predict", "forecasting", runs[head], "--csv", table)
    outcome = zoo(*command, "--time-column", "when", "--out", out, "--plot", plot)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"-> {out}\n"
    assert plot.read_bytes().startswith(b"\x89PNG")
    found = pandas.read_csv(out, index_col="time", parse_dates=True)
    last = synthetic.table().times[-1]
    assert list(found.index) == list(pandas.date_range(last, periods=11, freq="h")[1:])
    assert {"north", "south", "total"} <= {*found}
    if head == "quantiles":
        assert (found["north 0.1"] <= found["north"]).all()
        assert (found["north"] <= found["north 0.9"]).all()
    # Without a file the table is that of the training: the same one.
    told = json.loads(zoo("predict", "forecasting", runs[head], "--json").out)
    np.testing.assert_allclose(told["total"], found["total"], rtol=1e-5)
    assert zoo(*command).out.startswith("time,north")
    forecast = Forecaster.from_preset(runs[head]).predict(pandas.read_csv(table))
    np.testing.assert_allclose(forecast.values[:, 0], found["north"], rtol=1e-5)


@pytest.mark.once
def test_backtest_draws(zoo: Zoo, runs: dict[str, Path], tmp_path: Path) -> None:
    picture = tmp_path / "errors.png"
    outcome = zoo("evaluate", "forecasting", runs["point"], "--backtest", picture)
    assert outcome.code == 0, outcome.err
    assert picture.read_bytes().startswith(b"\x89PNG")
    command = ("evaluate", "forecasting", runs["point"], "--backtest", "errors.doc")
    assert "unknown format '.doc'" in zoo(*command).err


@pytest.mark.once
def test_a_table_of_ones_own_trains(zoo: Zoo, table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines()
    lines[9] = ",".join([*lines[9].split(",")[:2], "", *lines[9].split(",")[3:]])
    path = tmp_path / "b.csv"
    path.write_text("\n".join(lines) + "\n")
    out = tmp_path / "run"
    command = ("train", "forecasting", "--csv", path, "--target", "total,south")
    command = (*command, "--model", "plain", "--single", "--out", out)
    outcome = zoo(*command)
    assert outcome.code == 2
    assert "1 values are missing, the first in row 10, column 'south'" in outcome.err
    assert not out.exists()
    outcome = zoo(*command, "--missing", "mask")
    assert outcome.code == 0, outcome.err
    assert outcome.err.startswith("note: ")
    settings = json.loads((out / "settings.json").read_text())
    assert settings["extras"]["columns"] == ["total", "south"]
    assert "rse" in json.loads(zoo("evaluate", "forecasting", out, "--json").out)
    line = zoo("evaluate", "forecasting", out, "--dataset", "synthetic").err
    assert "expected those of the training, total, south" in line
    short = tmp_path / "short.csv"
    short.write_text("\n".join(lines[:8]) + "\n")
    line = zoo("predict", "forecasting", out, "--csv", short).err
    assert "has 7 rows; expected at least look_back=24" in line


@pytest.mark.once
def test_a_preset_is_measured_and_fine_tuned(
    zoo: Zoo, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = make(runs["point"], "mine", chosen(), into=tmp_path)
    assert "| mse_linear | " in (folder / "card.md").read_text()
    forecaster = zoo_package.load(folder)
    assert forecaster.predict().to_frame().shape == (10, 3)
    outcome = zoo(
        *("train", "forecasting", "--from-preset", folder, "--epochs", 1),
        *("--learning-rate", 1e-7, "--out", tmp_path / "run"),
    )
    assert outcome.code == 0, outcome.err
    result = read_hashed(tmp_path / "run" / "result.json")
    assert result["test_mse"] == pytest.approx(forecaster.evaluate()["mse"], rel=1e-2)


@pytest.mark.once
def test_onnx(runs: dict[str, Path], tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    out, root = tmp_path / "a.onnx", Path(__file__).parents[2]
    command = ["export", "forecasting", str(runs["quantiles"]), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "zoo", *command],
        env={**os.environ, "PYTHONPATH": str(root), "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(out)
    assert session.get_inputs()[0].shape == ["batch", 24, 3]
    x = np.random.default_rng(4).normal(size=(5, 24, 3)).astype("float32")
    (found,) = session.run(None, {"window": x})
    expected = zoo_package.load(runs["quantiles"]).model.predict_on_batch(x)
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-5)


@pytest.mark.once
def test_a_trial_of_a_sweep(tmp_path: Path) -> None:
    settings = settings_of("forecasting", None, chosen(), ["horizon=5"])
    model = ProgramModel("forecasting", settings, "tiny")
    model.trial = Trial("0003", 7, tmp_path)
    hp = keras_tuner.HyperParameters()
    hp.values = {SEED: 7, EPOCHS: 1, "units": 12, "segment": 3}
    figures = model.fit(hp, model.build(hp), epochs=1)
    assert {"mse", "mae", "parameters", "epochs"} <= set(figures)
    stored = json.loads((tmp_path / "run" / "settings.json").read_text())["config"]
    assert (stored["horizon"], stored["units"], stored["segment"]) == (5, 12, 3)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--segment", 7), "look_back=24; expected a multiple of segment=7"),
        (("--look-back", 240), "the train part has"),
        (("--batch-size", 999), "windows; expected at least batch_size=999"),
        (("--csv", "nowhere.csv"), "cannot read"),
        (("--target", "a"), "--target is of a --csv; give the file"),
    ],
)
def test_mistakes_are_one_line(
    zoo: Zoo, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    outcome = zoo("train", "forecasting", *options, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
