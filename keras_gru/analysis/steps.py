"""The steps of a layer in float64, and the derivative of each, in closed form.

A `Steps` knows, for each step, the state and how a change of the state before it
becomes one of the state after it: ∂h_t/∂h_{t−1}. All in NumPy, in the order of
processing, dropout off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np

from keras_gru import equations
from keras_gru.analysis.found import Called, array
from keras_gru.normalization import EPSILON

Array = np.ndarray
At = tuple[slice, int]
"""Some rows of the batch, at one step."""

Function = Callable[[Array], Array]

ACTIVATIONS: dict[Any, tuple[Function, Function]] = {
    keras.activations.tanh: (np.tanh, lambda y: 1 - y * y),
    keras.activations.sigmoid: (
        lambda a: np.exp(-np.logaddexp(0, -a)),
        lambda y: y * (1 - y),
    ),
    keras.activations.relu: (lambda a: np.maximum(a, 0), lambda y: 1.0 * (y > 0)),
    keras.activations.linear: (lambda a: a, np.ones_like),
    keras.activations.hard_sigmoid: (
        lambda a: np.clip(a / 6 + 0.5, 0, 1),
        lambda y: (y * (1 - y) > 0) / 6,
    ),
    keras.activations.softsign: (
        lambda a: a / (1 + np.abs(a)),
        lambda y: (1 - np.abs(y)) ** 2,
    ),
    keras.activations.softplus: (
        lambda a: np.logaddexp(0, a),
        lambda y: -np.expm1(-y),
    ),
}
"""Activation -> it, and its derivative as a function of its value."""


class Steps(Protocol):
    """All steps of a pass; `size` is that of what a step hands on."""

    size: int
    used: Array
    anew: Array
    state: Array

    def single(self) -> None:
        """Whatever `jacobian` is made of, in float32 from now on."""

    def jacobian(self, at: At) -> Array:
        """∂h_t/∂h_{t−1} of used steps, transposed: `(rows, size, size)`."""

    def paths(self, v: Array) -> dict[str, Array]:
        """What `v`, a change of h_{t−1}, `(batch, time, size)`, gives on each path."""


class _Single:
    def single(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, Array) and value.dtype == np.float64:
                setattr(self, name, value.astype("float32"))


class GRUSteps(_Single):
    """Those of a GRU.

    With k the fraction of the old state that is kept, s = h − n for `"keep"` and n − h
    for `"replace"`, and dh a change of the state before the step:

        after:   dh' = k dh + (s σ'_z)(U_z dh) + ((1 − k) g' (U_n h + c_n) σ'_r)(U_r dh)
                       + ((1 − k) g' r)(U_n dh)
        before:  dh' = k dh + (s σ'_z)(U_z dh) + ((1 − k) g')(U_n (h σ'_r (U_r dh)))
                       + ((1 − k) g')(U_n (r dh))

    which are the direct, the update, the reset and the candidate path. With zoneout at
    rate d, k becomes d + (1 − d) k and all others (1 − d) of what they were. With layer
    normalisation the derivative of LN stands between a product and its factor.
    """

    def __init__(self, called: Called) -> None:
        cell = called.layer.cell
        self.update_gate = getattr(cell, "update_gate", "keep")
        self.reset_after = cell.reset_after
        g, self._dg = _activation(cell, "activation")
        sigma, self._ds = _activation(cell, "recurrent_activation")
        self.u = u = array(cell.recurrent_kernel)  # (size, 3 size)
        self.size = size = u.shape[0]
        bias = np.zeros((2, 3 * size))
        if cell.use_bias:
            bias[: 1 + self.reset_after] = array(cell.bias)
        b, c = bias
        cut = {"reset_after": self.reset_after, "per_gate": False}
        gamma = getattr(cell, "gamma", None)
        self._gain: Array | None = None
        w_x = called.x @ array(cell.kernel)
        if gamma is not None:
            gain, self._gain = array(gamma)
            w_x = _normalize(w_x)[0] * gain
        start = np.zeros(size)
        if getattr(cell, "learn_initial_state", False):
            start = array(cell.initial_state)
        zoned = float(getattr(cell, "zoneout", 0.0))

        shape = (*called.x.shape[:2], size)
        self.used, self.anew = called.used, called.anew
        self.z, self.r, self.n, self.before, self.state, self._u_n = (
            np.zeros(shape) for _ in range(6)
        )
        self._rows: dict[int, tuple[Array, Array]] = {}
        recurrent = equations.recurrent_blocks(u, **cut)
        gains = equations.recurrent_blocks(self._gain, **cut)
        normalize = tuple(
            lambda products, gain=gain: (
                _normalize(np.concatenate(products, -1))[0] * gain
            )
            for gain in gains
        )
        h = called.states[0] if called.states else start
        h = np.broadcast_to(h, (shape[0], size))
        for t in range(shape[1]):
            h = np.where(self.anew[:, t, None], start, h)
            z, r, n, u_n = equations.gates(
                (w_x[:, t] + b),
                h,
                recurrent,
                equations.recurrent_blocks(c, **cut),
                activation=g,
                recurrent_activation=sigma,
                reset_after=self.reset_after,
                normalize=normalize,
            )
            self.z[:, t], self.r[:, t], self.n[:, t], self.before[:, t] = z, r, n, h
            if u_n is not None:
                self._u_n[:, t] = u_n
            new = equations.update(z, h, n, self.update_gate)
            new = zoned * h + (1 - zoned) * new if zoned else new
            h = self.state[:, t] = np.where(self.used[:, t, None], new, h)

        kept, sign = (self.z, 1.0) if self.update_gate == "keep" else (1 - self.z, -1.0)
        new = 1 - zoned
        self.kept = zoned + new * kept
        # What each product with U is multiplied with, (batch, time, size).
        self._a_z = new * sign * (self.before - self.n) * self._ds(self.z)
        self._a_n = new * (1 - kept) * self._dg(self.n)
        self._a_r = self._ds(self.r) * (
            self._a_n * self._u_n if self.reset_after else self.before
        )
        if self.reset_after:
            self._a_n = self._a_n * self.r
        if self._gain is not None:
            products = self.before @ (u if self.reset_after else u[:, : 2 * size])
            self._rows[0] = _normalize(products)
            if not self.reset_after:
                self._rows[1] = _normalize((self.r * self.before) @ u[:, 2 * size :])

    def jacobian(self, at: At) -> Array:
        size, diagonal = self.size, np.arange(self.size)
        a_z, a_r, a_n = (a[at][:, None] for a in (self._a_z, self._a_r, self._a_n))
        u_z, u_r, u_n = equations.split_gates(self._products(self.u, 0, at))
        j = u_z * a_z
        if self.reset_after:
            j += u_r * a_r
            j += u_n * a_n
        else:
            inner = u_r * a_r
            inner[:, diagonal, diagonal] += self.r[at]
            j += self._products(inner @ self.u[:, 2 * size :], 1, at) * a_n
        j[:, diagonal, diagonal] += self.kept[at]
        return j

    def paths(self, v: Array) -> dict[str, Array]:
        everywhere = (slice(None), slice(None))
        product = (v @ self.u)[..., None, :]
        p_z, p_r, p_n = (
            block[..., 0, :]
            for block in equations.split_gates(self._products(product, 0, everywhere))
        )
        reset, candidate = self._a_r * p_r, self._a_n * p_n
        if not self.reset_after:
            last = self.u[:, 2 * self.size :]
            reset, candidate = (
                self._products((one @ last)[..., None, :], 1, everywhere)[..., 0, :]
                * self._a_n
                for one in (reset, self.r * v)
            )
        return {
            "direct": self.kept * v,
            "update gate": self._a_z * p_z,
            "reset gate": reset,
            "candidate": candidate,
        }

    def _products(self, p: Array, index: int, at: tuple[Any, Any]) -> Array:
        """The change of LN of a product for that of the product, `(..., m, k)`."""
        if self._gain is None:
            return p
        y, scale = (one[at][..., None, :] for one in self._rows[index])
        k, rest = y.shape[-1], p[..., y.shape[-1] :]
        gain, p = self._gain[:k] if index == 0 else self._gain[-k:], p[..., :k]
        p = p - p.mean(-1, keepdims=True) - y * (p * y).mean(-1, keepdims=True)
        p = p * scale * gain
        if not rest.shape[-1]:
            return p
        rest = np.broadcast_to(rest, (*p.shape[:-1], rest.shape[-1]))
        return np.concatenate([p, rest], -1)


class SimpleRNNSteps(_Single):
    """h' = g(W x + b + U h): dh' = g' (U dh)."""

    def __init__(self, called: Called) -> None:
        cell = called.layer.cell
        g, dg = _activation(cell, "activation")
        self.u = array(cell.recurrent_kernel)
        self.size = self.u.shape[0]
        x = called.x @ array(cell.kernel) + (array(cell.bias) if cell.use_bias else 0.0)
        h = called.states[0] if called.states else np.zeros((len(x), self.size))
        states = []
        for t in range(x.shape[1]):
            new = g(x[:, t] + h @ self.u)
            h = np.where(called.used[:, t, None], new, h)
            states.append(h)
        self.state = np.stack(states, 1)
        self._slope = dg(self.state)
        self.used, self.anew = called.used, called.anew

    def jacobian(self, at: At) -> Array:
        return self.u * self._slope[at][:, None]

    def paths(self, v: Array) -> dict[str, Array]:
        return {"recurrent": self._slope * (v @ self.u)}


class LSTMSteps(_Single):
    """Those of an LSTM; what it hands on is h and c side by side, 2 · units.

    c' = f c + i n and h' = o tanh(c'), with i, f, n, o of W x + b + U h.
    """

    def __init__(self, called: Called) -> None:
        cell = called.layer.cell
        g, dg = _activation(cell, "activation")
        sigma, ds = _activation(cell, "recurrent_activation")
        self.u = array(cell.recurrent_kernel)  # (units, 4 units), i f n o
        units = self.u.shape[0]
        self.size = 2 * units
        x = called.x @ array(cell.kernel) + (array(cell.bias) if cell.use_bias else 0.0)
        h, c = called.states or [np.zeros((len(x), units))] * 2
        factors, states = [], []
        for t in range(x.shape[1]):
            i, f, n, o = np.split(x[:, t] + h @ self.u, 4, -1)
            i, f, n, o = sigma(i), sigma(f), g(n), sigma(o)
            new = f * c + i * n
            out = g(new)
            factors.append(
                (n * ds(i), c * ds(f), i * dg(n), out * ds(o), f, o * dg(out))
            )
            used = called.used[:, t, None]
            c, h = np.where(used, new, c), np.where(used, o * out, h)
            states.append(np.concatenate([h, c], -1))
        self.state = np.stack(states, 1)
        # (6, batch, time, units)
        self._factors = np.stack(
            [np.stack(one, 1) for one in zip(*factors, strict=True)]
        )
        self.used, self.anew = called.used, called.anew

    def jacobian(self, at: At) -> Array:
        a_i, a_f, a_n, a_o, f, out = (one[at] for one in self._factors)
        u_i, u_f, u_n, u_o = np.split(self.u, 4, -1)
        units = len(self.u)
        c = u_i * a_i[:, None] + u_f * a_f[:, None] + u_n * a_n[:, None]
        j = np.zeros((len(a_i), self.size, self.size), self.u.dtype)
        j[:, :units, units:] = c
        j[:, :units, :units] = c * out[:, None] + u_o * a_o[:, None]
        one = np.arange(units)
        j[:, units + one, units + one] = f
        j[:, units + one, one] = f * out
        return j

    def paths(self, v: Array) -> dict[str, Array]:
        a_i, a_f, a_n, a_o, f, out = self._factors
        d_h, d_c = np.split(v, 2, -1)
        p_i, p_f, p_n, p_o = np.split(d_h @ self.u, 4, -1)

        def through_cell(change: Array) -> Array:
            return np.concatenate([out * change, change], -1)

        return {
            "direct": through_cell(f * d_c),
            "input gate": through_cell(a_i * p_i),
            "forget gate": through_cell(a_f * p_f),
            "candidate": through_cell(a_n * p_n),
            "output gate": np.concatenate([a_o * p_o, 0 * d_c], -1),
        }


def steps_of(called: Called) -> Steps:
    """The steps of whatever layer it is.

    Raises:
        TypeError: of a layer that is none of these.
    """
    cell = called.layer.cell
    for kind, steps in (
        (keras.layers.GRUCell, GRUSteps),
        (keras.layers.SimpleRNNCell, SimpleRNNSteps),
        (keras.layers.LSTMCell, LSTMSteps),
    ):
        if isinstance(cell, kind):
            return steps(called)
    raise TypeError(
        f"The layer {called.name} must be a GRU, an LSTM or a SimpleRNN, or an RNN "
        f"around one cell of these. Received: a cell {type(cell).__name__}."
    )


def _activation(cell: Any, argument: str) -> tuple[Function, Function]:
    found = getattr(cell, argument)
    if found not in ACTIVATIONS:
        names = sorted(one.__name__ for one in ACTIVATIONS)
        raise ValueError(
            f"Argument `{argument}` of the layer must be one whose derivative is "
            f"known here. Received: {getattr(found, '__name__', found)!r}. Expected "
            f"one of {names}."
        )
    return ACTIVATIONS[found]


def _normalize(row: Array) -> tuple[Array, Array]:
    """The row with mean 0 and variance 1, `(..., k)`, and 1 / deviation, `(..., 1)`."""
    centered = row - row.mean(-1, keepdims=True)
    scale = 1 / np.sqrt((centered**2).mean(-1, keepdims=True) + EPSILON)
    return centered * scale, scale
