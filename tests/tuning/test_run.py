"""Sweeps in processes that are killed, hang, crash and fail.

The workers of these tests need no backend and take the NumPy one, which starts fastest.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import keras_tuner
import pytest
from filelock import FileLock

from keras_gru import tuning
from keras_gru.tuning import records, settings
from keras_gru.tuning.again import again, main
from keras_gru.tuning.records import COMPLETED, FAILED
from tests.tuning import models
from tests.tuning.models import (
    TRIALS,
    Parabola,
    Slow,
    Troubled,
    finish,
    ledger,
    run_sweep,
)

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


def _expected(folder: Path) -> dict[int, Any]:
    """The undisturbed sweep, in this process."""
    book = ledger(folder, models.settings(trials=TRIALS))
    finish(book)
    return {number: record.metric for number, record in book.records.items()}


def _wait_for(true: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.02)


def _ended(folder: Path) -> list[Path]:
    """The records that a supervisor has taken: one that a worker has ended has no
    order before, and its bytes change once more."""
    return [
        path
        for path in folder.glob("trials/*/trial.json")
        if json.loads(path.read_text())["order"]
    ]


def _starts(file: Path) -> list[str]:
    return file.read_text().split("\n")[:-1] if file.exists() else []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody waits for is dead, too.
    return ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def test_a_whole_sweep(tmp_path: Path) -> None:
    out, starts = tmp_path / "sweep", tmp_path / "starts"
    found = run_sweep(Slow(starts, 0.2), out, workers=2)
    assert {r.number: r.metric for r in found.trials} == _expected(tmp_path / "whole")
    assert {r.starts for r in found.trials} == {1}
    assert {r.worker for r in found.trials} <= {"worker-1", "worker-2"}
    begun = [line.split()[0] for line in _starts(starts)]
    assert sorted(begun) == [r.trial_id for r in found.trials]
    _check_output(out, found)


def _check_output(out: Path, found: tuning.Results) -> None:
    rows = list(csv.DictReader((out / "trials.csv").read_text().splitlines()))
    assert list(rows[0]) == [
        *("trial_id", "status", "metric", "epochs", "seconds", "seed", "parameters"),
        *("x", "variant"),
    ]
    assert [float(row["metric"]) for row in rows] == [r.metric for r in found.trials]
    best = json.loads((out / "best.json").read_text())
    assert best["metric"] == found.best.metric == min(r.metric for r in found.trials)
    assert best["values"] == found.best.hyperparameters
    for name in ("best_so_far", "costs", "hyperparameters"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    report = (out / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 3
    with pytest.raises(tuning.SweepError, match=r"best\.keras was not saved"):
        found.model()


SCRIPT = """
import pathlib, sys
from tests.tuning.models import Slow, run_sweep
run_sweep(Slow(pathlib.Path(sys.argv[2]), 0.4), pathlib.Path(sys.argv[1]))
"""


def test_the_supervisor_is_killed_and_the_sweep_goes_on(tmp_path: Path) -> None:
    out, starts = tmp_path / "sweep", tmp_path / "starts"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out), str(starts)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        stderr=subprocess.PIPE,
    )
    try:
        _wait_for(lambda: len(_ended(out)) >= 2, "trial ended")
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    left = [int(line.split()[1]) for line in _starts(starts)[-1:]]
    _wait_for(lambda: not any(map(_alive, left)), "end of the children", 10.0)
    before = {path: path.read_bytes() for path in _ended(out)}
    assert 2 <= len(before) < TRIALS, "killed too late to test anything"
    with pytest.raises(tuning.SweepError, match="holds a sweep: add resume=True"):
        run_sweep(Slow(starts, 0.0), out)
    with pytest.raises(tuning.SweepError, match="seed was 3, now 4"):
        run_sweep(Slow(starts, 0.0), out, seed=4, resume=True)
    found = run_sweep(Slow(starts, 0.0), out, resume=True)
    assert {r.number: r.metric for r in found.trials} == _expected(tmp_path / "whole")
    assert all(path.read_bytes() == content for path, content in before.items())
    # And a trial alone gives the metric that it gave in the sweep.
    alone = again(out, tmp_path / "alone", "0002")
    assert alone["metrics"]["height"] == found.trials[2].metric


def test_trials_that_hang_crash_and_fail(tmp_path: Path) -> None:
    """Each is recorded and the sweep goes on, until too many fail in a row."""
    modes = ["fine", "hang", "again", "kill", "raise", "memory", "nan", "exit"]
    begun = time.monotonic()
    with pytest.raises(tuning.SweepFailed) as failed:
        run_sweep(
            Troubled(modes),
            tmp_path,
            objective=keras_tuner.Objective("score", "min"),
            tuner="grid",
            trials=8,
            trial_timeout=8.0,
            max_failures=4,
        )
    assert str(failed.value) == (
        f"the sweep in {tmp_path} ended early: 4 trials in a row failed, the last one "
        f"with: the objective 'score' is nan"
    )
    assert time.monotonic() - begun < 300
    found = records.read_all(tmp_path, 3)
    said = {
        record.values["mode"]: (record.status, record.message.split(" (")[0])
        for record in found.values()
    }
    assert said == {
        "fine": (COMPLETED, ""),
        "hang": (FAILED, "it took longer than 8 s"),
        "again": (COMPLETED, ""),
        "kill": (FAILED, "its worker died 2 times in it"),
        "raise": (FAILED, "ValueError: the data are no good"),
        "memory": (FAILED, "MemoryError: unable to allocate 64 TiB"),
        "nan": (FAILED, "the objective 'score' is nan"),
    }
    assert found[3].message.endswith("(signal SIGSEGV); see logs/worker-1.log")
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert [row["status"] for row in rows].count(FAILED) == 5
    assert "4 trials in a row failed" in (tmp_path / "report.html").read_text()


class _Sized(Parabola):
    """A model whose size is its x."""

    def fit(self, hp: Any, model: None, **arguments: Any) -> dict[str, float]:
        parameters = round(1000 * (1 + hp.get("x")))
        self.trial.check_size(parameters)
        return {**super().fit(hp, model), "parameters": parameters}


def test_models_that_are_too_large_are_not_trained(tmp_path: Path) -> None:
    found = run_sweep(_Sized(), tmp_path, max_parameters=1000, max_failures=1)
    large = [r for r in found.trials if r.values["x"] > 0.0]
    assert 2 <= len(large) < TRIALS
    for record in large:
        assert record.status == FAILED
        assert record.message.endswith("parameters, more than 1,000")
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    sizes = [int(row["parameters"]) for row in rows if row["parameters"]]
    assert max(sizes) <= 1000
    assert len(sizes) == TRIALS - len(large)
    with pytest.raises(tuning.SweepError, match="max_parameters was 1000, now 2000"):
        run_sweep(_Sized(), tmp_path, max_parameters=2000, resume=True)


def test_a_hypermodel_of_somebody_else_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a pickle runs the code in it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    found = run_sweep(Parabola(), tmp_path / "sweep", trials=1)
    metric = found.best.metric
    assert again(found.folder, tmp_path / "a")["metrics"]["height"] == metric
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "theirs"))
    with pytest.raises(tuning.SweepError, match=r"not written by you.*--trust"):
        again(found.folder, tmp_path / "b")
    trusted = again(found.folder, tmp_path / "b", trust=True)
    assert trusted["metrics"]["height"] == metric
    pickle = found.folder / "state" / "hypermodel.pkl"
    pickle.write_bytes(pickle.read_bytes() + b"!")  # changed since it was signed
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    with pytest.raises(tuning.SweepError, match="not written by you"):
        again(found.folder, tmp_path / "c")


def test_a_damaged_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.begin(tmp_path, models.settings())
    (tmp_path / "state" / "environment.json").write_text("{")
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "environment.json cannot be read" in said
    assert said.count("\n") == 1


class _Unbuildable(Parabola):
    def build(self, hp: Any) -> None:
        raise ValueError("no data")


def test_a_model_that_cannot_be_built_ends_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(tuning.SweepFailed, match="be built: ValueError: no data"):
        run_sweep(_Unbuildable(), tmp_path)


# Mistakes, told before any process is started.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tuner": "magic"}, "tuner='magic': Input should be 'hyperband'"),
        ({"trials": 0}, "trials=0: Input should be greater than 0"),
        ({"workers": 0}, "workers=0: Input should be greater than 0"),
        ({"budget": -1.0}, r"budget=-1\.0: Input should be greater than 0"),
        ({"tuner": "hyperband"}, "epochs=None: expected at least 3 under"),
        ({"objective": "height"}, "objective='height': its direction is unknown"),
        ({"objective": ["loss", "mae"]}, "expected the name of one metric"),
        ({"engine": "dask"}, "engine='dask': Input should be 'processes' or 'ray'"),
        ({"stopping": "asha"}, "stopping='asha' is Ray's: add engine='ray'"),
        ({"address": "auto"}, "address='auto' is Ray's: add engine='ray'"),
        ({"resume": True}, "holds no sweep that can be read: sweep.json: .*No such"),
        ({"fit": {"x": threading.Lock()}}, "cannot be sent to the workers: TypeError"),
    ],
)
def test_mistakes(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(tuning.SweepError, match=words):
        run_sweep(Parabola(), tmp_path / "sweep", **changes)


def test_folders_that_are_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("")
    with pytest.raises(tuning.SweepError, match="is a file; expected a folder"):
        run_sweep(Parabola(), tmp_path / "file")
    with pytest.raises(tuning.SweepError, match="is not empty and holds no sweep"):
        run_sweep(Parabola(), tmp_path / "thesis")
    with pytest.raises(tuning.SweepError, match="holds no sweep that can be read"):
        run_sweep(Parabola(), tmp_path / "thesis", resume=True)
    assert len(list((tmp_path / "thesis").iterdir())) == 1


def test_a_folder_in_use(tmp_path: Path) -> None:
    settings.begin(tmp_path, models.settings())
    with (
        FileLock(tmp_path / "state" / "sweep.lock"),
        pytest.raises(tuning.SweepError, match="is in use: another sweep works there"),
    ):
        run_sweep(Parabola(), tmp_path, resume=True)


def test_torn_settings(tmp_path: Path) -> None:
    """Cut anywhere they are refused in one line; whole they may be extended."""
    sweep = models.settings()
    settings.begin(tmp_path, sweep)
    path = tmp_path / "sweep.json"
    whole = path.read_bytes()
    for content in (
        *(whole[:cut] for cut in range(0, len(whole) - 2, 7)),
        *(b"[]", b"null", b"{}", whole.replace(b'"seed": 3', b'"seed": "x"')),
    ):
        path.write_bytes(content)
        with pytest.raises(tuning.SweepError, match="no sweep that can be read: sw"):
            settings.go_on(tmp_path, sweep)
        assert path.read_bytes() == content
    path.write_bytes(whole)
    settings.go_on(tmp_path, replace(sweep, trials=9))
    assert settings.read(tmp_path).trials == 9
    with pytest.raises(tuning.SweepError, match="trials was 9, now 8"):
        settings.go_on(tmp_path, sweep)


def test_what_is_missing_is_named() -> None:
    code = (
        "import sys; sys.modules['filelock'] = None\n"
        "from keras_gru import tuning\n"
        "try: tuning.run\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "sweeps need filelock: pip install 'keras_gru[tune]'\n"


def test_nothing_of_it_is_imported_with_keras_gru() -> None:
    code = (
        "import sys, keras_gru.tuning; "
        "slow = {'keras_tuner', 'keras_gru.tuning.sweep'} & set(sys.modules); "
        "sys.exit(f'imported {slow}' if slow else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_damaged_model_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "best.keras").write_bytes(b"PK no archive")
    with pytest.raises(tuning.SweepError, match=r"^\S*best\.keras: .+$"):
        tuning.Results(tmp_path, [], mock.Mock()).model()
