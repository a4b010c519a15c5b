"""Windows, figures and baselines: the protocol of the literature, to the row."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pandas
import pytest

from tests.zoo.tiny_forecasting import TINY
from zoo.errors import ZooError
from zoo.forecasting import baselines as naive
from zoo.forecasting import synthetic
from zoo.forecasting.data import Data, Source
from zoo.forecasting.evaluation import BATCH, figures_of, measure
from zoo.forecasting.table import Table
from zoo.forecasting.windows import Batches, Scaler, Windows

pytestmark = pytest.mark.once
DATA = os.environ.get("KERAS_GRU_DATA")
SMALL = replace(TINY, look_back=6, horizon=3, segment=3, series=2)


def _data(rows: int = 60, ends: tuple[int, int, int] = (40, 48, 60)) -> Data:
    rng = np.random.default_rng(2)
    values = np.cumsum(rng.normal(size=(rows, 2)), axis=0) * [1.0, 30.0]
    return Data("made", Table(("a", "b"), pandas.RangeIndex(rows), values), ends, 4)


def _windows(part: str, config=SMALL, data: Data | None = None) -> Windows:
    data = data or _data()
    return Windows.of(data, part, Scaler.of(data), config)


def test_horizons_lie_in_their_part_and_windows_may_not() -> None:
    assert list(_windows("train").starts) == list(range(6, 38))
    assert list(_windows("validation").starts) == list(range(40, 46))
    assert list(_windows("test").starts) == list(range(48, 58))
    single = replace(SMALL, single=True)
    # LSTNet: the row that is forecast lies in the part, one window a row.
    assert list(_windows("validation", single).starts + 2) == list(range(40, 48))
    assert list(_windows("test", single).starts + 2) == list(range(48, 60))


def test_a_window_and_its_targets() -> None:
    data = _data()
    scaler = Scaler.of(data)
    rows = (data.table.values - data.table.values[:40].mean(0)) / data.table.values[
        :40
    ].std(0)
    x, y = _windows("test").batch(slice(2, 3))
    np.testing.assert_allclose(x[0], rows[44:50], rtol=1e-5)
    np.testing.assert_allclose(y[0], rows[50:53], rtol=1e-5)
    x, y = _windows("test", replace(SMALL, single=True)).batch(slice(2, 3))
    np.testing.assert_allclose(x[0], rows[42:48], rtol=1e-5)
    np.testing.assert_allclose(y[0], rows[50:51], rtol=1e-5)
    assert Scaler.from_extras(scaler.extras()).columns == ("a", "b")
    with pytest.raises(ZooError, match="statistics are damaged"):
        Scaler.from_extras({"columns": ["a"], "mean": [1.0, 2.0], "deviation": [1.0]})


def test_parts_that_are_too_short() -> None:
    with pytest.raises(ZooError, match="the validation part has 8 rows of 60 in all"):
        _windows("validation", replace(SMALL, horizon=9))
    with pytest.raises(
        ZooError, match="has 32 windows; expected at least batch_size=64"
    ):
        Batches(_windows("train", replace(SMALL, batch_size=64)), 0).require_one_batch()


def test_every_window_trains_once_an_epoch() -> None:
    batches = Batches(_windows("train", replace(SMALL, batch_size=8)), seed=3)
    assert batches.steps_per_epoch == 4
    epochs = [
        np.concatenate([batches.batch(epoch * 4 + step)[1] for step in range(4)])
        for epoch in range(2)
    ]
    assert not np.array_equal(*epochs)
    for epoch in epochs:
        assert len({one.tobytes() for one in epoch}) == 32
    np.testing.assert_array_equal(batches.batch(5)[0], batches.batch(5)[0])


def test_the_figures_are_those_of_their_formulas() -> None:
    """Over more windows than a batch, the last batch not whole, in float64."""
    data = _data(900, (300, 400, 900))
    scaler = Scaler.of(data)
    windows = Windows.of(data, "test", scaler, SMALL)
    assert len(windows) % BATCH
    found = figures_of(measure(lambda x: x[:, -3:] * 0.9, windows), scaler)
    x, y = windows.batch(slice(None))
    f = x[:, -3:].astype(float) * 0.9
    assert found["mse"] == pytest.approx(np.mean((f - y) ** 2))
    assert found["mae"] == pytest.approx(np.mean(np.abs(f - y)))
    f, y = (one[:, -1] * scaler.deviation + scaler.mean for one in (f, y))
    assert found["rse"] == pytest.approx(
        np.sqrt(((f - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()), rel=1e-5
    )
    corr = [np.corrcoef(f[:, one], y[:, one])[0, 1] for one in range(2)]
    assert found["corr"] == pytest.approx(np.mean(corr), rel=1e-5)


def test_targets_that_are_missing_do_not_count() -> None:
    data = _data()
    values = data.table.values.copy()
    values[52] = np.nan
    data = replace(data, table=replace(data.table, values=values))
    windows = _windows("test", data=data)
    assert np.isfinite(windows.inputs).all()
    errors = measure(lambda x: np.zeros((len(x), 3, 2)), windows)
    assert errors.count.sum() == 10 * 3 * 2 - 3 * 2
    assert np.isfinite(list(figures_of(errors, Scaler.of(data)).values())).all()


def test_coverage_is_counted() -> None:
    windows = _windows("test")
    _, y = windows.batch(slice(None))

    def forecast(x: np.ndarray) -> np.ndarray:
        found = np.repeat(y[..., None], 9, axis=-1) + np.linspace(-1, 1, 9)
        found[1, :, :, 1:] += 5  # the least quantile alone is below the target
        found[2, :, :, :-1] -= 5  # the greatest alone above it
        # Every quantile is above the target in one window of ten.
        return found + np.where(np.arange(10) == 0, 5, 0)[:, None, None, None]

    found = figures_of(measure(forecast, windows), Scaler.of(_data()))
    assert found["coverage"] == pytest.approx(0.9)
    assert found["mse"] == pytest.approx(3 * 25 / 10)
    each = y[..., None] - forecast(y)
    shares = np.arange(1, 10) / 10
    pinball = np.where(each > 0, shares * each, (shares - 1) * each).mean()
    assert found["pinball"] == pytest.approx(pinball, rel=1e-5)


def test_the_naive_forecasts() -> None:
    x = np.arange(12.0).reshape(1, 6, 2)
    assert naive.last(SMALL)(x)[0].tolist() == [[10, 11]] * 3
    assert naive.seasonal(SMALL, 2)(x)[0].tolist() == [[8, 9], [10, 11], [8, 9]]
    single = replace(SMALL, single=True)
    assert naive.seasonal(single, 2)(x)[0].tolist() == [[8, 9]]
    assert naive.seasonal(SMALL, 7)(x)[0].tolist() == [[10, 11]] * 3


def test_the_linear_forecast_finds_a_linear_law() -> None:
    rows = np.arange(400)
    values = np.stack([np.sin(rows / 3), 2 * np.cos(rows / 5) + rows / 50], axis=1)
    table = Table(("a", "b"), pandas.RangeIndex(400), values)
    data = Data("made", table, (300, 350, 400), 1)
    train, validation, test = (
        _windows(part, data=data) for part in ("train", "validation", "test")
    )
    errors = measure(naive.linear(train, validation), test)
    assert errors.squares.sum() / errors.count.sum() < 2e-3
    worst = measure(naive.last(SMALL), test)
    assert errors.squares.sum() < 0.01 * worst.squares.sum()


def test_synthetic_is_the_same_everywhere() -> None:
    found = synthetic.table(50)
    assert found.values.shape == (50, 3)
    assert found.season == 24
    np.testing.assert_array_equal(found.values, synthetic.table(50).values)


@pytest.mark.skipif(not DATA, reason="KERAS_GRU_DATA is not set")
def test_the_parts_of_the_public_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_GRU_DATA", str(DATA))
    etth1 = Source(dataset="etth1").load()
    assert etth1.ends == (8640, 11520, 14400)
    assert etth1.table.columns == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert etth1.season == 24
    config = replace(TINY, look_back=96, horizon=96, segment=48)
    counts = [
        len(Windows.of(etth1, part, Scaler.of(etth1), config))
        for part in ("train", "validation", "test")
    ]
    # As the loaders of the literature count them.
    assert counts == [8640 - 96 - 96 + 1, 2880 - 96 + 1, 2880 - 96 + 1]
    rates = Source(dataset="exchange_rate").load()
    assert rates.ends == (4552, 6070, 7588)
    config = replace(config, look_back=168, segment=24, horizon=12, single=True)
    assert len(Windows.of(rates, "test", Scaler.of(rates), config)) == 1518


def test_sources_that_exclude_each_other() -> None:
    with pytest.raises(ZooError, match="--csv and --dataset exclude each other"):
        Source(dataset="etth1", csv="/a.csv")
    with pytest.raises(ZooError, match="--time-column is of a --csv"):
        Source(time_column="when")
