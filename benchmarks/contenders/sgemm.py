"""The limit: what a float32 matrix product reaches on the same cores.

Two products, by torch and by NumPy, for their libraries differ: one of a GRU's size,
all steps at once; one large enough for any library to be at its best. The report
takes the fastest of the four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.contenders.contender import Built, Results
from benchmarks.numbers import CHECKED_ROWS, Numbers
from benchmarks.rows import Group

LARGE = 2048


class Product:
    padding = "repeat"
    is_ours = False

    def __init__(self, backend: str, large: bool) -> None:
        self.backend = backend
        self.large = large
        self.name = "sgemm large" if large else "sgemm of the row's size"

    def conventions(self, group: Group) -> tuple[str, ...]:
        return ("",)  # one product, whatever the convention

    def absence(self, group: Group) -> str | None:
        return None

    def build(self, group: Group, convention: str, numbers: Numbers) -> Built:
        rows, inner, columns = self.size(group)
        rng = np.random.default_rng(0)
        left = rng.standard_normal((rows, inner)).astype("float32")
        right = rng.standard_normal((inner, columns)).astype("float32")
        # A product is checked here: the oracle knows recurrences only.
        numbers.expected["/outputs"] = left[:CHECKED_ROWS].astype("float64") @ right
        run = self._torch(left, right) if self.backend == "torch" else None
        run = run or (lambda: left @ right)

        def results() -> Results:
            return {"outputs": np.asarray(run())[:CHECKED_ROWS]}

        return Built(run, results, flops=2.0 * rows * inner * columns)

    def size(self, group: Group) -> tuple[int, int, int]:
        """Rows, inner size and columns of the product."""
        if self.large:
            return LARGE, LARGE, LARGE
        batch, timesteps, features, units = group.shape
        return batch * timesteps, features + units, 3 * units

    @staticmethod
    def _torch(left: np.ndarray, right: np.ndarray) -> Any:
        a, b = torch.from_numpy(left), torch.from_numpy(right)
        return lambda: torch.mm(a, b)


def all_products() -> list[Product]:
    return [
        Product(backend, large)
        for backend in ("torch", "numpy")
        for large in (False, True)
    ]
