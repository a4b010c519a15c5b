"""What a contender is: something that runs a group's rows and can be timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmarks.rows import Group

if TYPE_CHECKING:
    from benchmarks.numbers import Numbers

Results = dict[str, np.ndarray]
"""`outputs`, or gradients by name: `x`, `kernel`, `recurrent_kernel`, `bias`."""


@dataclass(frozen=True)
class Built:
    """A contender made ready for one row.

    Attributes:
        run: one call; returns when it is done.
        results: what one call computes, for the check; of the checked rows.
        kernel: which kernel of `keras_gru` runs, else empty.
        note: how it is run, for the report.
        flops: of one call, where it is not that of the row.
    """

    run: Callable[[], object]
    results: Callable[[], Results]
    kernel: str = ""
    note: str = ""
    flops: float | None = None


class Contender(Protocol):
    """One implementation.

    Attributes:
        name: as it stands in the report.
        backend: the framework that it runs on.
        padding: what it returns at padded steps; see `check.compare`.
        is_ours: whether it is `keras_gru`; if so a failure is an error.
    """

    name: str
    backend: str
    padding: str
    is_ours: bool

    def conventions(self, group: Group) -> tuple[str, ...]:
        """Those that it runs to be compared in this group; may be none."""

    def absence(self, group: Group) -> str | None:
        """Why it does not run this group although it could be expected to."""

    def build(self, group: Group, convention: str, numbers: Numbers) -> Built:
        """Makes it ready for one row."""


def gradients_by_name(layer: Any, x: Any, weights: Any) -> dict[str, Any]:
    """The gradients of x and of `layer.trainable_variables`, named."""
    names = [variable.name for variable in layer.trainable_variables]
    return {"x": x} | dict(zip(names, weights, strict=True))


def explained(layer: Any, group: Group) -> str:
    """The kernel that runs, where the layer can tell."""
    if not hasattr(layer, "explain"):
        return ""
    training = group.mode == "training"
    return str(layer.explain(group.shape[:3], group.masked, training).kernel)
