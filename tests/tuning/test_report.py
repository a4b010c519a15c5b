"""What a sweep leaves to read: table, pictures, report, TensorBoard, a line."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

from keras_gru.tuning import pictures, report, spaces
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, SEED, Record
from tests.tuning.models import settings

pytestmark = pytest.mark.once

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)

VARIANTS = ("keras", "cho2014", "chung2014", "replace_after")
SPACE = keras_tuner.HyperParameters()
SPACE.Choice("variant", list(VARIANTS))
SPACE.Int("units", 16, 48)
SPACE.Float("rate", 1e-5, 1e-1, sampling="log")
SPACE.Fixed("depth", 2)
SPACE.Boolean("bias")
NAMES = spaces.names(SPACE)


def _records() -> list[Record]:
    """Completed ones, one with a branch of its own, one failed, one running."""
    found = []
    for number in range(12):
        values = {
            "variant": VARIANTS[number % 4],
            "units": 16 * (1 + number % 3),
            "rate": 10.0 ** -(1 + number % 5),
            "bias": number % 2 == 0,
            SEED: 7,
            **({"depth": 2} if number % 4 == 0 else {}),
        }
        metric = abs(number - 6.5) / 10
        found.append(
            Record(number, values, COMPLETED, "w", 1, number + 1, metric, {}, 3, 1.5)
        )
    found[4].status, found[4].metric = FAILED, None
    found[4].message = "ValueError: <script>alert('x')</script>"
    found[11].status, found[11].order, found[11].metric = RUNNING, 0, None
    found[11].epochs = found[11].seconds = None
    return found


def test_the_table_has_every_trial(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    book = _ledger(tmp_path, _records())
    report.write_csv(book, over=False)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["trial_id"] for row in rows] == [f"{n:04d}" for n in range(12)]
    assert [*rows[0]] == [*report.COLUMNS, "variant", "units", "rate", "depth", "bias"]
    assert rows[4] | {"rate": ""} == {
        "trial_id": "0004",
        "status": "FAILED",
        "metric": "",
        "epochs": "3",
        "seconds": "1.5",
        "seed": "7",
        "parameters": "",
        "variant": "keras",
        "units": "32",
        "rate": "",
        "depth": "2",
        "bias": "True",
    }
    assert rows[1]["depth"] == ""
    assert rows[11]["status"] == "RUNNING"
    report.write_csv(book, over=True)
    assert "0011,INTERRUPTED,,,,7," in path.read_text()


def _ledger(folder: Path, found: list[Record]) -> Ledger:
    book = Ledger(folder, settings(trials=12))
    book.space = SPACE
    book.records = {record.number: record for record in found}
    return book


def _written(folder: Path, found: list[Record] | None = None, **how: Any) -> str:
    book = _ledger(folder, _records() if found is None else found)
    report.write_html(book, pictures.draw(book), **{"over": True, **how})
    return (folder / "report.html").read_text()


def test_the_report_needs_nothing_but_itself(tmp_path: Path) -> None:
    text = _written(tmp_path, reason="the budget & time")
    assert text.count('src="data:image/png;base64,') == 3
    assert not re.search(r"(src|href)=.(?!data:)|https?:|url\(|@import", text)
    assert "<script" not in text
    assert "&lt;script&gt;alert(" in text
    assert "the budget &amp; time" in text
    assert "12 trials; 10 completed, 1 failed, 1 running, best height 0.05" in text
    assert "<td>0011</td><td>INTERRUPTED</td>" in text
    assert '<tr class="best"><td>0006</td>' in text
    pictured = {path.name for path in tmp_path.glob("*.png")}
    assert pictured == {
        "best_so_far.png",
        "costs.png",
        "hyperparameters.png",
    }


def test_a_report_before_the_first_trial_has_ended(tmp_path: Path) -> None:
    assert "12 trials; none begun" in _written(tmp_path, [], over=False)
    assert not list(tmp_path.glob("*.png"))
    one = _records()[:1]
    assert "12 trials; 1 completed, best" in _written(tmp_path, one, over=False)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome")
def test_the_report_in_a_browser_without_a_network(tmp_path: Path) -> None:
    """The screenshot stays in tests/artefacts, to be looked at."""
    _written(tmp_path)
    ARTEFACTS.mkdir(exist_ok=True)
    picture = ARTEFACTS / "sweep_report.png"
    picture.unlink(missing_ok=True)
    subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"),
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=1200,3000",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            (tmp_path / "report.html").as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    from matplotlib.image import imread

    pixels = imread(picture)[:, :, :3]
    assert pixels.shape == (3000, 1200, 3)
    # Pictures and text all over the page, on a white ground.
    rows = (pixels.min(axis=2) < 0.5).any(axis=1)
    assert 0.3 < rows.mean() < 0.95
    assert (pixels == 1.0).mean() > 0.8


def test_how_a_sweep_stands(tmp_path: Path) -> None:
    assert _ledger(tmp_path, []).standing() == "none begun"
    assert _ledger(tmp_path, _records()).standing() == (
        "10 completed, 1 failed, 1 running, best height 0.05 (trial 0006)"
    )


def test_what_is_asked_of_a_space() -> None:
    assert NAMES == ["variant", "units", "rate", "depth", "bias"]
    choices = {name: spaces.choices(SPACE, name) for name in NAMES}
    assert choices == {
        "variant": list(VARIANTS),
        "units": [],
        "rate": [],
        "depth": [2],
        "bias": [True, False],
    }
    assert [name for name in NAMES if spaces.logarithmic(SPACE, name)] == ["rate"]
    both = keras_tuner.HyperParameters()
    both.Choice("kind", ["a", "b"])
    for kind, units in (("a", [8, 16]), ("b", [16, 32])):
        with both.conditional_scope("kind", [kind]):
            both.Choice("units", units)
    assert spaces.names(both) == ["kind", "units"]
    assert spaces.choices(both, "units") == [8, 16, 32]


def test_the_front_of_metric_and_cost() -> None:
    points = [(1.0, 5.0, "a"), (2.0, 4.0, "b"), (2.0, 3.0, "c"), (3.0, 3.5, "d")]
    assert [trial for *_, trial in pictures.pareto(points, "min")] == ["a", "c"]
    assert [trial for *_, trial in pictures.pareto(points, "max")] == ["a"]
