"""What a forecast must beat: the last value, the last season, a linear map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.forecasting.config import Config
from zoo.forecasting.evaluation import Errors, Forecast, figures_of, measure
from zoo.forecasting.windows import Scaler, Windows

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # as parts of the mean eigenvalue
CHUNK = 512  # windows


def baselines(train: Windows, validation: Windows, season: int) -> dict[str, Forecast]:
    """The naive forecasts and the linear one, by name."""
    return {
        "last": last(train.config),
        "seasonal": seasonal(train.config, season),
        "linear": linear(train, validation),
    }


def last(config: Config) -> Forecast:
    """f = the window's last row, at every step."""
    return lambda x: np.repeat(x[:, -1:], config.steps, axis=1)


def seasonal(config: Config, season: int) -> Forecast:
    """f at step j = the row `season` before it, the window's last season repeated.

    The last row where a window is shorter than a season.
    """
    if season > config.look_back:
        return last(config)
    steps = np.arange(config.horizon)[-config.steps :]
    rows = config.look_back - season + steps % season
    return lambda x: x[:, rows]


def linear(train: Windows, validation: Windows) -> Forecast:
    """f = (x - last) W + last, W by least squares: NLinear without its training.

    The same (look_back, steps) for all series. A ridge penalty, the best of a few on
    the validation part, keeps long windows from fitting noise.

    Source: NLinear in "Are transformers effective for time series forecasting?", arXiv
    2205.13504 v3, whose weights are found by Adam.
    """
    config = train.config
    inner = np.zeros((config.look_back, config.look_back))
    cross = np.zeros((config.look_back, config.steps))
    for start in range(0, len(train), CHUNK):
        x, y = train.batch(slice(start, start + CHUNK))
        y, x = y - x[:, -1:], x - x[:, -1:]
        x = x.transpose(0, 2, 1).reshape(-1, config.look_back)
        y = np.nan_to_num(y.transpose(0, 2, 1).reshape(-1, config.steps))
        inner += x.T @ x
        cross += x.T @ y
    scale = max(float(np.trace(inner)) / config.look_back, 1e-12)
    best: tuple[float, Forecast] | None = None
    for penalty in PENALTIES:
        ridge = penalty * scale * np.eye(config.look_back)
        weights = np.linalg.solve(inner + ridge, cross).astype(np.float32)

        def forecast(x: np.ndarray, weights: np.ndarray = weights) -> np.ndarray:
            level = x[:, -1:]
            found = np.swapaxes(x - level, 1, 2) @ weights
            return np.swapaxes(found, 1, 2) + level

        errors = measure(forecast, validation)
        error = float(errors.squares.sum() / errors.count.sum())
        if best is None or error < best[0]:
            best = error, forecast
    assert best is not None
    return best[1]


def measured(
    found: Mapping[str, Forecast], windows: Windows, scaler: Scaler
) -> tuple[dict[str, float], dict[str, Errors]]:
    """mse, mae and rse of each baseline, as ``mse_last``; its errors by name."""
    errors = {name: measure(one, windows) for name, one in found.items()}
    figures = {
        f"{figure}_{name}": value
        for name, one in errors.items()
        for figure, value in figures_of(one, scaler).items()
        if figure != "corr"
    }
    return figures, errors
