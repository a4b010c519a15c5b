"""`gradient_flow`: what one state passes on to the next, and to the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_gru.analysis.found import called
from keras_gru.analysis.steps import Array, Steps, steps_of

EXACT = 32
"""Up to this many units all singular values are taken, in float64."""
MANY, FEW = 24, 8
"""Products with a matrix and its transpose that an estimate of its norm takes: FEW for
the product of more than SHORT steps, whose singular values lie far apart."""
SHORT = 32
NEXT = 0.5 ** np.arange(MANY)
"""Shares of the singular vectors found, in the start for the next matrix."""
IN_CACHE = 2**19
"""Numbers in the Jacobians that are taken at a time."""


@dataclass(frozen=True)
class GradientFlow:
    """How gradients flow through a layer; time in the order of processing.

    Attributes:
        step_norms: `(batch, time)`, the spectral norm of J_t = ∂h_t/∂h_{t−1}: by how
            much a gradient can grow on its way over step t. The identity, 1, where a
            mask skips the step; 0 where the state starts anew.
        cumulative_norms: `(batch, time)`, that of ∂h_T/∂h_t = J_T ⋯ J_{t+1}: what of a
            gradient at the last step T can reach step t. 1 at the last step.
        paths: path -> `(batch, time)`, its share of `step_norms`: with u and v the
            singular vectors of the largest singular value, uᵀ (J_t of this path) v.
            The shares add up to the norm; one may be negative.
        jacobians: `(batch, time, units, units)`, [i, j] = ∂h_t[i]/∂h_{t−1}[j]; None
            without `keep_jacobians`, as the next two.
        step_smallest, cumulative_smallest: `(batch, time)`, the smallest singular
            values of the same matrices.
        used: `(batch, time)` bool, False where a mask skips the step.
        title: layer and convention.
    """

    step_norms: Array
    cumulative_norms: Array
    paths: dict[str, Array]
    jacobians: Array | None
    step_smallest: Array | None
    cumulative_smallest: Array | None
    used: Array
    title: str

    def plot(self, row: int = 0) -> Any:
        """A matplotlib figure of the whole batch and of one row of it.

        Raises:
            ImportError: there is no matplotlib.
        """
        from keras_gru.analysis import pictures

        return pictures.gradient_flow(self, row)


def gradient_flow(
    layer_or_model: Any,
    inputs: Any,
    *,
    layer: str | None = None,
    direction: str = "forward",
    mask: Any = None,
    initial_state: Any = None,
    resets: Any = None,
    keep_jacobians: bool = False,
) -> GradientFlow:
    """The Jacobians of a layer's steps along given inputs, and their products.

    With k the fraction of the old state that is kept (z for `"keep"`, 1 − z for
    `"replace"`), s = h_{t−1} − n for `"keep"`, n − h_{t−1} for `"replace"`, and D(·) a
    diagonal matrix, all in float64 and dropout off:

        after:   J = D(k) + D(s σ'_z) U_zᵀ
                     + D((1 − k) g') (D((U_n h + c_n) σ'_r) U_rᵀ + D(r) U_nᵀ)
        before:  J = D(k) + D(s σ'_z) U_zᵀ
                     + D((1 − k) g') U_nᵀ (D(h σ'_r) U_rᵀ + D(r))

    The terms are the paths: direct, update gate, reset gate, candidate. The cases of
    the textbooks follow, for a saturated z (σ'_z = 0):

    - k = 1, that is z = 1 with `"keep"`, z = 0 with `"replace"`: 1 − k = 0 leaves
      J = D(1), the identity. A gradient passes whole, over any number of steps.
    - k = 0, r = 0 saturated (σ'_r = 0): D(k), D(r) and both gates' terms are 0, so that
      J = 0: the state is forgotten, and no gradient passes.
    - k = 0, r = 1 saturated: J = D(g') U_nᵀ, that of a SimpleRNN with the recurrent
      kernel U_n, which vanishes or explodes with the powers of U_n.

    An LSTM and a SimpleRNN are taken too, for comparison; the state of an LSTM is h and
    c side by side, so that "units" is twice its own.

    Args:
        layer_or_model: a GRU of keras_gru or keras.layers in any convention, an LSTM, a
            SimpleRNN, an RNN around one of their cells, a Bidirectional; or a model.
        inputs: of the layer, `(batch, time, features)`, or of the model.
        layer: the name of a layer of the model; not needed where it has only one.
        direction: of a Bidirectional, `"forward"` or `"backward"`.
        mask, initial_state, resets: as the layer takes them; in a model they are those
            that reach the layer.
        keep_jacobians: keep them all, and take every singular value, exactly; memory
            for `batch · time · units²` numbers and far more time.

    Returns:
        `GradientFlow`. The Jacobians are exact, to the rounding of float64. So are the
        norms with `keep_jacobians` and up to 32 units. With more units the products are
        taken in float32 and the norms by Lanczos' method, from the vectors of the step
        before: at most the true ones, within 1 % of them, mostly within 1e-5. No array
        of (time, units, units) is made.

    Raises:
        TypeError: it is no such layer or model.
        ValueError: an argument is not what is described here, the layer is not built,
            or its activation is not among those whose derivative is known here.

    Source: Bengio, Simard, Frasconi 1994, "Learning long-term dependencies with
    gradient descent is difficult"; Pascanu et al. 2013, arXiv 1211.5063.

    Example:

    >>> import keras, keras_gru, numpy as np
    >>> layer = keras_gru.GRU(4, bias_initializer=keras.initializers.Constant(9.0))
    >>> sequences = np.zeros((2, 50, 3), "float32")
    >>> _ = layer(sequences)
    >>> flow = keras_gru.analysis.gradient_flow(layer, sequences)
    >>> flow.cumulative_norms.shape, bool(flow.cumulative_norms[0, 0] > 0.9)
    ((2, 50), True)
    """
    call = {"mask": mask, "initial_state": initial_state, "resets": resets}
    found = called(layer_or_model, inputs, layer, direction, call)
    steps = steps_of(found)
    batch, timesteps = found.used.shape
    step_norms, cumulative = np.zeros((2, batch, timesteps))
    smallest = np.zeros((2, batch, timesteps)) if keep_jacobians else None
    kept = None
    if keep_jacobians:
        kept = np.zeros((batch, timesteps, steps.size, steps.size))
    exact = keep_jacobians or steps.size <= EXACT
    if not exact:
        steps.single()
    before, after = np.zeros((2, batch, timesteps, steps.size))
    random = np.random.default_rng(0).normal(size=(1, steps.size))
    several = max(1, IN_CACHE // steps.size**2)
    for first in range(0, batch, several):
        rows = slice(first, min(first + several, batch))
        eye = np.eye(steps.size, dtype="float64" if exact else "float32")
        p = np.repeat(eye[None], rows.stop - first, 0)  # (∂h_T/∂h_t)ᵀ
        start_j = start_p = np.repeat(random, len(p), 0).astype(p.dtype)
        log = np.zeros(len(p))
        for t in reversed(range(timesteps)):
            j = _jacobian(steps, (rows, t), eye)
            if exact:
                left, values, right = np.linalg.svd(j)
                u, norms, v = left[:, :, 0], values[:, 0], right[:, 0]
                values_p = np.linalg.svd(p, compute_uv=False)
                norm = values_p[:, 0]
            else:
                norms, v, u, start_j = _largest(j, start_j, MANY)
                count = MANY if timesteps - t < SHORT else FEW
                norm, _, _, start_p = _largest(p, start_p, count)
            if kept is not None and smallest is not None:
                kept[rows, t] = np.swapaxes(j, 1, 2)
                smallest[0, rows, t] = values[:, -1]
                smallest[1, rows, t] = values_p[:, -1] * np.exp(log)
            step_norms[rows, t], cumulative[rows, t] = norms, norm * np.exp(log)
            before[rows, t], after[rows, t] = u, v
            if norm.min() < 1e-9 or norm.max() > 1e9:  # else it would leave the range
                scale = np.where(norm > 0, norm, 1.0)
                p, log = p / scale[:, None, None].astype(p.dtype), log + np.log(scale)
            p = j @ p
    return GradientFlow(
        step_norms,
        cumulative,
        _shares(steps, found.used, found.anew, before, after),
        kept,
        None if smallest is None else smallest[0],
        None if smallest is None else smallest[1],
        found.used,
        title(found),
    )


def _jacobian(steps: Steps, at: tuple[slice, int], eye: Array) -> Array:
    """Transposed; the identity where the step is skipped, 0 where it begins anew."""
    j = steps.jacobian(at)
    used, anew = steps.used[at], steps.anew[at]
    if not used.all():
        j = np.where(used[:, None, None], j, eye)
    return np.where(anew[:, None, None], 0.0, j) if anew.any() else j


def _largest(m: Array, start: Array, count: int) -> tuple[Array, ...]:
    """The norm of m `(rows, size, size)`, `(rows,)`; unit v, u with m v = ‖m‖ u; start.

    By the bidiagonalisation of Golub and Kahan, from the vectors `start`, `(rows,
    size)`: those found for a matrix near to m. The norm is never above the true one.
    """
    rows, size, _ = m.shape
    vs, b = np.zeros((rows, size, count), m.dtype), np.zeros((rows, count, count))
    us = np.zeros_like(vs)
    v = _unit(start)[0]
    u, beta = np.zeros_like(v), np.zeros(rows)
    for i in range(count):
        vs[:, :, i] = v
        u = (m @ v[:, :, None])[..., 0] - _column(beta, m) * u
        u, alpha = _unit(u)
        us[:, :, i], b[:, i, i] = u, alpha
        if i + 1 < count:
            v = (u[:, None] @ m)[:, 0] - _column(alpha, m) * v
            v, beta = _unit(v - (vs @ (v[:, None] @ vs).swapaxes(1, 2))[..., 0])
            b[:, i, i + 1] = beta
    _, _, right = np.linalg.svd(b)
    found = vs @ right.swapaxes(1, 2).astype(m.dtype)  # (rows, size, count)
    v = _unit(found[:, :, 0])[0]
    u, norm = _unit((m @ v[:, :, None])[..., 0])
    # For the next matrix the second vector may be the first.
    return norm, v, u, found @ NEXT[:count].astype(m.dtype)


def _unit(v: Array) -> tuple[Array, Array]:
    """v `(rows, size)` at length 1, and its length; 0 stays 0."""
    length = np.sqrt(np.einsum("ri,ri->r", v, v))
    return v / np.where(length > 0, length, 1)[:, None].astype(v.dtype), length


def _column(factor: Array, like: Array) -> Array:
    return factor.astype(like.dtype)[:, None]


def _shares(
    steps: Steps, used: Array, anew: Array, before: Array, after: Array
) -> dict[str, Array]:
    """afterᵀ (J of a path) before, for each path, `(batch, time)`."""
    shares = {
        name: np.einsum("bti,bti->bt", after, change) * (used & ~anew)
        for name, change in steps.paths(before).items()
    }
    if not used.all():
        shares["direct"] = shares.get("direct", 0.0) + 1.0 * ~used
    return shares


def title(found: Any) -> str:
    """Layer and convention."""
    layer = found.layer
    name = f"{found.name} ({type(layer).__name__}, {layer.cell.units} units"
    if hasattr(layer.cell, "reset_after"):
        gate = getattr(layer.cell, "update_gate", "keep")
        name += f", update gate: {gate}, reset: "
        name += "after" if layer.cell.reset_after else "before"
    return name + ")"
