"""The numbers of a group: inputs, weights, and what must come out.

Made once, from a fixed seed, by the process that leads; the workers read them
from a file, so that all contenders compute the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import CONVENTIONS, Group, Shape
from tests import oracle

CHECKED_ROWS = 3
"""Rows of the batch that are held against the oracle, over the whole time."""


@dataclass(frozen=True)
class Numbers:
    """Float32 arrays, the same for every contender of a group.

    Attributes:
        x: `(batch, time, features)`.
        lengths: `(batch,)`, the used steps of each row.
        mask: `(batch, time)` bool, or None.
        cotangent: `(batch, time, units)`, the gradient of the loss with respect to
            the outputs; zero at padded steps.
        check_cotangent: the same, zero beyond the checked rows: the gradients of
            the weights are then those of these rows alone.
        kernel, recurrent_kernel: `(features, 3 units)`, `(units, 3 units)`.
        bias: `(2, 3 units)`; where there is one bias it is the sum of the rows.
        expected: `convention/name` → float64 array, name `outputs` (checked rows)
            or that of a gradient.
    """

    x: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray | None
    cotangent: np.ndarray
    check_cotangent: np.ndarray
    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray
    expected: dict[str, np.ndarray]

    @property
    def used_steps(self) -> int:
        return int(self.lengths.sum())

    def bias_for(self, convention: str) -> np.ndarray:
        """In Keras' form: `(2, 3 units)` with the reset after, else `(3 units,)`."""
        return self.bias if is_after(convention) else self.bias.sum(0)

    def save(self, path: Path) -> None:
        fields = {
            name: value
            for name, value in vars(self).items()
            if name != "expected" and value is not None
        }
        expected = {f"expected/{name}": a for name, a in self.expected.items()}
        arrays: dict[str, Any] = {**fields, **expected}
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Numbers:
        with np.load(path) as file:
            fields = {name: file[name] for name in file.files if "/" not in name}
            expected = {
                name.partition("/")[2]: file[name] for name in file.files if "/" in name
            }
        return cls(**{"mask": None} | fields, expected=expected)


def is_after(convention: str) -> bool:
    return bool(CONVENTIONS[convention]["reset_after"])


def make(shape: Shape, masked: bool) -> Numbers:
    """Random inputs and weights, none of which saturates a gate; no expectations."""
    batch, timesteps, features, units = shape
    rng = np.random.default_rng([*shape, masked])

    def normal(*size: int) -> np.ndarray:
        return rng.standard_normal(size, "float32")

    def uniform(bound: float, *size: int) -> np.ndarray:
        return rng.uniform(-bound, bound, size).astype("float32")

    lengths = np.full(batch, timesteps)
    if masked:
        lengths = rng.integers(1, timesteps + 1, batch)
    used = np.arange(timesteps) < lengths[:, None]  # (batch, time)
    cotangent = normal(batch, timesteps, units) * used[:, :, None]
    check_cotangent = cotangent.copy()
    check_cotangent[CHECKED_ROWS:] = 0
    return Numbers(
        x=normal(batch, timesteps, features),
        lengths=lengths.astype("int64"),
        mask=used if masked else None,
        cotangent=cotangent,
        check_cotangent=check_cotangent,
        kernel=uniform(features**-0.5, features, 3 * units),
        recurrent_kernel=uniform(units**-0.5, units, 3 * units),
        bias=uniform(units**-0.5, 2, 3 * units),
        expected={},
    )


def expect(numbers: Numbers, convention: str, mode: str) -> dict[str, np.ndarray]:
    """What the oracle computes for the checked rows.

    Returns:
        `outputs` for inference, `(rows, time, units)`; the same of two steps with
        one input for generation; gradients for training.
    """
    rows = slice(0, CHECKED_ROWS)
    x = numbers.x[rows]
    if mode == "generation":
        x = np.concatenate([x, x], axis=1)
    passed = oracle.forward(
        x,
        np.zeros((x.shape[0], numbers.recurrent_kernel.shape[0])),
        numbers.kernel,
        numbers.recurrent_kernel,
        numbers.bias_for(convention),
        mask=None if numbers.mask is None else numbers.mask[rows],
        **CONVENTIONS[convention],
    )
    if mode != "training":
        return {"outputs": passed.outputs}
    gradients = oracle.backward(
        passed, numbers.check_cotangent[rows], np.zeros_like(passed.final_state)
    )
    del gradients["h0"]
    return gradients


def for_group(group: Group, conventions: tuple[str, ...]) -> Numbers:
    """The numbers of a group, with what is expected in each of the conventions."""
    numbers = make(group.shape, group.masked)
    for convention in conventions:
        expected = expect(numbers, convention, group.mode)
        for name, array in expected.items():
            numbers.expected[f"{convention}/{name}"] = array
    return numbers
