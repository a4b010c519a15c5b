"""Layers from the GRU nodes of an ONNX model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from keras_gru.bidirectional import Bidirectional
from keras_gru.convert import import_weights
from keras_gru.layer import GRU
from keras_gru.onnx.gates import DEFAULT_PARAMETERS, NODE_ACTIVATIONS


def layers_of(path_or_model: str | Path | onnx.ModelProto) -> dict[str, Any]:
    """See `keras_gru.import_onnx_gru`."""
    model = path_or_model
    if not isinstance(model, onnx.ModelProto):
        model = onnx.load(model)
    found = {}
    for node in _nodes(model.graph):
        if node.op_type == "GRU":
            found[node.name or next(filter(None, node.output))] = _layer(model, node)
    if not found:
        raise ValueError(
            f"The model {model.graph.name!r} has no GRU node. It has: "
            f"{', '.join(sorted({node.op_type for node in _nodes(model.graph)}))}."
        )
    return found


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Of the graph, and of the bodies of its loops and branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _layer(model: onnx.ModelProto, node: onnx.NodeProto) -> Any:
    names = [*node.input, *[""] * (6 - len(node.input))]
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if attributes.get("clip"):
        _refuse(node, f"it has clip={attributes['clip']}, which no layer has.")
    w, r = (_value(model, node, name) for name in names[1:3])
    b = _value(model, node, names[3]) if names[3] else None
    _check_initial_state(model, node, names[5])

    direction = attributes.get("direction", b"forward").decode()
    reset_after = bool(attributes.get("linear_before_reset", 0))
    outputs = [*node.output, ""]
    functions = _activations(node, attributes, len(w))
    layers = []
    for index in range(len(w)):
        reverse = direction == "reverse" or index == 1
        layer = GRU(
            r.shape[2],
            activation=functions[2 * index + 1],
            recurrent_activation=functions[2 * index],
            use_bias=b is not None,
            reset_after=reset_after,
            go_backwards=reverse,
            return_sequences=bool(outputs[0]),
            return_state=bool(outputs[0] and outputs[1]),
            zero_output_for_mask=True,
            dtype=w.dtype.name,
        )
        layers.append(layer)
    found = layers[0]
    if len(layers) == 2:
        found = Bidirectional(layers[0], backward_layer=layers[1], dtype=w.dtype.name)
    found.build((None, None, w.shape[2]))
    arrays = {"W": w, "R": r, "linear_before_reset": np.asarray(int(reset_after))}
    import_weights(found, "onnx", arrays if b is None else {**arrays, "B": b})
    return found


def _value(model: onnx.ModelProto, node: onnx.NodeProto, name: str) -> np.ndarray:
    """The array that a weight is, or that nodes compute from nothing but weights."""
    value = _constant(model, name)
    if value is None:
        _refuse(
            node,
            f"its weight {name!r} is not in the file: it depends on an input of the "
            "model. Store it as an initializer.",
        )
    return value


def _constant(model: onnx.ModelProto, name: str) -> np.ndarray | None:
    """The value of a name, or None where it depends on the inputs of a call."""
    for one in model.graph.initializer:
        if one.name == name:
            return numpy_helper.to_array(one)
    needed: list[onnx.NodeProto] = []
    wanted = {name}
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            needed.insert(0, node)
            wanted |= set(node.input)
    stored = {one.name for one in model.graph.initializer}
    made = {output for node in needed for output in node.output}
    if not needed or wanted - stored - made - {""}:
        return None
    weights = [one for one in model.graph.initializer if one.name in wanted]
    output = onnx.ValueInfoProto(name=name)
    graph = helper.make_graph(needed, "weights", [], [output], weights)
    part = helper.make_model(
        graph, opset_imports=model.opset_import, functions=model.functions
    )
    (value,) = ReferenceEvaluator(part).run(None, {})
    return np.asarray(value)


def _check_initial_state(
    model: onnx.ModelProto, node: onnx.NodeProto, name: str
) -> None:
    """Refuses states that the file fixes: a layer starts at zero."""
    value = _constant(model, name) if name else None
    if value is not None and value.any():
        _refuse(
            node,
            "its initial_h is a constant other than zero. Make it an input of the "
            "model, and pass it to the layer as `initial_state`.",
        )


def _activations(
    node: onnx.NodeProto, attributes: dict[str, Any], directions: int
) -> list[str]:
    """Keras' names, σ and g of each direction."""
    given = attributes.get("activations", [b"Sigmoid", b"Tanh"] * directions)
    alphas = list(attributes.get("activation_alpha", []))
    betas = list(attributes.get("activation_beta", []))
    found: list[str] = []
    for function in (one.decode() for one in given):
        alpha, beta = DEFAULT_PARAMETERS.get(function, (None, None))
        alpha = alphas.pop(0) if alpha is not None and alphas else alpha
        beta = betas.pop(0) if beta is not None and betas else beta
        name = next(
            (
                name
                for name, known in NODE_ACTIVATIONS.items()
                if known[0].lower() == function.lower()
                and _equal(known[1], alpha)
                and _equal(known[2], beta)
            ),
            None,
        )
        if name is None:
            parameters = "".join(
                f", {key}={value:.6g}"
                for key, value in (("alpha", alpha), ("beta", beta))
                if value is not None
            )
            _refuse(
                node,
                f"Keras has no activation that is {function}{parameters}. It has "
                f"{', '.join(one[0] for one in NODE_ACTIVATIONS.values())}, each with "
                "its own parameters.",
            )
        found.append(name)
    return found


def _equal(ours: float | None, given: float | None) -> bool:
    """Parameters stand in the file in float32."""
    if ours is None or given is None:
        return ours is given
    return bool(np.float32(ours) == np.float32(given))


def _refuse(node: onnx.NodeProto, reason: str) -> NoReturn:
    raise ValueError(f"GRU node {node.name or node.output[0]!r}: {reason}")
