"""Pictures of a forecast and of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoo.forecasting.evaluation import Errors
from zoo.forecasting.forecasted import Forecasted
from zoo.training.plots import picture

MOST = 12  # series in a picture


def forecast(found: Forecasted, title: str, path: Path) -> None:
    """Draw the last window, the forecast and its bands, a series below the other."""
    names = found.window.columns[:MOST]
    with picture(path, (8.0, 1.0 + 1.8 * len(names))) as figure:
        rows = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
        for index, (axes, name) in enumerate(zip(rows, names, strict=True)):
            axes.plot(found.window.times, found.window.values[:, index], color="C0")
            if found.quantiles is not None:
                for place in range(4):  # 0.1 to 0.9, 0.2 to 0.8, ...
                    axes.fill_between(
                        found.times,
                        found.quantiles[:, index, place],
                        found.quantiles[:, index, -1 - place],
                        color="C1",
                        alpha=0.15,
                        linewidth=0,
                    )
            axes.plot(
                found.times, found.values[:, index], ".-", color="C1", markersize=2
            )
            axes.set_ylabel(name)
        rows[0].set_title(title)
        rows[-1].tick_params(axis="x", rotation=30)


def backtest(errors: Mapping[str, Errors], title: str, path: Path) -> None:
    """Draw the root of the mean squared error of each by row of the horizon."""
    with picture(path) as figure:
        axes = figure.add_subplot()
        for name, one in errors.items():
            steps = np.arange(1, len(one.squares) + 1)
            style = "o" if len(steps) == 1 else "-"
            axes.plot(steps, np.sqrt(one.mse_by_step), style, label=name)
        axes.set_xlabel("rows ahead")
        axes.set_ylabel("root mean squared error, standardised")
        axes.set_title(title)
        axes.set_ylim(bottom=0)
        axes.legend()
