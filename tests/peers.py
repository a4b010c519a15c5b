"""The GRUs of other libraries, run on arrays: what `keras_gru.convert` is held against.

`RUN[system](arrays, x, h0)` gives the outputs of the library itself,
`(batch, time, directions * units)`; x is `(batch, time, features)`, h0
`(directions, batch, units)`. `OWN[system](features, units)` are arrays as the library
names and shapes them itself.
A test is skipped where the library is not installed.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest


def library(name):
    """The module, or a skip with the reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own making
        return pytest.importorskip(
            name, reason=f"{name} is not installed", exc_type=ImportError
        )


def nested(arrays):
    """{"a/b": …} as {"a": {"b": …}}."""
    found = {}
    for name, array in arrays.items():
        *parents, last = name.split("/")
        inner = found
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = array
    return found


def _loop(step, x, h):
    outputs = []
    for time in range(x.shape[1]):
        h = np.asarray(step(h, x[:, time]))
        outputs.append(h)
    return np.stack(outputs, axis=1)


def by_step(new_step):
    """A library with a cell only: the loop, and both directions, are written here."""

    def run(arrays, x, h0):
        if len(h0) == 1:
            return _loop(new_step(arrays), x, h0[0])
        ahead, back = (
            new_step(
                {
                    name.removeprefix(prefix): array
                    for name, array in arrays.items()
                    if name.startswith(prefix)
                }
            )
            for prefix in ("forward/", "backward/")
        )
        return np.concatenate(
            [_loop(ahead, x, h0[0]), _loop(back, x[:, ::-1], h0[1])[:, ::-1]], axis=-1
        )

    return run


def torch_gru(arrays, x, h0):
    torch = library("torch")
    layers = sum(name.startswith("weight_hh") for name in arrays) // len(h0)
    units = h0.shape[-1]
    module = torch.nn.GRU(
        x.shape[-1],
        units,
        num_layers=layers,
        bias="bias_ih_l0" in arrays,
        bidirectional=len(h0) == 2,
        batch_first=True,
        device="cpu",
    )
    module.load_state_dict({name: torch.tensor(a) for name, a in arrays.items()})
    # The first layer starts at h0, the others at zero, as the test has it.
    states = np.concatenate([h0, np.zeros((len(h0) * (layers - 1), *h0.shape[1:]))])
    with torch.no_grad():
        outputs, _ = module(torch.tensor(x), torch.tensor(states.astype("float32")))
    return outputs.numpy()


def torch_own(features, units):
    torch = library("torch")
    return torch.nn.GRU(features, units, device="cpu").state_dict()


def onnx_gru(arrays, x, h0, activations=("Sigmoid", "Tanh"), alpha=None, beta=None):
    onnx, onnxruntime = library("onnx"), library("onnxruntime")
    helper = onnx.helper
    directions, _, units = h0.shape
    attributes = {
        "hidden_size": units,
        "linear_before_reset": int(arrays["linear_before_reset"]),
        "direction": "bidirectional" if directions == 2 else "forward",
        "activations": list(activations) * directions,
    }
    if alpha is not None:
        attributes |= {"activation_alpha": alpha, "activation_beta": beta}
    weights = [name for name in ("W", "R", "B") if name in arrays]
    inputs = ["x", *weights, *([""] * (3 - len(weights))), "", "h0"]
    graph = helper.make_graph(
        [helper.make_node("GRU", inputs, ["y", "h"], **attributes)],
        "one_gru",
        [
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None] * 3),
            helper.make_tensor_value_info("h0", onnx.TensorProto.FLOAT, [None] * 3),
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None] * 4)],
        [onnx.numpy_helper.from_array(arrays[name], name) for name in weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(["y"], {"x": x.swapaxes(0, 1), "h0": h0})  # (T, D, B, U)
    return y.transpose(2, 0, 1, 3).reshape(*x.shape[:2], -1)


def openvino_gru(arrays, x, h0):
    openvino = library("openvino")
    from openvino import opset14 as ops

    directions, _, units = h0.shape
    node = ops.gru_sequence(
        ops.constant(x),
        ops.constant(h0.swapaxes(0, 1).copy()),
        ops.constant(np.full(len(x), x.shape[1], "int32")),
        *(ops.constant(arrays[name]) for name in ("W", "R", "B")),
        units,
        "bidirectional" if directions == 2 else "forward",
        linear_before_reset=bool(arrays["linear_before_reset"]),
    )
    model = openvino.Model([node.output(0)], [])
    compiled = openvino.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    y = compiled([])[0]  # (B, D, T, U)
    return y.transpose(0, 2, 1, 3).reshape(*x.shape[:2], -1)


def flax_linen(arrays):
    linen = library("flax.linen")
    cell = linen.GRUCell(features=arrays["hn/kernel"].shape[-1])
    params = {"params": nested(arrays)}
    return lambda h, x: cell.apply(params, h, x)[0]


def flax_linen_own(features, units):
    linen, jax = library("flax.linen"), library("jax")
    cell = linen.GRUCell(features=units)
    h, x = np.zeros((1, units), "float32"), np.zeros((1, features), "float32")
    return cell.init(jax.random.key(0), h, x)["params"]


def _nnx_cell(features, units):
    nnx = library("flax.nnx")
    return nnx, nnx.GRUCell(features, units, rngs=nnx.Rngs(0))


def flax_nnx(arrays):
    features, gates = arrays["dense_i/kernel"].shape
    nnx, cell = _nnx_cell(features, gates // 3)
    nnx.update(cell, nested(arrays))
    return lambda h, x: cell(h, x)[0]


def flax_nnx_own(features, units):
    nnx, cell = _nnx_cell(features, units)
    return nnx.to_pure_dict(nnx.state(cell, nnx.Param))


def _equinox_cell(features, units, use_bias=True):
    equinox, jax = library("equinox"), library("jax")
    return equinox.nn.GRUCell(features, units, use_bias=use_bias, key=jax.random.key(0))


def equinox(arrays):
    jax = library("jax")
    gates, features = arrays["weight_ih"].shape
    cell = _equinox_cell(features, gates // 3, "bias" in arrays)
    names = sorted(arrays)
    cell = library("equinox").tree_at(
        lambda tree: [getattr(tree, name) for name in names],
        cell,
        [jax.numpy.asarray(arrays[name]) for name in names],
    )
    return lambda h, x: jax.vmap(cell)(jax.numpy.asarray(x), jax.numpy.asarray(h))


def equinox_own(features, units):
    cell = _equinox_cell(features, units)
    return {
        name: getattr(cell, name)
        for name in ("weight_ih", "weight_hh", "bias", "bias_n")
    }


def _haiku_core(units):
    hk = library("haiku")
    return hk.without_apply_rng(hk.transform(lambda x, h: hk.GRU(units)(x, h)[0]))


def haiku(arrays):
    core = _haiku_core(len(arrays["w_h"]))
    return lambda h, x: core.apply({"gru": arrays}, x, h)


def haiku_own(features, units):
    x, h = np.zeros((1, features), "float32"), np.zeros((1, units), "float32")
    return _haiku_core(units).init(library("jax").random.key(0), x, h)["gru"]


def tf1_block(arrays):
    tf = library("tensorflow")
    return lambda h, x: tf.raw_ops.GRUBlockCell(x=x, h_prev=h, **arrays)[-1]


def cudnn(arrays, x, h0):
    """cuDNN's own formula and order, from NVIDIA's manual, on the flat parameters.

    cudnnGetRNNWeightParams: matrices 0 to 2 meet the input, 3 to 5 the state; 0 and 3
    are of the reset gate, 1 and 4 of the update gate, 2 and 5 of the candidate.
    """
    params = arrays["params"].astype("float64")
    directions, _, units = h0.shape
    features = len(params) // (3 * units * directions) - units - 2
    place = 0

    def take(*shape):
        nonlocal place
        place += int(np.prod(shape))
        return params[place - int(np.prod(shape)) : place].reshape(shape)

    matrices = [
        [take(units, columns) for columns in [features] * 3 + [units] * 3]
        for _ in range(directions)
    ]
    biases = [[take(units) for _ in range(6)] for _ in range(directions)]
    assert place == len(params)

    def step(direction):
        w, b = matrices[direction], biases[direction]

        def sums(k, h, x):
            return x @ w[k].T + b[k], h @ w[k + 3].T + b[k + 3]

        def one(h, x):
            r = 1 / (1 + np.exp(-sum(sums(0, h, x))))
            i = 1 / (1 + np.exp(-sum(sums(1, h, x))))
            of_input, of_state = sums(2, h, x)
            return (1 - i) * np.tanh(of_input + r * of_state) + i * h

        return one

    ahead = _loop(step(0), x, h0[0])
    if directions == 1:
        return ahead
    back = _loop(step(1), x[:, ::-1], h0[1])[:, ::-1]
    return np.concatenate([ahead, back], axis=-1)


RUN = {
    "torch": torch_gru,
    "onnx": onnx_gru,
    "openvino": openvino_gru,
    "flax_linen": by_step(flax_linen),
    "flax_nnx": by_step(flax_nnx),
    "equinox": by_step(equinox),
    "haiku": by_step(haiku),
    "tf1_block": by_step(tf1_block),
    "cudnn": cudnn,
}

OWN = {
    "torch": torch_own,
    "flax_linen": flax_linen_own,
    "flax_nnx": flax_nnx_own,
    "equinox": equinox_own,
    "haiku": haiku_own,
}
