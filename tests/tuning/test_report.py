"""What a sweep leaves to read: table, pictures, report, TensorBoard, a line."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from keras_gru.files import write_json
from keras_gru.tuning import hparams, pictures, report, space, tables
from keras_gru.tuning.progress import Line
from keras_gru.tuning.records import COMPLETED, FAILED, RUNNING, SEED, Record
from keras_gru.tuning.space import Dimension
from tests.tuning.models import settings

pytestmark = pytest.mark.once

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)

DIMENSIONS = [
    Dimension("variant", ("keras", "cho2014", "chung2014", "replace_after")),
    Dimension("units"),
    Dimension("rate", log=True),
    Dimension("depth"),
    Dimension("bias", (False, True)),
]


def _records() -> list[Record]:
    """Completed ones, one with a branch of its own, one failed, one running."""
    found = []
    for number in range(12):
        values = {
            "variant": DIMENSIONS[0].values[number % 4],
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
    tables.trials_csv(path, _records(), DIMENSIONS, over=False)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["trial_id"] for row in rows] == [f"{n:04d}" for n in range(12)]
    assert [*rows[0]] == [*tables.COLUMNS, "variant", "units", "rate", "depth", "bias"]
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
    tables.trials_csv(path, _records(), DIMENSIONS, over=True)
    assert "0011,INTERRUPTED,,,,7," in path.read_text()


def _written(folder: Path, found: list[Record] | None = None, **how: Any) -> str:
    found = _records() if found is None else found
    sweep = settings(trials=12)
    drawn = pictures.draw(folder, found, DIMENSIONS, sweep)
    path = folder / "report.html"
    report.write(path, found, DIMENSIONS, sweep, drawn, **{"over": True, **how})
    return path.read_text()


def test_the_report_needs_nothing_but_itself(tmp_path: Path) -> None:
    text = _written(tmp_path, reason="the budget & time")
    assert text.count('src="data:image/png;base64,') == 4
    assert not re.search(r"(src|href)=.(?!data:)|https?:|url\(|@import", text)
    assert "<script" not in text
    assert "&lt;script&gt;alert(" in text
    assert "the budget &amp; time" in text
    assert "10 of 12 trials completed, 1 failed; 1 interrupted" in text
    assert '<tr class="best"><td>0006</td>' in text
    pictured = {path.name for path in tmp_path.glob("*.png")}
    assert pictured == {
        "best_so_far.png",
        "costs.png",
        "hyperparameters.png",
        "variants.png",
    }


def test_a_report_before_the_first_trial_has_ended(tmp_path: Path) -> None:
    assert "0 of 12 trials completed" in _written(tmp_path, [], over=False)
    assert not list(tmp_path.glob("*.png"))
    one = _records()[:1]
    assert "1 of 12 trials completed" in _written(tmp_path, one, over=False)


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


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub import errors, pywrap_tensorflow
    from tensorboard.plugins.hparams import metadata

    sweep = settings()
    for record in _records():
        hparams.write(tmp_path, record, sweep)
    found = sorted(tmp_path.glob("tensorboard/*/events.out.tfevents.*"))
    assert [path.parent.name for path in found] == [f"{n:04d}" for n in range(11)]
    before = found[0].stat().st_mtime_ns
    hparams.write(tmp_path, _records()[0], sweep)
    assert found[0].stat().st_mtime_ns == before
    # The reader checks the checksums.
    reader = pywrap_tensorflow.PyRecordReader_New(str(found[1]))
    events = []
    for _ in range(4):
        reader.GetNext()
        events.append(Event.FromString(reader.record()))
    with pytest.raises(errors.OutOfRangeError):
        reader.GetNext()
    assert events[0].file_version == "brain.Event:2"
    start, metric, end = (event.summary.value[0] for event in events[1:])
    info = metadata.parse_session_start_info_plugin_data(
        start.metadata.plugin_data.content
    )
    assert info.hparams["units"].number_value == 32
    assert info.hparams["variant"].string_value == "cho2014"
    assert not info.hparams["bias"].bool_value
    assert SEED not in info.hparams
    assert (metric.tag, metric.simple_value) == ("height", pytest.approx(0.55))
    assert end.tag == metadata.SESSION_END_INFO_TAG


def test_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(settings(trials=14), 2, None)
    assert line.text([]) == "0/14 done, 0 running, 0 failed"
    assert line.text(_records()) == (
        "10/14 done, 1 running, 1 failed; best height 0.05 (trial 0006); 2 s left"
    )
    assert line.seconds_left(_records()) == pytest.approx(3 * 1.5 / 2)
    # Not more than the budget has.
    short = Line(settings(trials=14), 1, 2.0)
    later = time.monotonic() + 1.5
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert short.seconds_left(_records()) == pytest.approx(0.5, abs=0.1)


def test_the_space_of_the_pictures(tmp_path: Path) -> None:
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.Choice("variant", ["keras", "haiku"])
    hp.Float("rate", 0.1, 1.0, sampling="log")
    hp.Boolean("bias")
    hp.Fixed("depth", 2)
    hp.Int("units", 1, 9)
    path = tmp_path / "space.json"
    assert space.read(path) == []
    write_json(path, hp.get_config())
    found = space.read(path)
    assert [asdict(dimension) for dimension in found] == [
        {"name": "variant", "values": ("keras", "haiku"), "log": False},
        {"name": "rate", "values": (), "log": True},
        {"name": "bias", "values": (False, True), "log": False},
        {"name": "depth", "values": (2,), "log": False},
        {"name": "units", "values": (), "log": False},
    ]
    assert [space.is_variant(dimension) for dimension in found] == [
        *(True, False, False, False, False)
    ]
    path.write_text("{")
    assert space.read(path) == []
