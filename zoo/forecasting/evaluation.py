"""The errors of a forecast over all windows of a part, the last batch included."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.forecasting.config import MEDIAN, QUANTILES
from zoo.forecasting.windows import Scaler, Windows

# Windows (n, look_back, series) -> (n, steps, series), or with quantiles behind.
Forecast = Callable[[np.ndarray], np.ndarray]
BATCH = 256
SHARES = np.array(QUANTILES)


@dataclass
class Errors:
    """Sums over windows, by row of the horizon.

    Attributes:
        squares: (steps,), of standardised errors.
        absolutes: (steps,), the same.
        count: (steps,), of targets that are known.
        inside: of targets within the band of 80 percent; None: there is no band.
        pinball: of the loss of quantiles, the mean over them.
        last: (windows, series) forecasts and targets of the last row, standardised.
    """

    squares: np.ndarray
    absolutes: np.ndarray
    count: np.ndarray
    inside: float | None = None
    pinball: float = 0.0
    last: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    @property
    def mse_by_step(self) -> np.ndarray:
        return self.squares / np.maximum(self.count, 1)


def measure(forecast: Forecast, windows: Windows) -> Errors:
    """Forecast every window once and add up the errors."""
    steps = windows.config.steps
    errors = Errors(np.zeros(steps), np.zeros(steps), np.zeros(steps))
    for start in range(0, len(windows), BATCH):
        x, target = windows.batch(slice(start, start + BATCH))
        found = forecast(x).astype(np.float64)
        if found.ndim == 4:  # quantiles
            low, high = found[..., 0], found[..., -1]
            inside = float(((low <= target) & (target <= high)).sum())
            errors.inside = (errors.inside or 0.0) + inside
            each = target[..., None] - found
            each = np.maximum(SHARES * each, (SHARES - 1.0) * each)
            errors.pinball += float(np.nansum(each)) / len(SHARES)
            found = found[..., MEDIAN]
        error = found - target
        errors.squares += np.nansum(error**2, axis=(0, 2))
        errors.absolutes += np.nansum(np.abs(error), axis=(0, 2))
        errors.count += np.isfinite(error).sum(axis=(0, 2))
        errors.last.append((found[:, -1], target[:, -1]))
    return errors


def figures_of(errors: Errors, scaler: Scaler) -> dict[str, float]:
    """The figures of the literature.

    .. code-block:: text

        mse, mae   means over windows, rows and series of the standardised errors
        rse        sqrt(Σ (y - f)² / Σ (y - mean(y))²), of the last row of the horizon,
                   in the units of the series, sums and mean over windows and series
        corr       correlation of y and f over windows, of the last row, mean over the
                   series that move
        coverage   share of targets from quantile 0.1 to 0.9
        pinball    the loss of quantiles

    Sources: Informer, arXiv 2012.07436 v3 (mse, mae); LSTNet, arXiv 1703.07015 v3, and
    its code (rse, corr).
    """
    total = errors.count.sum()
    found = {
        "mse": float(errors.squares.sum() / total),
        "mae": float(errors.absolutes.sum() / total),
    }
    forecast, target = (
        np.concatenate(part) * scaler.deviation + scaler.mean
        for part in zip(*errors.last, strict=True)
    )  # (windows, series) each
    known = np.isfinite(target)
    spread = float(((target - target[known].mean()) ** 2)[known].sum())
    squares = float(((target - forecast) ** 2)[known].sum())
    # Of series that do not move there is none, and JSON has no infinity.
    found["rse"] = math.sqrt(squares / spread) if spread > 0 else 0.0
    found["corr"] = _correlation(forecast, target, known)
    if errors.inside is not None:
        found["coverage"] = errors.inside / float(total)
        found["pinball"] = errors.pinball / float(total)
    return found


def _correlation(forecast: np.ndarray, target: np.ndarray, known: np.ndarray) -> float:
    each = []
    for series in range(target.shape[1]):
        rows = known[:, series]
        f, y = forecast[rows, series], target[rows, series]
        if len(y) > 1 and f.std() > 0 and y.std() > 0:
            each.append(float(np.corrcoef(f, y)[0, 1]))
    return float(np.mean(each)) if each else 0.0


def forecast_of(model: Any) -> Forecast:
    """What a model forecasts; quantiles that cross are sorted.

    Every call has `BATCH` windows, the last one filled up: one shape to compile for.
    """

    def forecast(x: np.ndarray) -> np.ndarray:
        filled = np.zeros((BATCH, *x.shape[1:]), x.dtype)
        filled[: len(x)] = x
        found = np.asarray(model.predict_on_batch(filled))[: len(x)]
        return np.sort(found, axis=-1) if found.ndim == 4 else found

    return forecast
