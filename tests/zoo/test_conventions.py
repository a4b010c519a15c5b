"""The comparison of layers: equal sizes, rows that are not trained twice, a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.zoo.tiny_zoo import TINY
from zoo.backend import chosen
from zoo.conventions import __main__ as command
from zoo.conventions import report, study
from zoo.conventions.layers import KINDS, TOLERANCE, equal_units, layer, parameters
from zoo.errors import TrainingFailed, ZooError
from zoo.language_model import data, train
from zoo.language_model.config import Config
from zoo.language_model.model import build
from zoo.training.weights import copy_weights

CONFIG = replace(TINY, layers=1, dropout=0.1)
STUDY = study.Study("stdlib", 96, 3, (0.01,), 2, CONFIG)


@pytest.fixture(autouse=True)
def _short_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def plus(a, b):\n    return a + b\n" * 12
    monkeypatch.setattr(data, "standard_library", lambda: text)


def test_all_kinds_have_as_many_parameters() -> None:
    config = replace(command.CONFIG, vocabulary_size=65, units=256)
    counts = [
        parameters(KINDS[kind], units, config)
        for kind, units in equal_units(config).items()
    ]
    assert len(counts) == 6
    assert max(counts) - min(counts) <= 2 * TOLERANCE * counts[0]
    with pytest.raises(ValueError, match="expected at most 1%: more units"):
        equal_units(replace(config, units=4))


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_carries_its_state(kind: str) -> None:
    config = replace(CONFIG, vocabulary_size=9, dropout=0.0)
    model, whole = (_model(kind, config, batch_size) for batch_size in (1, None))
    assert whole.count_params() == parameters(KINDS[kind], config.units, config)
    copy_weights(whole, model)
    ids = np.arange(8, dtype="int32")[None]
    parts = [model.predict_on_batch(ids[:, part]) for part in (slice(3), slice(3, 8))]
    expected = keras.ops.convert_to_numpy(whole(ids))
    np.testing.assert_allclose(np.concatenate(parts, 1), expected, atol=1e-5)


def _model(kind: str, config: Config, batch_size: int | None) -> keras.Model:
    return build(
        config,
        batch_size,
        recurrent=lambda index, units, stateful: layer(kind, units, stateful),
    )


@pytest.mark.once
def test_a_study_trains_each_once_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in KINDS.keys() - {"keep, after", "LSTM"}:
        monkeypatch.delitem(KINDS, kind)  # two are enough for the bookkeeping
    lines: list[str] = []
    rows = study.run(replace(STUDY, seeds=1), tmp_path, chosen(), lines.append)
    assert len(rows) == len(lines) == 2
    assert {row["kind"] for row in rows} == set(KINDS)
    target = parameters(
        KINDS["keep, after"], 96, replace(CONFIG, vocabulary_size=len(set(_text())))
    )
    for row in rows:
        assert abs(int(row["parameters"]) - target) <= TOLERANCE * target
        assert 1.0 < float(row["nats"]) < 4.0
    assert len({row["nats"] for row in rows}) == len(rows)
    # Again, with another seed: only that is trained, and a failure gets its row.
    fit = train.fit

    def fails_once(*arguments: Any, **options: Any) -> Any:
        if options["build"].args == ("LSTM",):
            raise TrainingFailed("the loss became nan")
        return fit(*arguments, **options)

    monkeypatch.setattr(train, "fit", fails_once)
    lines.clear()
    more = study.run(STUDY, tmp_path, chosen(), lines.append)
    assert more[:2] == rows
    assert len(more) == 4
    assert len(lines) == 2
    assert sum(bool(row["error"]) for row in more) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv"]
    assert command.main(["report", "--out", str(tmp_path)]) == 0
    table = (tmp_path / "conventions.md").read_text()
    assert all(f"| {kind} | " in table for kind in KINDS)
    assert (tmp_path / "conventions.png").read_bytes().startswith(b"\x89PNG")


def _text() -> str:
    return data.standard_library()


def _row(kind: str, rate: float, nats: float | None) -> dict[str, str]:
    return {
        "kind": kind,
        "units": "9",
        "parameters": "1000",
        "learning_rate": str(rate),
        "seconds": "" if nats is None else "2.0",
        "nats": "" if nats is None else str(nats),
        "error": "nan" if nats is None else "",
        "steps": "3",
        "dataset": "stdlib",
        "backend": "jax",
    }


def test_each_kind_is_told_at_its_best_rate() -> None:
    rows = [
        _row("LSTM", 0.1, 1.0),
        _row("LSTM", 0.1, 3.0),
        _row("LSTM", 0.2, 1.5),
        _row("LSTM", 0.2, 1.7),
        _row("LSTM", 0.3, None),
        _row("LSTM", 0.3, 0.5),
        _row("SimpleRNN", 0.1, None),
    ]
    lstm, simple = report.outcomes(rows)
    assert (lstm.learning_rate, lstm.nats, lstm.failed) == (0.2, (1.5, 1.7), 0)
    assert (simple.nats, simple.failed) == ((), 1)
    table = report.table([lstm, simple])
    assert "| LSTM | 9 | 1,000 | 0.2 | 2 | 1.6000 ± 0.1414 | 1.5000 – 1.7000 | 2 |" in (
        table
    )
    assert "0, 1 failed | none was finite" in table


def test_rows_that_do_not_compare_are_refused() -> None:
    with pytest.raises(ZooError, match="no rows"):
        report.outcomes([])
    mixed = [_row("LSTM", 0.1, 1.0), {**_row("LSTM", 0.1, 1.0), "steps": "4"}]
    with pytest.raises(ZooError, match="rows of different steps do not compare: 3, 4"):
        report.outcomes(mixed)


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["run", "--dataset", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert command.main(["report", "--out", "nowhere"]) == 2
    assert "no rows" in capsys.readouterr().err
