"""Three series that need no file: trend, seasons, breaks and noise, all made up.

They are not like anybody's data: a model that is good here has shown that it finds a
day and a week, and no more.
"""

from __future__ import annotations

import numpy as np

from zoo.forecasting.table import Table

ROWS = 24 * 7 * 20  # hours of 20 weeks
SEED = 17


def table(rows: int = ROWS) -> Table:
    """The same hours on every machine.

    .. code-block:: text

        level     moves by noise, and by a break every few weeks
        season    a day and a week, of another size and shape in each series
        noise     normal, each value like the one before it to 0.7
    """
    import pandas

    rng = np.random.default_rng(SEED)
    hour = np.arange(rows)
    day, week = 2 * np.pi * hour / 24, 2 * np.pi * hour / 168
    values = []
    for trend, of_day, of_week in ((0.5, 3.0, 1.0), (-0.2, 1.0, 2.0), (0.0, 2.0, 0.3)):
        shift = rng.uniform(0, 2 * np.pi, 3)
        season = of_day * (np.sin(day + shift[0]) + 0.4 * np.sin(2 * day + shift[1]))
        season = season + of_week * np.sin(week + shift[2])
        breaks = rng.normal(0, 1.5, rows) * (rng.random(rows) < 1 / 400)
        level = np.cumsum(breaks + rng.normal(0, 0.02, rows)) + trend * hour / 168
        noise = np.zeros(rows)
        for index, new in enumerate(rng.normal(0, 0.3, rows)):
            noise[index] = 0.7 * noise[index - 1] + new if index else new
        values.append(10 + level + season + noise)
    times = pandas.date_range("2024-01-01", periods=rows, freq="h")
    return Table(("north", "south", "total"), times, np.stack(values, axis=1))
