"""Forecast after every row, as the rows come."""

from __future__ import annotations

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.forecasting.config import Config
from zoo.forecasting.model import build, streams
from zoo.forecasting.windows import Scaler
from zoo.training.weights import copy_weights


class Stream:
    """Rows that come one at a time: a row costs one step, however many came before.

    After `look_back` rows the forecast is that of the window of these rows. Rows behind
    them go on from the state: the window grows.

    Args:
        model: trained.
        scaler: of its run.
        config: of its run.

    Raises:
        ZooError: the model must see its whole window at once.
    """

    def __init__(self, model: keras.Model, scaler: Scaler, config: Config) -> None:
        if not streams(config):
            raise ZooError(
                f"a model of --model {config.model} --normalisation "
                f"{config.normalisation} must see its whole window at once: with each "
                f"new row all rows before it are normalised, or cut, otherwise; "
                f"expected --model plain --normalisation none to stream"
            )
        self.model = build(config, batch_size=1)
        copy_weights(model, self.model)
        self.scaler = scaler

    def push(self, row: np.ndarray) -> np.ndarray:
        """Read one row (series,); forecast (steps, series), or with quantiles behind.

        Raises:
            ZooError: the row has another length, or numbers that are not finite.
        """
        row = np.asarray(row, float)
        if row.shape != self.scaler.mean.shape or not np.isfinite(row).all():
            raise ZooError(
                f"the row is {row!r}; expected {len(self.scaler.mean)} finite numbers"
            )
        x = self.scaler.standardised(row)[None, None]
        found = np.asarray(self.model.predict_on_batch(x))[0].astype(np.float64)
        if found.ndim == 3:
            found = np.sort(found, axis=-1)
            return found * self.scaler.deviation[:, None] + self.scaler.mean[:, None]
        return found * self.scaler.deviation + self.scaler.mean
