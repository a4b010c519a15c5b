"""Weights and activations of a cell, as the nodes of ONNX have them.

Those of a GRU come from `keras_gru.convert`. Keras' LSTM has its gates in the order
i, f, c, o, ONNX's in the order i, o, f, c; its kernels are transposed, and its bias is
that of the input followed by the recurrent one.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_gru.convert import ConversionError
from keras_gru.convert.layers import read_cell
from keras_gru.convert.systems import SYSTEMS
from keras_gru.convert.terms import fit
from keras_gru.onnx.graph import refuse

NODE_ACTIVATIONS: dict[str, tuple[str, float | None, float | None]] = {
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "linear": ("Affine", 1.0, 0.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": ("LeakyRelu", 0.2, None),
    "elu": ("Elu", 1.0, None),
    "softsign": ("Softsign", None, None),
    "softplus": ("Softplus", None, None),
}
"""Keras' name -> that of a recurrent node, its alpha and beta."""

DEFAULT_PARAMETERS = {
    "Affine": (1.0, 0.0),
    "HardSigmoid": (0.2, 0.5),
    "LeakyRelu": (0.01, None),
    "Elu": (1.0, None),
    "ThresholdedRelu": (1.0, None),
    "ScaledTanh": (None, None),  # must be given
}
"""Alpha and beta where a node does not say; all others have neither."""


def name_of(activation: Any) -> str | None:
    """Keras' name of an activation function that a node can have, else None."""
    found = (
        name for name in NODE_ACTIVATIONS if keras.activations.get(name) is activation
    )
    return next(found, None)


def activations(layer: Any, functions: list[Any]) -> dict[str, Any]:
    """Attributes of a node: one function after the other, and their parameters."""
    names = [name_of(function) for function in functions]
    if None in names:
        function = functions[names.index(None)]
        called = getattr(function, "__name__", function)
        refuse(
            layer,
            f"its activation {called} is none of a recurrent node. Those are "
            f"{', '.join(NODE_ACTIVATIONS)}.",
        )
    found = [NODE_ACTIVATIONS[name] for name in names if name is not None]
    attributes: dict[str, Any] = {"activations": [one[0] for one in found]}
    for index, key in ((1, "activation_alpha"), (2, "activation_beta")):
        if values := [one[index] for one in found if one[index] is not None]:
            attributes[key] = values
    return attributes


def gru_weights(layer: Any, cell: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W (3 units, features), R (3 units, units) and B (6 units) of a GRU node."""
    system = SYSTEMS["onnx"]
    try:
        # A learnt initial state is an input of the node, and none of its weights.
        terms = read_cell(cell, "onnx", allowed=("learn_initial_state",))
        terms = fit(terms, system.form, cell.recurrent_activation, "onnx")
    except ConversionError as error:
        refuse(layer, str(error))
    arrays = system.to_arrays([[terms]])
    w, r = arrays["W"][0], arrays["R"][0]
    return w, r, arrays["B"][0] if "B" in arrays else np.zeros(2 * len(w), w.dtype)


def lstm_weights(layer: Any, cell: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W (4 units, features), R (4 units, units) and B (8 units) of an LSTM node."""

    def ordered(weight: np.ndarray) -> np.ndarray:
        i, f, c, o = np.split(weight, 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1)

    kernel = ordered(_numbers(cell.kernel))
    bias = np.zeros((2, kernel.shape[1]), kernel.dtype)
    if cell.use_bias:
        bias[0] = ordered(_numbers(cell.bias))
    return kernel.T, ordered(_numbers(cell.recurrent_kernel)).T, bias.reshape(-1)


def _numbers(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))
