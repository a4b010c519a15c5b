"""A GRU in float64 NumPy, written from the papers: the judge of every other one.

It imports nothing but NumPy, loops over time in Python and spells the backward pass
out by hand, so that it shares no line and no habit with what it judges.

Sources
    Cho et al. 2014, arXiv 1406.1078, v1/v2 (reset after the product) and v3 (before).
    Chung et al. 2014, arXiv 1412.3555 (the update gate multiplies the candidate).
    Ba, Kiros, Hinton 2016, arXiv 1607.06450 (layer normalisation), with the rows of
    haste's LayerNormGRU: what one product makes is one row.
    Krueger et al. 2016, arXiv 1606.01305 (zoneout).
    Werbos 1990, "Backpropagation through time: what it does and how to do it".

Symbols, for one time step; every weight holds its gates in the order z, r, n:

    a_z = W_z x + b_z + U_z h + c_z        z = s(a_z)     update gate
    a_r = W_r x + b_r + U_r h + c_r        r = s(a_r)     reset gate
    reset after:   u = U_n h + c_n         a_n = W_n x + b_n + r * u
    reset before:  q = r * h               a_n = W_n x + b_n + U_n q
    n = g(a_n)                                            candidate
    keep:     h' = z * h + (1 - z) * n
    replace:  h' = (1 - z) * h + z * n
    zoneout:  h'' = d * h + (1 - d) * h'
    layer normalisation of a product p, of all gates in its row together:
              LN(p) = gain * (p - mean(p)) / sqrt(var(p) + 1e-5)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

GATES = ("z", "r", "n")
EPSILON = 1e-5


def _sigmoid(a):
    return np.exp(-np.logaddexp(0.0, -a))


def _hard_sigmoid(a):
    return np.clip(a + 3.0, 0.0, 6.0) / 6.0


_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772  # of selu
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _normal(a):
    return _erfc(-a / np.sqrt(2.0)) / 2.0


def _density(a):
    return np.exp(-(a**2) / 2.0) / np.sqrt(2.0 * np.pi)


def _within(a, low, high):
    return ((a > low) & (a < high)).astype(a.dtype)


# name -> (the function of the pre-activation a, its derivative at a)
ACTIVATIONS = {
    "tanh": (np.tanh, lambda a: 1.0 - np.tanh(a) ** 2),
    "sigmoid": (_sigmoid, lambda a: _sigmoid(a) * _sigmoid(-a)),
    "relu": (lambda a: np.maximum(a, 0.0), lambda a: (a > 0.0).astype(a.dtype)),
    "linear": (lambda a: a, np.ones_like),
    "hard_sigmoid": (
        _hard_sigmoid,
        lambda a: ((a > -3.0) & (a < 3.0)).astype(a.dtype) / 6.0,
    ),
    "softplus": (lambda a: np.logaddexp(0.0, a), _sigmoid),
    "softsign": (
        lambda a: a / (1.0 + np.abs(a)),
        lambda a: 1.0 / (1.0 + np.abs(a)) ** 2,
    ),
    "elu": (
        lambda a: np.where(a > 0.0, a, np.expm1(np.minimum(a, 0.0))),
        lambda a: np.exp(np.minimum(a, 0.0)),
    ),
    "silu": (
        lambda a: a * _sigmoid(a),
        lambda a: _sigmoid(a) * (1.0 + a * _sigmoid(-a)),
    ),
    "exponential": (np.exp, np.exp),
    "selu": (
        lambda a: _SCALE * np.where(a > 0.0, a, _ALPHA * np.expm1(np.minimum(a, 0.0))),
        lambda a: _SCALE * np.where(a > 0.0, 1.0, _ALPHA * np.exp(np.minimum(a, 0.0))),
    ),
    "leaky_relu": (
        lambda a: np.where(a > 0.0, a, 0.2 * a),
        lambda a: np.where(a > 0.0, 1.0, 0.2),
    ),
    "relu6": (lambda a: np.clip(a, 0.0, 6.0), lambda a: _within(a, 0.0, 6.0)),
    "hard_tanh": (lambda a: np.clip(a, -1.0, 1.0), lambda a: _within(a, -1.0, 1.0)),
    "log_sigmoid": (lambda a: -np.logaddexp(0.0, -a), lambda a: _sigmoid(-a)),
    "mish": (
        lambda a: a * np.tanh(np.logaddexp(0.0, a)),
        lambda a: (
            np.tanh(np.logaddexp(0.0, a))
            + a * _sigmoid(a) / np.cosh(np.minimum(np.logaddexp(0.0, a), 300.0)) ** 2
        ),
    ),
    "gelu": (lambda a: a * _normal(a), lambda a: _normal(a) + a * _density(a)),
    "hard_silu": (
        lambda a: a * _hard_sigmoid(a),
        lambda a: _hard_sigmoid(a) + a * _within(a, -3.0, 3.0) / 6.0,
    ),
    "hard_shrink": (
        lambda a: np.where(np.abs(a) > 0.5, a, 0.0),
        lambda a: 1.0 - _within(a, -0.5, 0.5),
    ),
    "soft_shrink": (
        lambda a: np.sign(a) * np.maximum(np.abs(a) - 0.5, 0.0),
        lambda a: 1.0 - _within(a, -0.5, 0.5),
    ),
    "tanh_shrink": (lambda a: a - np.tanh(a), lambda a: np.tanh(a) ** 2),
    "sparse_plus": (
        lambda a: np.where(a < 1.0, np.maximum(a + 1.0, 0.0) ** 2 / 4.0, a),
        lambda a: np.clip((a + 1.0) / 2.0, 0.0, 1.0),
    ),
    "sparse_sigmoid": (
        lambda a: np.clip((a + 1.0) / 2.0, 0.0, 1.0),
        lambda a: _within(a, -1.0, 1.0) / 2.0,
    ),
    "squareplus": (
        lambda a: (a + np.sqrt(a**2 + 4.0)) / 2.0,
        lambda a: (1.0 + a / np.sqrt(a**2 + 4.0)) / 2.0,
    ),
}
ACTIVATIONS["celu"] = ACTIVATIONS["elu"]  # the same where alpha is 1


@dataclass
class Step:
    """What one time step leaves for the way back. All (batch, units) unless said."""

    time: int  # position in the sequence as given
    used: np.ndarray  # (batch, 1) bool
    anew: np.ndarray  # (batch, 1) bool, the state started anew before the step
    x: dict  # gate -> the input after dropout, (batch, features)
    h: np.ndarray  # the state before the step, no dropout
    h_dropped: dict  # gate -> the state after recurrent dropout
    a: dict  # gate -> pre-activation
    z: np.ndarray
    r: np.ndarray
    n: np.ndarray
    u: np.ndarray | None = None  # U_n h + c_n, reset after only
    kept: np.ndarray | float = 0.0  # zoneout's d
    rows: dict = field(default_factory=dict)  # products -> what _normalize_back wants


@dataclass
class Pass:
    """The result of `forward`, with all that `backward` needs."""

    outputs: np.ndarray  # (batch, time, units) or (batch, units)
    final_state: np.ndarray  # (batch, units)
    states: np.ndarray  # (batch, time, units), frozen where masked, processing order
    options: dict
    steps: list = field(default_factory=list)


def forward(
    x,
    h0,
    kernel,
    recurrent_kernel,
    bias=None,
    *,
    reset_after=True,
    update_gate="keep",
    activation="tanh",
    recurrent_activation="sigmoid",
    mask=None,
    go_backwards=False,
    return_sequences=True,
    zero_output_for_mask=False,
    dropout_masks=None,
    recurrent_dropout_masks=None,
    restarts=None,
    start=None,
    zoneout=0.0,
    gamma=None,
):
    """Runs the recurrence over a whole sequence.

    Args:
        x: (batch, time, features).
        h0: (batch, units).
        kernel: (features, 3 units), W.
        recurrent_kernel: (units, 3 units), U.
        bias: (2, 3 units) for `reset_after`, rows b and c; else (3 units,); or None.
        mask: (batch, time), True where the step is used.
        dropout_masks: one array (batch, features) for all gates, or three.
        recurrent_dropout_masks: three arrays (batch, units), for z, r and n. They
            act in the products with U only, never in the `z * h` term.
        restarts: (batch, time), True where the state is `start` before the step is
            processed; of no effect where the mask skips the step.
        start: (units,), zeros if it is None.
        zoneout: (batch, time, units), 1 where the unit keeps its old state, else 0; or
            a rate, which is the expectation of that.
        gamma: (2, 3 units), the gains of W x and of the products with U, which are
            layer-normalised then.

    Returns:
        A `Pass`. With `go_backwards` outputs and states stand in processing order.
    """
    x, h0, kernel, recurrent_kernel = (
        np.asarray(value, "float64") for value in (x, h0, kernel, recurrent_kernel)
    )
    batch, timesteps, _ = x.shape
    units = h0.shape[1]
    w = _by_gate(kernel, units)
    u_weights = _by_gate(recurrent_kernel, units)
    b, c = _biases(bias, units, reset_after)
    g, _ = ACTIVATIONS[activation]
    s, _ = ACTIVATIONS[recurrent_activation]
    x_dropout = _three(dropout_masks, (batch, x.shape[2]))
    h_dropout = _three(recurrent_dropout_masks, (batch, units))
    if mask is None:
        mask = np.ones((batch, timesteps), bool)
    mask = np.asarray(mask, bool)

    if restarts is None:
        restarts = np.zeros((batch, timesteps), bool)
    zoneout = np.broadcast_to(zoneout, (batch, timesteps, units))
    gains = None
    if gamma is not None:
        gamma = np.asarray(gamma, "float64")
        gains = [_by_gate(row, units) for row in gamma]
    h = h0
    steps, states, outputs = [], [], []
    output = np.zeros((batch, units))  # before the first used step there is none
    order = range(timesteps)
    for time in reversed(order) if go_backwards else order:
        used = mask[:, time, None]
        anew = used & restarts[:, time, None]
        h = np.where(anew, 0.0 if start is None else start, h)
        x_t = {gate: x[:, time] * x_dropout[gate] for gate in GATES}
        h_t = {gate: h * h_dropout[gate] for gate in GATES}
        rows = {}
        p = {gate: x_t[gate] @ w[gate] for gate in GATES}
        if gains:
            p, rows["W x"] = _normalize(p, gains[0])
        a = {gate: p[gate] + b[gate] for gate in GATES}
        first = GATES if reset_after else ("z", "r")
        p = {gate: h_t[gate] @ u_weights[gate] for gate in first}
        if gains:
            p, rows["U h"] = _normalize(p, gains[1])
        for gate in ("z", "r"):
            a[gate] = a[gate] + p[gate] + c[gate]
        z, r = s(a["z"]), s(a["r"])
        u = None
        if reset_after:
            u = p["n"] + c["n"]
            a["n"] = a["n"] + r * u
        else:
            p = {"n": (r * h_t["n"]) @ u_weights["n"]}
            if gains:
                p, rows["U (r h)"] = _normalize(p, gains[1])
            a["n"] = a["n"] + p["n"]
        n = g(a["n"])
        if update_gate == "keep":
            h_new = z * h + (1.0 - z) * n
        elif update_gate == "replace":
            h_new = (1.0 - z) * h + z * n
        else:
            raise ValueError(f"update_gate={update_gate!r}")
        kept = zoneout[:, time]
        if kept.any():  # else 0 * inf would make a NaN
            h_new = kept * h + (1.0 - kept) * h_new
        steps.append(Step(time, used, anew, x_t, h, h_t, a, z, r, n, u, kept, rows))
        h = np.where(used, h_new, h)
        output = np.where(used, h_new, output)
        states.append(h)
        outputs.append(np.where(used, output, 0.0) if zero_output_for_mask else output)

    return Pass(
        outputs=np.stack(outputs, 1) if return_sequences else output,
        final_state=h,
        states=np.stack(states, 1),
        steps=steps,
        options={
            "reset_after": reset_after,
            "update_gate": update_gate,
            "activation": activation,
            "recurrent_activation": recurrent_activation,
            "return_sequences": return_sequences,
            "zero_output_for_mask": zero_output_for_mask,
            "x": x,
            "w": w,
            "u": u_weights,
            "bias": bias,
            "start": start,
            "gains": gains,
            "x_dropout": x_dropout,
            "h_dropout": h_dropout,
        },
    )


def backward(forward_pass, d_outputs, d_final_state):
    """Backpropagation through time.

    Args:
        forward_pass: what `forward` returned.
        d_outputs: the loss' gradient with respect to `outputs`, of its shape.
        d_final_state: the same for `final_state`, (batch, units).

    Returns:
        A dict with the gradients of `x`, `h0`, `kernel`, `recurrent_kernel` and, if
        there is one, `bias`, `gamma` and `start`, each of the shape of what it belongs
        to.
    """
    o = forward_pass.options
    reset_after, keep = o["reset_after"], o["update_gate"] == "keep"
    _, dg = ACTIVATIONS[o["activation"]]
    _, ds = ACTIVATIONS[o["recurrent_activation"]]
    u_weights = o["u"]

    d_x = np.zeros_like(o["x"])
    d_w = {gate: np.zeros_like(o["w"][gate]) for gate in GATES}
    d_u = {gate: np.zeros_like(u_weights[gate]) for gate in GATES}
    d_b = {gate: np.zeros(d_u["z"].shape[0]) for gate in GATES}
    d_c = {gate: np.zeros(d_u["z"].shape[0]) for gate in GATES}
    d_gains = [{gate: np.zeros(d_u["z"].shape[0]) for gate in GATES} for _ in range(2)]
    d_start = np.zeros(d_u["z"].shape[0])

    d_h = np.array(d_final_state, "float64")  # gradient that reaches the frozen state
    # Gradient that reaches "the latest output"; a masked step hands it on backwards.
    d_output = np.zeros_like(d_h)
    if not o["return_sequences"]:
        d_output = d_output + d_outputs

    for position in reversed(range(len(forward_pass.steps))):
        step = forward_pass.steps[position]
        if o["return_sequences"]:
            reaches = step.used if o["zero_output_for_mask"] else True
            d_output = d_output + np.where(reaches, d_outputs[:, position], 0.0)
        # A used step made both the state and the latest output.
        d_new = np.where(step.used, d_h + d_output, 0.0)
        d_h = np.where(step.used, 0.0, d_h)
        d_output = np.where(step.used, 0.0, d_output)
        d_h = d_h + d_new * step.kept
        d_new = d_new * (1.0 - step.kept)

        if keep:
            d_z, d_n = d_new * (step.h - step.n), d_new * (1.0 - step.z)
            d_h = d_h + d_new * step.z
        else:
            d_z, d_n = d_new * (step.n - step.h), d_new * step.z
            d_h = d_h + d_new * (1.0 - step.z)
        d_a = {"n": d_n * dg(step.a["n"]), "z": d_z * ds(step.a["z"])}

        d_p = {}  # of the products that U h makes
        if reset_after:
            d_r = d_a["n"] * step.u
            d_p["n"] = d_a["n"] * step.r  # of U_n h + c_n
            d_c["n"] += d_p["n"].sum(0)
        else:
            d_product = {"n": d_a["n"]}  # of U_n (r * h)
            if o["gains"]:
                d_product = _normalize_back(
                    d_product, step.rows["U (r h)"], o["gains"][1], d_gains[1]
                )
            d_left = d_product["n"] @ u_weights["n"].T
            d_u["n"] += (step.r * step.h_dropped["n"]).T @ d_product["n"]
            d_r = d_left * step.h_dropped["n"]
            d_h = d_h + d_left * step.r * o["h_dropout"]["n"]
        d_a["r"] = d_r * ds(step.a["r"])

        for gate in ("z", "r"):
            d_p[gate] = d_a[gate]
            d_c[gate] += d_a[gate].sum(0)
        if o["gains"]:
            d_p = _normalize_back(d_p, step.rows["U h"], o["gains"][1], d_gains[1])
        for gate in d_p:
            d_u[gate] += step.h_dropped[gate].T @ d_p[gate]
            d_h = d_h + (d_p[gate] @ u_weights[gate].T) * o["h_dropout"][gate]
        for gate in GATES:
            d_b[gate] += d_a[gate].sum(0)
        d_p = d_a
        if o["gains"]:
            d_p = _normalize_back(d_p, step.rows["W x"], o["gains"][0], d_gains[0])
        for gate in GATES:
            d_w[gate] += step.x[gate].T @ d_p[gate]
            d_x[:, step.time] += (d_p[gate] @ o["w"][gate].T) * o["x_dropout"][gate]
        d_start += np.where(step.anew, d_h, 0.0).sum(0)
        d_h = np.where(step.anew, 0.0, d_h)

    gradients = {
        "x": d_x,
        "h0": d_h,
        "kernel": np.concatenate([d_w[gate] for gate in GATES], 1),
        "recurrent_kernel": np.concatenate([d_u[gate] for gate in GATES], 1),
    }
    if o["bias"] is not None:
        d_b = np.concatenate([d_b[gate] for gate in GATES])
        d_c = np.concatenate([d_c[gate] for gate in GATES])
        gradients["bias"] = np.stack([d_b, d_c]) if reset_after else d_b
    if o["gains"]:
        gradients["gamma"] = np.stack(
            [np.concatenate([row[gate] for gate in GATES]) for row in d_gains]
        )
    if o["start"] is not None:
        gradients["start"] = d_start
    return gradients


def _normalize(products, gains):
    """Layer normalisation of one row: gate -> its part of it, (batch, units).

    Returns the same normalised, and (the row without gain, 1 / deviation, the gates).
    """
    gates = [gate for gate in GATES if gate in products]
    row = np.concatenate([products[gate] for gate in gates], 1)
    centered = row - row.mean(1, keepdims=True)
    scale = 1.0 / np.sqrt((centered**2).mean(1, keepdims=True) + EPSILON)
    y = centered * scale
    parts = dict(zip(gates, np.split(y, len(gates), 1), strict=True))
    return {gate: gains[gate] * parts[gate] for gate in gates}, (y, scale, gates)


def _normalize_back(d, saved, gains, d_gains):
    """The gradient of the products; adds that of the gains to `d_gains`."""
    y, scale, gates = saved
    for gate, part in zip(gates, np.split(y, len(gates), 1), strict=True):
        d_gains[gate] += (d[gate] * part).sum(0)
    d_y = np.concatenate([d[gate] * gains[gate] for gate in gates], 1)
    along = (d_y * y).mean(1, keepdims=True)
    d_row = (d_y - d_y.mean(1, keepdims=True) - y * along) * scale
    return dict(zip(gates, np.split(d_row, len(gates), 1), strict=True))


def _by_gate(weight, units):
    """Cuts the last axis of a weight into its three gates."""
    if weight.shape[-1] != 3 * units:
        raise ValueError(f"last axis {weight.shape[-1]} is not 3 * {units}")
    cuts = (weight[..., i * units : (i + 1) * units] for i in range(3))
    return dict(zip(GATES, cuts, strict=True))


def _biases(bias, units, reset_after):
    zeros = {gate: np.zeros(units) for gate in GATES}
    if bias is None:
        return zeros, zeros
    bias = np.asarray(bias, "float64")
    expected = (2, 3 * units) if reset_after else (3 * units,)
    if bias.shape != expected:
        raise ValueError(f"bias of shape {bias.shape}, expected {expected}")
    if reset_after:
        return _by_gate(bias[0], units), _by_gate(bias[1], units)
    return _by_gate(bias, units), zeros


def _three(masks, shape):
    """One dropout mask a gate; ones where there is no dropout."""
    if masks is None:
        masks = [np.ones(shape)]
    if len(masks) == 1:
        masks = list(masks) * 3
    masks = [np.asarray(m, "float64") for m in masks]
    if any(m.shape != shape for m in masks):
        raise ValueError(f"masks {[m.shape for m in masks]}, expected three {shape}")
    return dict(zip(GATES, masks, strict=True))
