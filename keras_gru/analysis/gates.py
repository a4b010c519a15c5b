"""`gates`: z, r, the candidate and the state along given inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_gru.analysis.found import called
from keras_gru.analysis.gradient_flow import title
from keras_gru.analysis.steps import Array, GRUSteps, steps_of

SATURATED = 0.05
"""A gate is saturated within this of 0 or 1."""


@dataclass(frozen=True)
class Gates:
    """What a GRU computes, `(batch, time, units)` each, in the order of processing.

    Attributes:
        z, r: update and reset gate, in the layer's own convention.
        candidate: n.
        state: h after the step; frozen where a mask skips it.
        kept: the fraction of the old state that is kept: z for `"keep"`, 1 − z for
            `"replace"`, with zoneout's rate d added as d + (1 − d) · that. So layers
            of different conventions can be compared.
        used: `(batch, time)` bool, False where a mask skips the step. What the gates
            are there says nothing, and the statistics leave it out.
        title: layer and convention.
    """

    z: Array
    r: Array
    candidate: Array
    state: Array
    kept: Array
    used: Array
    title: str

    @property
    def memory(self) -> Array:
        """Effective memory of each unit in steps, `(units,)`: −1 / mean(log kept).

        Over so many steps what a unit held falls to 1/e along the direct path, the
        gates' own dependence left aside: infinite where all is kept.
        """
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(self.kept[self.used], 1e-300)).mean(0)
            return np.abs(1 / logs)

    @property
    def saturated(self) -> dict[str, float]:
        """Share of all values within 0.05 of 0, or of 1, of z, r and kept."""
        shares = {}
        for name in ("z", "r", "kept"):
            values = getattr(self, name)[self.used]
            shares[f"{name} near 0"] = float((values < SATURATED).mean())
            shares[f"{name} near 1"] = float((values > 1 - SATURATED).mean())
        return shares

    def plot(self, row: int = 0) -> Any:
        """A matplotlib figure of one row of the batch.

        Raises:
            ImportError: there is no matplotlib.
        """
        from keras_gru.analysis import pictures

        return pictures.gates(self, row)


def gates(
    layer_or_model: Any,
    inputs: Any,
    *,
    layer: str | None = None,
    direction: str = "forward",
    mask: Any = None,
    initial_state: Any = None,
    resets: Any = None,
) -> Gates:
    """Gates, candidate and state of a GRU along given inputs; dropout off.

    Computed in float64 by `keras_gru.equations` from the layer's weights. The arguments
    are those of `gradient_flow`, and so are the errors; the layer must be a GRU.

    Example:

    >>> import keras_gru, numpy as np
    >>> layer = keras_gru.GRU(4, update_gate="replace")
    >>> sequences = np.ones((2, 5, 3), "float32")
    >>> _ = layer(sequences)
    >>> found = keras_gru.analysis.gates(layer, sequences)
    >>> found.z.shape, bool((found.kept == 1 - found.z).all()), found.memory.shape
    ((2, 5, 4), True, (4,))
    """
    call = {"mask": mask, "initial_state": initial_state, "resets": resets}
    found = called(layer_or_model, inputs, layer, direction, call)
    steps = steps_of(found)
    if not isinstance(steps, GRUSteps):
        raise TypeError(
            f"The layer {found.name} must be a GRU, for its gates are asked for. "
            f"Received: {type(found.layer).__name__}."
        )
    return Gates(
        steps.z, steps.r, steps.n, steps.state, steps.kept, found.used, title(found)
    )
