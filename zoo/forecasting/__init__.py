"""Forecasting: what several time series do next, from a window of their past."""

from __future__ import annotations

from zoo.config import Program
from zoo.forecasting.config import (
    OBJECTIVE,
    PARAMETERS,
    SIZES,
    Config,
    Evaluate,
    Predict,
)
from zoo.forecasting.data import DATASETS, Source, label

PROGRAM = Program(
    summary="what several time series do next (--csv FILE: a table of yours)",
    config=Config,
    sizes=SIZES,
    parameters=PARAMETERS,
    source=Source,
    datasets={**DATASETS, "--csv FILE": "any table with a column of times"},
    label=label,
    evaluate=Evaluate,
    predict=Predict,
    objective=OBJECTIVE,
    headline="mse",
)
