"""Measure and use a trained forecaster. Keras runs already."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.files import write_text
from zoo.forecasting import plots
from zoo.forecasting.baselines import baselines, measured
from zoo.forecasting.config import MEDIAN, Config, Missing, Predict
from zoo.forecasting.data import Source
from zoo.forecasting.evaluation import figures_of, forecast_of, measure
from zoo.forecasting.forecasted import Forecasted
from zoo.forecasting.model import build
from zoo.forecasting.streaming import Stream
from zoo.forecasting.table import Table, of_frame, read
from zoo.forecasting.train import beside_each_other
from zoo.forecasting.windows import PARTS, Part, Scaler, Windows
from zoo.presets.pretrained import Pretrained
from zoo.presets.saved import Saved
from zoo.training.plots import require_format

if TYPE_CHECKING:
    import pandas


class Forecaster(Pretrained):
    """Forecasts several series at once.

    Example:
        >>> from zoo.forecasting.use import Forecaster
        >>> forecaster = Forecaster.from_preset("etth1-96")
        >>> forecaster.predict("ETTh1.csv").to_frame()  # doctest: +SKIP
    """

    program = "forecasting"

    def __init__(self, saved: Saved, model: keras.Model) -> None:
        super().__init__(saved, model)
        self.scaler = Scaler.from_extras(saved.extras)

    @staticmethod
    def build(config: Config) -> keras.Model:
        return build(config)

    def onnx_models(self) -> dict[str, keras.Model]:
        return {"": keras.Model(self.model.input, {"forecast": self.model.output})}

    def predict(
        self,
        table: str | Path | Table | pandas.DataFrame | None = None,
        *,
        time_column: str | None = None,
        missing: Missing = "refuse",
    ) -> Forecasted:
        """Forecast what follows the last row of a table.

        Args:
            table: a CSV, or a data frame, with the series of the training; further
                columns are left alone. None: the table of the training.
            time_column: its name; None: the first column, or that of the training.
            missing: what becomes of missing values; see `zoo.forecasting.table.read`.

        Raises:
            ZooError: the table cannot be read, or has too few rows.
        """
        found = self._table(table, time_column, missing)
        self.scaler.require(found.columns)
        config: Config = self.config
        if len(found.values) < config.look_back:
            raise ZooError(
                f"the table has {len(found.values):,} rows; expected at least "
                f"look_back={config.look_back}"
            )
        values = found.known[-config.look_back :]
        ahead = forecast_of(self.model)(self.scaler.standardised(values)[None])[0]
        quantiles = None
        if ahead.ndim == 3:
            quantiles = self._restored(ahead.transpose(2, 0, 1)).transpose(1, 2, 0)
            ahead = ahead[..., MEDIAN]
        times = found.after(config.horizon)[-config.steps :]
        window = replace(found, times=found.times[-config.look_back :], values=values)
        return Forecasted(window, times, self._restored(ahead), quantiles)

    def stream(self) -> Stream:
        """Forecast after every new row, the state carried from row to row.

        Raises:
            ZooError: the model must see its whole window at once.
        """
        return Stream(self.model, self.scaler, self.config)

    def evaluate(
        self,
        *,
        split: Part = "test",
        backtest: str | None = None,
        on: Source | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Measure the forecasts of all windows of a part, and the baselines on them.

        Args:
            split: "test", or "validation", which chose the weights.
            backtest: the picture of errors by row of the horizon to draw.
            on: another table than that of the training.

        Returns:
            mse, mae, rse, corr, of quantiles coverage; the same of the baselines, as
            ``mse_last``, ``mse_seasonal``, ``mse_linear``; dataset, split, look_back,
            horizon, windows, seconds.

        Raises:
            ZooError: the data cannot be had, have changed, or have other series.
        """
        if backtest:
            require_format(Path(backtest), "--backtest")
        data = self.saved.load_data(on)
        self.scaler.require(data.table.columns)
        windows = {
            part: Windows.of(data, part, self.scaler, self.config) for part in PARTS
        }
        begun = time.perf_counter()
        errors = measure(forecast_of(self.model), windows[split])
        seconds = round(time.perf_counter() - begun, 3)
        naive = baselines(windows["train"], windows["validation"], data.season)
        beside, their_errors = measured(naive, windows[split], self.scaler)
        if backtest:
            title = f"{self.saved.name}, {data.name}, {split}"
            plots.backtest({"model": errors, **their_errors}, title, Path(backtest))
        return {
            **figures_of(errors, self.scaler),
            **beside,
            "dataset": data.name,
            "split": split,
            "look_back": self.config.look_back,
            "horizon": self.config.horizon,
            "windows": len(windows[split]),
            "seconds": seconds,
        }

    def _table(
        self,
        given: str | Path | Table | pandas.DataFrame | None,
        time_column: str | None,
        missing: Missing,
    ) -> Table:
        columns = self.scaler.columns
        time_column = time_column or self.saved.source.time_column
        if given is None:
            return self.saved.load_data().table
        if isinstance(given, Table):
            return given
        if isinstance(given, str | Path):
            return read(Path(given), time_column, columns, missing)
        return of_frame(given, "the table", time_column, columns, missing)

    def _restored(self, values: np.ndarray) -> np.ndarray:
        return values * self.scaler.deviation + self.scaler.mean


PRETRAINED = Forecaster


# The command line.


def told(figures: dict[str, Any]) -> str:
    """Figures of `evaluate`, the model's and the baselines', a line each."""
    covered = ""
    if "coverage" in figures:
        covered = f", {figures['coverage']:.1%} of them in the band of 80 %"
    return (
        f"{figures['dataset']} {figures['split']}: {figures['windows']:,} windows of "
        f"{figures['look_back']} rows, {figures['horizon']} ahead, "
        f"{figures['seconds']:.1f} s{covered}\n{beside_each_other(figures)}"
    )


def predict(saved: Saved, options: Predict, as_json: bool) -> dict[str, Any] | None:
    """What ``zoo predict`` does: write the forecast, or return it."""
    if options.plot:
        require_format(Path(options.plot), "--plot")
    forecaster = Forecaster.from_saved(saved)
    found = forecaster.predict(
        options.csv, time_column=options.time_column, missing=options.missing
    )
    found.window.tell()
    frame = found.to_frame()
    if options.plot:
        plots.forecast(found, saved.name, Path(options.plot))
    if options.out:
        write_text(Path(options.out), frame.to_csv())
    if as_json:
        times = [str(one) for one in found.times]
        return {"time": times, **{name: list(frame[name]) for name in frame}}
    print(f"-> {options.out}" if options.out else frame.to_csv().rstrip())
    return None
