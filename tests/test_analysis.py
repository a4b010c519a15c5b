"""What `keras_gru.analysis` says of gates and Jacobians, against automatic ones."""

from __future__ import annotations

import csv
import dataclasses
import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_gru
from keras_gru import backends
from keras_gru.analysis import (
    GateMonitor,
    GradientFlowMonitor,
    gates,
    gradient_flow,
)
from tests import oracle
from tests.passes import float64_allowed
from tests.tolerances import assert_close

BACKEND = keras.backend.backend()
UNITS, BATCH, TIME, FEATURES = 5, 2, 6, 3
MASK = np.array([[1, 1, 0, 1, 0, 1], [0, 1, 1, 1, 1, 0]], bool)
VARIANTS = ("keras", "cho2014", "chung2014", "replace_after")
LAYERS = {
    **{name: (keras_gru.GRU, keras_gru.VARIANTS[name]) for name in VARIANTS},
    "keras.layers after": (keras.layers.GRU, {}),
    "keras.layers before": (keras.layers.GRU, {"reset_after": False}),
    "no bias": (keras_gru.GRU, {"use_bias": False}),
    "relu": (
        keras_gru.GRU,
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    ),
    "softsign": (
        keras_gru.GRU,
        {"activation": "softsign", "recurrent_activation": "linear"},
    ),
    "softplus": (keras_gru.GRU, {"activation": "softplus"}),
    "zoneout": (keras_gru.GRU, {"zoneout": 0.3}),
    "normalised after": (keras_gru.GRU, {"layer_normalization": True}),
    "normalised before": (
        keras_gru.GRU,
        {"layer_normalization": True, **keras_gru.VARIANTS["chung2014"]},
    ),
    "learnt": (keras_gru.GRU, {"learn_initial_state": True}),
    "backwards": (keras_gru.GRU, {"go_backwards": True}),
    "SimpleRNN": (keras.layers.SimpleRNN, {}),
    "LSTM": (keras.layers.LSTM, {}),
}


@pytest.fixture(autouse=True)
def _float64():
    with float64_allowed():
        yield


def numbers(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


def made(cls, options, units=UNITS):
    """A layer with random weights, in float64."""
    layer = cls(units, return_sequences=True, dtype="float64", **options)
    layer.build((None, None, FEATURES))
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=w.shape) * 0.7 for w in layer.get_weights()])
    return layer


def jacobian(function, at):
    """d function(at) / d at by the backend: `(*outputs, *at)`."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(at)
        with tf.GradientTape(persistent=True) as tape:
            outputs = function(variable)
        return tape.jacobian(outputs, variable, experimental_use_pfor=False).numpy()
    if BACKEND == "jax":
        import jax

        return np.asarray(jax.jacrev(function)(at))
    import torch

    found = torch.autograd.functional.jacobian(function, torch.tensor(at))
    return found.numpy()


def stepper(layer):
    """One step, (x, list of states) -> states, wholly in float64.

    The cells of keras.layers compute in float32 on JAX and torch, whatever their dtype.
    """
    cell = layer.cell
    if isinstance(cell, keras.layers.GRUCell):
        exact = made(
            keras_gru.GRU,
            {
                name: getattr(cell, name)
                for name in inspect.signature(keras_gru.GRUCellV).parameters
                if name not in ("kwargs", "units", "implementation")
                and hasattr(cell, name)
            },
        )
        exact.set_weights(layer.get_weights())
        return lambda x, states: [exact.cell(x, states[0])[0]]
    act = backends.current().activations()
    tanh, sigmoid = act[keras.activations.tanh], act[keras.activations.sigmoid]
    kernel, u, bias = map(ops.convert_to_tensor, layer.get_weights())

    def step(x, states):
        product = x @ kernel + states[0] @ u + bias
        if len(states) == 1:
            return [tanh(product)]
        i, f, n, o = (product[:, k * UNITS : (k + 1) * UNITS] for k in range(4))
        c = sigmoid(f) * states[1] + sigmoid(i) * tanh(n)
        return [sigmoid(o) * tanh(c), c]

    return step


def automatic(layer, x, mask, states):
    """∂h_t/∂h_{t−1} of each step, one step of the layer at a time."""
    step, count = stepper(layer), len(states)
    found, state = [], np.concatenate(states, -1)
    order = range(x.shape[1])
    for t in reversed(order) if layer.go_backwards else order:

        def one(state, t=t):
            parts = [state[:, k * UNITS : (k + 1) * UNITS] for k in range(count)]
            used = ops.convert_to_tensor(mask[:, t : t + 1].astype("float64"))
            new = step(ops.convert_to_tensor(x[:, t]), parts)
            mixed = [used * n + (1 - used) * o for n, o in zip(new, parts, strict=True)]
            return backends.current().concatenate(mixed)

        full = jacobian(one, state)  # (batch, size, batch, size)
        found.append(np.stack([full[b, :, b] for b in range(len(state))]))
        state = ops.convert_to_numpy(one(ops.convert_to_tensor(state)))
    return np.stack(found, 1), state


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_jacobians_and_products_are_those_of_automatic_differentiation(name, masked):
    cls, options = LAYERS[name]
    layer = made(cls, options)
    x = numbers(BATCH, TIME, FEATURES)
    mask = MASK if masked else np.ones_like(MASK)
    states = [numbers(BATCH, UNITS) * 0.5] * (2 if cls is keras.layers.LSTM else 1)
    flow = gradient_flow(layer, x, mask=mask, initial_state=states, keep_jacobians=True)
    expected, last = automatic(layer, x, mask, states)
    assert_close(flow.jacobians, expected, "float64", name)
    product = np.broadcast_to(np.eye(expected.shape[-1]), expected[:, 0].shape)
    for t in reversed(range(TIME)):
        values = np.linalg.svd(product, compute_uv=False)
        both = flow.cumulative_norms[:, t], flow.cumulative_smallest[:, t]
        assert_close(np.stack(both), values[:, [0, -1]].T, "float64")
        product = product @ expected[:, t]
    values = np.linalg.svd(expected, compute_uv=False)
    assert_close(flow.step_norms, values[..., 0], "float64")
    assert_close(flow.step_smallest, values[..., -1], "float64")
    assert_close(sum(flow.paths.values()), flow.step_norms, "float64")
    brief = gradient_flow(layer, x, mask=mask, initial_state=states)
    assert brief.jacobians is None
    assert brief.step_smallest is None
    assert_close(brief.cumulative_norms, flow.cumulative_norms, "float64")
    if cls in (keras_gru.GRU, keras.layers.GRU):
        found = gates(layer, x, mask=mask, initial_state=states)
        assert_close(found.state[:, -1], last[:, :UNITS], "float64")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_whole_product_is_that_of_the_layer_called_once(name):
    layer = made(keras_gru.GRU, {**keras_gru.VARIANTS[name], "kernel": "portable"})
    x = numbers(1, TIME, FEATURES)

    def last(state):
        return layer(ops.convert_to_tensor(x), initial_state=state)[:, -1]

    state = numbers(1, UNITS)
    full = jacobian(last, state)[0, :, 0] if BACKEND != "tensorflow" else None
    flow = gradient_flow(layer, x, initial_state=state, keep_jacobians=True)
    product = np.linalg.multi_dot([*flow.jacobians[0, ::-1]])
    if full is not None:
        assert_close(product, full, "float64")
    weights = [w.astype("float64") for w in layer.get_weights()]
    ran = oracle.forward(x, state, *weights, **keras_gru.VARIANTS[name])
    rows = [
        oracle.backward(ran, np.zeros_like(ran.outputs), row[None])["h0"][0]
        for row in np.eye(UNITS)
    ]
    assert_close(product, np.stack(rows), "float64")


@pytest.mark.parametrize("name", VARIANTS)
def test_gates_are_those_of_the_oracle(name):
    layer = made(keras_gru.GRU, keras_gru.VARIANTS[name])
    x, state = numbers(BATCH, TIME, FEATURES), numbers(BATCH, UNITS)
    found = gates(layer, x, initial_state=state, mask=MASK)
    ran = oracle.forward(
        x, state, *layer.get_weights(), mask=MASK, **keras_gru.VARIANTS[name]
    )
    for field, theirs in {"z": "z", "r": "r", "candidate": "n"}.items():
        expected = np.stack([getattr(step, theirs) for step in ran.steps], 1)
        assert_close(getattr(found, field), expected, "float64", field)
    assert_close(found.state, ran.states, "float64")
    keeps = layer.update_gate == "keep"
    np.testing.assert_array_equal(found.kept, found.z if keeps else 1 - found.z)
    assert not found.used[0, 2]


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("update_gate", ["keep", "replace"])
def test_the_cases_of_the_textbooks(update_gate, reset_after):
    """A z that keeps: the identity; else r = 0: nothing; r = 1: D(g') U_n."""
    options = {"update_gate": update_gate, "reset_after": reset_after}
    layer = made(keras_gru.GRU, options)
    x = numbers(1, TIME, FEATURES)
    keeping = 1.0 if update_gate == "keep" else -1.0

    def flow(kept, r):
        kernel, u, bias = layer.get_weights()
        bias = np.zeros_like(bias)
        first = bias[0] if reset_after else bias
        first[:UNITS] = 1000.0 * (keeping if kept else -keeping)
        first[UNITS : 2 * UNITS] = 1000.0 * (2 * r - 1)
        layer.set_weights([kernel, u, bias])
        return gradient_flow(layer, x, keep_jacobians=True), gates(layer, x), u

    eye = np.broadcast_to(np.eye(UNITS), (1, TIME, UNITS, UNITS))
    kept, _, _ = flow(True, 0.5)
    np.testing.assert_allclose(kept.jacobians, eye)
    np.testing.assert_allclose(kept.cumulative_norms, 1.0)
    forgotten, _, _ = flow(False, 0)
    np.testing.assert_array_equal(forgotten.jacobians, 0.0)
    np.testing.assert_array_equal(forgotten.cumulative_norms[0], [0.0] * 5 + [1.0])
    simple, found, u = flow(False, 1)
    slope = 1 - found.candidate[..., None] ** 2
    assert_close(simple.jacobians, slope * u[:, 2 * UNITS :].T, "float64")


def test_many_units_are_estimated_within_what_the_docstring_says():
    for name in ("keras", "chung2014"):
        layer = made(keras_gru.GRU, keras_gru.VARIANTS[name], units=48)
        for scale in (0.25, 1.0):
            layer.set_weights([w * scale for w in layer.get_weights()])
            x = numbers(2, 80, FEATURES)
            flow = gradient_flow(layer, x)
            exact = gradient_flow(layer, x, keep_jacobians=True)
            product = np.broadcast_to(np.eye(48), (2, 48, 48))
            for t in reversed(range(80)):
                steps, products = (
                    np.linalg.norm(one, 2, axis=(1, 2))
                    for one in (exact.jacobians[:, t], product)
                )
                for found, true in (
                    (flow.step_norms[:, t], steps),
                    (flow.cumulative_norms[:, t], products),
                ):
                    assert (found <= true * (1 + 1e-4)).all()  # from below, float32
                    assert_close(found / true, np.ones(2), "spectral_norm", f"{t}")
                product = product @ exact.jacobians[:, t]


def test_a_product_far_out_of_the_range_of_float32():
    layer = made(keras_gru.GRU, {}, units=40)
    layer.set_weights([w * 0.02 for w in layer.get_weights()])  # half each step
    norms = gradient_flow(layer, numbers(1, 400, FEATURES)).cumulative_norms[0]
    slopes = np.diff(np.log(norms))
    assert norms[0] < 1e-60
    assert (np.abs(slopes - np.log(2)) < 0.1).all()


def test_resets_let_nothing_pass():
    layer = made(keras_gru.GRU, {"learn_initial_state": True})
    x = numbers(BATCH, TIME, FEATURES)
    resets = np.zeros((BATCH, TIME), bool)
    resets[:, 3] = True
    flow = gradient_flow(layer, x, resets=resets)
    assert (flow.step_norms[:, 3] == 0).all()
    assert (flow.cumulative_norms[:, :3] == 0).all()
    assert (flow.cumulative_norms[:, 3:] > 0).all()
    found = gates(layer, x, resets=resets)
    outputs = ops.convert_to_numpy(layer(x, resets=resets))
    assert_close(found.state, outputs, "float64")


def test_a_layer_inside_of_a_model_with_masks_and_states():
    tokens = keras.Input((None,), dtype="int32")
    start = keras.Input((UNITS,), dtype="float64")
    embedded = keras.layers.Embedding(9, FEATURES, mask_zero=True, dtype="float64")(
        tokens
    )
    gru = keras_gru.GRU(
        UNITS, return_sequences=True, dtype="float64", stateful=False, name="first"
    )
    both = keras_gru.Bidirectional(
        keras_gru.GRU(4, dtype="float64"), name="both", dtype="float64"
    )
    outputs = both(gru(embedded, initial_state=start))
    model = keras.Model((tokens, start), outputs)
    ids, state = np.array([[3, 0, 4, 5], [0, 1, 2, 0]]), numbers(2, UNITS)
    found = gates(model, [ids, state], layer="first")
    np.testing.assert_array_equal(found.used, ids > 0)
    inner = keras.Model((tokens, start), gru.output)
    assert_close(
        np.where(found.used[..., None], found.state, 0),
        np.where(found.used[..., None], ops.convert_to_numpy(inner([ids, state])), 0),
        "float64",
    )
    ahead = gates(model, [ids, state], layer="both")
    behind = gates(model, [ids, state], layer="both", direction="backward")
    last = np.concatenate([ahead.state[:, -1], behind.state[:, -1]], -1)
    assert_close(last, ops.convert_to_numpy(model([ids, state])), "float64")
    np.testing.assert_array_equal(behind.used, ids[:, ::-1] > 0)
    with pytest.raises(ValueError, match=r"must name .* \['both', 'first'\]"):
        gates(model, [ids, state])


def test_a_stateful_layer_keeps_its_state():
    layer = keras_gru.GRU(3, stateful=True, dtype="float64", return_sequences=True)
    model = keras.Sequential(
        [keras.Input((4, 2), batch_size=1, dtype="float64"), layer]
    )
    x = numbers(1, 4, 2)
    model(x)
    before = ops.convert_to_numpy(layer.states[0].value)
    found = gates(model, x)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.states[0].value), before)
    assert_close(found.state, ops.convert_to_numpy(model(x)), "float64")


def test_statistics():
    layer = made(keras_gru.GRU, {"update_gate": "replace"})
    found = gates(layer, numbers(1, 4, FEATURES))
    kept = np.full((1, 4, UNITS), np.exp(-1 / 20))
    kept[..., 0] = 1.0
    known = dataclasses.replace(found, kept=kept)
    np.testing.assert_allclose(known.memory, [np.inf, 20, 20, 20, 20])
    assert known.saturated["kept near 1"] == 1.0
    assert known.saturated["kept near 0"] == 0.0


def test_what_is_refused():
    layer = made(keras_gru.GRU, {})
    x = numbers(1, 2, FEATURES)
    with pytest.raises(ValueError, match="has no weights yet"):
        gradient_flow(keras_gru.GRU(3), x)
    with pytest.raises(TypeError, match="recurrent layer or a Keras model"):
        gradient_flow("gru", x)
    with pytest.raises(ValueError, match=r"\(batch, time, features\)"):
        gradient_flow(layer, x[0])
    with pytest.raises(ValueError, match="direction"):
        gradient_flow(layer, x, direction="up")
    with pytest.raises(ValueError, match="Leave it out"):
        gradient_flow(layer, x, layer="gru")
    with pytest.raises(TypeError, match="must be a GRU, for its gates"):
        gates(made(keras.layers.LSTM, {}), x)
    with pytest.raises(ValueError, match="'gelu'"):
        gates(made(keras_gru.GRU, {"activation": "gelu"}), x)
    stacked = keras.layers.RNN([keras.layers.GRUCell(2)] * 2)
    stacked.build((None, None, FEATURES))
    with pytest.raises(TypeError, match="around one cell"):
        gradient_flow(stacked, x)


@pytest.mark.once
def test_the_pictures_say_what_they_show():
    layer = made(keras_gru.GRU, {"update_gate": "replace"})
    x = numbers(BATCH, TIME, FEATURES)
    flow = gradient_flow(layer, x, mask=MASK)
    figure = flow.plot(row=1)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["‖∂h_T / ∂h_t‖₂", "‖∂h_t / ∂h_{t−1}‖₂", "share, sums to the norm"]
    assert "update gate: replace, reset: after" in figure.get_suptitle()
    (line,) = [one for one in figure.axes[1].lines if one.get_label() == "row 1"]
    np.testing.assert_array_equal(line.get_ydata(), flow.step_norms[1])
    shown = gates(layer, x, mask=MASK).plot()
    assert "z (1 drops the old state)" in shown.axes[1].get_title()
    with pytest.raises(ValueError, match="row"):
        flow.plot(row=2)


def test_monitors_write_what_the_functions_say(tmp_path):
    model = keras.Sequential(
        [keras.Input((TIME, FEATURES)), keras_gru.GRU(4), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    x = numbers(8, TIME, FEATURES).astype("float32")
    given = {"inputs": x[:2], "folder": tmp_path, "every": 2}
    board = BACKEND == "tensorflow"
    monitors = [
        GateMonitor(**given, tensorboard=board),
        GradientFlowMonitor(**given),
    ]
    model.fit(x, x[:, 0, :1], epochs=4, verbose=0, callbacks=monitors)
    with (tmp_path / "gates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "3"]
    kept = gates(model, x[:2]).kept.mean()
    np.testing.assert_allclose(float(rows[-1]["kept"]), kept)
    with (tmp_path / "gradient_flow.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    norms = gradient_flow(model, x[:2]).cumulative_norms.mean(axis=0)
    np.testing.assert_allclose(float(last["norm over all of the steps"]), norms[0])
    np.testing.assert_allclose(float(last["norm over half of the steps"]), norms[3])
    assert bool(list(tmp_path.glob("events*"))) == board
