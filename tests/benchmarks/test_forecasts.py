"""The study of forecasts: equal sizes, trainings that are not done twice, tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.studies import __main__ as command
from benchmarks.studies import forecast_step, forecasts, trainings
from benchmarks.studies.forecasts import KINDS, STUDIES
from zoo.forecasting.config import SIZES
from zoo.forecasting.model import build

pytestmark = pytest.mark.once


def test_all_kinds_have_as_many_parameters() -> None:
    counts = [
        build(replace(SIZES["small"], series=7, **options)).count_params()
        for options in KINDS.values()
    ]
    assert len(counts) == 7
    assert max(counts) - min(counts) <= 0.012 * counts[0]


class Trainings:
    """In place of the processes: figures that tell the training."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.options: list[dict[str, object]] = []
        self.more: list[list[str]] = []
        patch.setattr(trainings, "train", self.train)

    def train(self, program: str, options: dict, more: list[str], out: Path) -> dict:
        assert program == "forecasting"
        self.options.append(options)
        self.more.append(more)
        seed = options["seed"]
        figures = dict.fromkeys(("mse", "mae", "rse", "corr", "coverage"), 0.5 + seed)
        naive = {
            f"naive_{figure}_{name}": 2.0
            for figure in ("mse", "rse")
            for name in forecasts.BASELINES
        }
        facts = {"parameters": 1234, "seconds": 10.0, "machine": "m", "error": ""}
        return {**facts, **naive, **{f"test_{one}": figures[one] for one in figures}}


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_is_a_table(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Trainings(monkeypatch)
    words = ["forecasts", "--study", study, "--seeds", "2", "--out", str(tmp_path)]
    assert command.main([*words, "--epochs", "1"]) == 0
    rows = STUDIES[study].rows
    assert len(done.options) == 2 * len(rows)
    assert all(more[-2:] == ["--epochs", "1"] for more in done.more)
    assert ("--single" in done.more[0]) == (study == "exchange")
    lines = (tmp_path / f"{study}.md").read_text().splitlines()
    assert len(lines) == 2 + len(rows)
    assert all("| 1.0000 ± 0.7071 |" in line for line in lines[2:])
    assert (tmp_path / f"{study}.csv").read_text().count("\n") == 1 + 2 * len(rows)


def test_the_rows_are_what_they_say() -> None:
    for look_back in (96, 720):
        for row in STUDIES[f"etth1-{look_back}"].rows:
            shape = (row.options["look_back"], row.options["horizon"])
            assert row.name == f"{shape[0]} → {shape[1]}"
            assert row.published == forecasts.SEGRNN[shape[0]][shape[1]]


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["forecasts", "--study", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_step_is_that_of_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_step, "SHAPES", ((48, 48),))
    monkeypatch.setattr(forecast_step, "CALLS", 1)
    table = forecast_step.run("tiny").splitlines()
    assert table[-1].startswith("| 48 → 48 | ")
