"""`Forecasted`: what a table's last window gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.forecasting.config import MEDIAN, QUANTILES
from zoo.forecasting.table import Table

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Forecasted:
    """A forecast, in the units of the series.

    Attributes:
        window: the table that it was made from.
        times: of the forecast.
        values: (steps, series), of quantiles the median.
        quantiles: (steps, series, 9), those of 0.1 to 0.9; None of a point forecast.
    """

    window: Table
    times: pandas.Index
    values: np.ndarray
    quantiles: np.ndarray | None

    def to_frame(self) -> pandas.DataFrame:
        """A row a time; of quantiles also columns such as "OT 0.1"."""
        import pandas

        columns: dict[str, np.ndarray] = {}
        for index, name in enumerate(self.window.columns):
            columns[name] = self.values[:, index]
            if self.quantiles is not None:
                for place, share in enumerate(QUANTILES):
                    if place != MEDIAN:
                        columns[f"{name} {share}"] = self.quantiles[:, index, place]
        return pandas.DataFrame(columns, index=pandas.Index(self.times, name="time"))
