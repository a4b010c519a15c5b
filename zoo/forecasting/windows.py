"""Windows of a table, standardised: to train on in batches, and to measure on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from zoo.errors import ZooError
from zoo.forecasting.config import Config
from zoo.forecasting.data import Data

Self = TypeVar("Self", bound="Scaler")
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Scaler:
    """Mean and deviation of each series over the training part, as
    `sklearn.preprocessing.StandardScaler` has them.

    Attributes:
        columns: the names of the series.
        mean: (series,).
        deviation: (series,); 1 of a series that does not move.
    """

    columns: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls: type[Self], data: Data) -> Self:
        values = data.table.known[: data.ends[0]]
        deviation = values.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return cls(data.table.columns, values.mean(axis=0), deviation)

    @classmethod
    def from_extras(cls: type[Self], extras: Mapping[str, Any]) -> Self:
        """What `extras` gave.

        Raises:
            ZooError: it is damaged.
        """
        try:
            columns = tuple(str(one) for one in extras["columns"])
            mean, deviation = (
                np.array(extras[name], float) for name in ("mean", "deviation")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ZooError(f"the series' statistics are damaged: {error}") from error
        for values in (mean, deviation):
            if values.shape != (len(columns),) or not np.isfinite(values).all():
                raise ZooError("the series' statistics are damaged")
        return cls(columns, mean, deviation)

    def extras(self) -> dict[str, Any]:
        return {
            "columns": list(self.columns),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    def require(self, columns: Sequence[str]) -> None:
        """Raise unless a table has the series of the training."""
        if tuple(columns) != self.columns:
            raise ZooError(
                f"the series are {', '.join(columns)}; expected those of the training, "
                f"{', '.join(self.columns)}"
            )

    def standardised(self, values: np.ndarray) -> np.ndarray:
        return ((values - self.mean) / self.deviation).astype(np.float32)


@dataclass(frozen=True)
class Windows:
    """All windows whose forecasts lie in one part of the data.

    With `config.single` the last row of the horizon lies in it (LSTNet's windows), else
    the whole horizon does. A window may begin in the part before.

    Attributes:
        inputs: (rows, series), standardised, the last known value where one is missing.
        targets: the same, NaN where one is missing.
        starts: (windows,), the first row of each horizon.
        config: look-back and horizon.
    """

    inputs: np.ndarray
    targets: np.ndarray
    starts: np.ndarray
    config: Config

    @classmethod
    def of(cls, data: Data, part: Part, scaler: Scaler, config: Config) -> Windows:
        """The windows of a part.

        Raises:
            ZooError: it has no row for one.
        """
        index = PARTS.index(part)
        begin = data.ends[index - 1] if index else config.look_back
        end = data.ends[index]
        if config.single and index:
            begin -= config.horizon - 1
        starts = np.arange(max(begin, config.look_back), end - config.horizon + 1)
        if not len(starts):
            raise ZooError(
                f"{data.name}: the {part} part has {end - begin:,} rows of "
                f"{len(data.table.values):,} in all; expected at least "
                f"horizon={config.horizon} in it, and look_back={config.look_back} "
                f"before it"
            )
        values = data.table.values
        known = scaler.standardised(data.table.known)
        targets = scaler.standardised(values) if np.isnan(values).any() else known
        return cls(known, targets, starts, config)

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, which: Any) -> Batch:
        """Windows (n, look_back, series), targets (n, steps, series)."""
        first = self.starts[which][:, None]
        ahead = np.arange(self.config.horizon)[-self.config.steps :]
        x = self.inputs[first + np.arange(-self.config.look_back, 0)]
        return x, self.targets[first + ahead]


@dataclass(frozen=True)
class Batches:
    """Training batches, each a function of (seed, step) and of nothing else.

    Every epoch has the windows in another order; what is left of the last batch waits
    for the next epoch.
    """

    windows: Windows
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return len(self.windows) // self.windows.config.batch_size

    def require_one_batch(self) -> None:
        """Raise where there are too few windows."""
        if self.steps_per_epoch < 1:
            raise ZooError(
                f"the training part has {len(self.windows):,} windows; expected at "
                f"least batch_size={self.windows.config.batch_size}: a smaller "
                f"--batch-size, --look-back or --horizon, or more rows"
            )

    def batch(self, step: int) -> Batch:
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.windows))
        size = self.windows.config.batch_size
        return self.windows.batch(order[position * size : (position + 1) * size])
