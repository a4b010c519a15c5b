"""What decides a forecaster and its training; the options of its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from zoo.config import (
    FROM_DATA,
    Checked,
    Count,
    File,
    Positive,
    Rate,
    Share,
    Training,
    Whole,
    Width,
)
from zoo.errors import ZooError
from zoo.training.objective import Objective

OBJECTIVE = Objective("loss", like_loss=True)
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEDIAN = QUANTILES.index(0.5)

Missing = Literal["refuse", "forward", "mask"]


@dataclass(frozen=True)
class Config(Training):
    """All that decides a forecaster, but for the series and the seed.

    Attributes:
        model: segments reads and forecasts a segment a step, each series by itself and
            all by the same weights (SegRNN, arXiv 2308.11200 v1); plain reads one row
            of all series a step and forecasts all at once.
        layer: the recurrent layer; lstm is Keras' own, to compare with.
        look_back: rows that a forecast is made from.
        horizon: rows ahead.
        single: only the last row of the horizon is forecast and counts.
        segment: rows in a segment; it divides look_back.
        normalisation: what is taken from each window and given back to its forecast:
            its last row; or its mean and deviation (window); or nothing.
        head: point, a number; or quantiles, those of 0.1 to 0.9, by the pinball loss.
        loss: of points: mae, the mean absolute error, or mse, the mean squared one.
        units: width of the layer; even.
        dropout: rate before the last projection.
        batch_size: windows read side by side.
        averaging: the weights that are used are running means over about this part of
            all steps.
        series: how many series there are; the data decide it.
    """

    model: Literal["segments", "plain"] = "segments"
    layer: Literal["gru", "lstm"] = "gru"
    look_back: Count = 96
    horizon: Count = 96
    single: bool = False
    segment: Count = 48
    normalisation: Literal["last", "window", "none"] = "last"
    head: Literal["point", "quantiles"] = "point"
    loss: Literal["mae", "mse"] = "mae"
    units: Width = 64
    dropout: Rate = 0.5
    batch_size: Count = 64
    epochs: Count = 10
    learning_rate: Positive = 1e-2
    warmup: Share = 0.1
    averaging: Share = 0.1
    validations: Count = 10
    series: Annotated[Whole, FROM_DATA] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model == "segments" and self.look_back % self.segment:
            raise ZooError(
                f"look_back={self.look_back}; expected a multiple of "
                f"segment={self.segment}"
            )
        if self.units % 2:
            raise ZooError(f"units={self.units}; expected an even number")

    @property
    def steps(self) -> int:
        """Rows that the model forecasts."""
        return 1 if self.single else self.horizon

    @property
    def outputs(self) -> int:
        """Numbers that are forecast of each row and series."""
        return len(QUANTILES) if self.head == "quantiles" else 1


SIZES = {
    "tiny": Config(units=64, segment=24, dropout=0.2, epochs=15),
    "small": Config(units=128, dropout=0.3, batch_size=256),
    "base": Config(units=256, dropout=0.5, batch_size=256, learning_rate=5e-3),
}

# Trainable parameters, of seven series.
PARAMETERS = {"tiny": 28_472, "small": 112_112, "base": 420_784}


@dataclass(frozen=True)
class Evaluate(Checked):
    """Options of ``zoo evaluate forecasting``.

    Attributes:
        split: the part of the data to measure on; validation chose the weights.
        backtest: draw the errors of the model and the baselines by the row of the
            horizon, rolled over all windows of the part.
    """

    split: Literal["test", "validation"] = "test"
    backtest: File | None = None


@dataclass(frozen=True)
class Predict(Checked):
    """Forecast what follows the last row of a table, as a CSV and a picture.

    Attributes:
        csv: a table with the columns of the training; by default the training's own.
        time_column: the column of times; by default as in the training.
        missing: what becomes of missing values: refuse; forward, the last known value
            stands for them.
        out: the CSV to write; by default it is printed.
        plot: the picture to draw: last window, forecast, bands.
    """

    csv: File | None = None
    time_column: str | None = None
    missing: Literal["refuse", "forward"] = "refuse"
    out: File | None = None
    plot: File | None = None
