"""Forecast a table of your own.

    python examples/forecast_a_table.py [FILE]

The first column holds the times, all others are forecast. Without a file the table is
made up. `python -m zoo train forecasting --help` shows all that can be set.
"""

import sys
from pathlib import Path

import pandas

import zoo
from zoo.__main__ import main
from zoo.forecasting import synthetic

file = sys.argv[1] if len(sys.argv) > 1 else "my_table.csv"
if not Path(file).exists():
    hours = synthetic.table(1000)
    frame = pandas.DataFrame(hours.values, hours.times, hours.columns)
    frame.to_csv(file, index_label="time")

shape = ["--look-back", "48", "--horizon", "24", "--head", "quantiles", "--epochs", "5"]
if main(["train", "forecasting", "--csv", file, *shape, "--out", "my_forecaster"]):
    sys.exit("the line above says what is wrong with the table")
forecast = zoo.load("my_forecaster").predict(file)
print(forecast.to_frame().head())
assert forecast.values.shape[0] == 24
