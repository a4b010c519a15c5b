"""Through a model, layer by layer, in the order in which Keras calls them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx

import keras_gru
from keras_gru import keras_private
from keras_gru.layer import GRU
from keras_gru.onnx import OPSET
from keras_gru.onnx.graph import Graph, Tensor, refuse
from keras_gru.onnx.layers import AS_GIVEN, WRITERS
from keras_gru.onnx.masks import MASKS
from keras_gru.onnx.operations import OPERATIONS


def export(model: Any, path: str | Path, opset: int, states: bool) -> None:
    """Writes the file; see `keras_gru.export_onnx`."""
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset, int) or not OPSET <= opset <= newest:
        raise ValueError(
            f"Argument `opset` is {opset!r}. Expected: an integer from {OPSET} to "
            f"{newest}, the newest that this onnx ({onnx.__version__}) knows."
        )
    graph = Graph(opset, states)
    if not (_is_functional(model) or _is_sequential(model)):
        raise TypeError(
            f"Argument `model` is a {type(model).__name__}. Expected: a functional "
            "model, keras.Model(inputs, outputs), or a keras.Sequential; a model with "
            "a `call` of its own has no graph of layers."
        )
    if not model.built:
        raise ValueError(
            f"Argument `model`, {model.name!r}, is not built. Begin it with a "
            "keras.Input."
        )
    given = _inputs(graph, model)
    found = keras.tree.flatten(_call(graph, model, given))
    for name, tensor in zip(_output_names(model), found, strict=True):
        graph.add_output(name, tensor.name, len(tensor.shape), tensor.dtype)
    for name, state in graph.kept:
        graph.add_output(name, state, 2, "float32")
    onnx.save(graph.model(model.name, keras_gru.__version__), path)


def _is_functional(model: Any) -> bool:
    kind = keras_private.get(keras_private.FUNCTIONAL)
    return isinstance(model, kind) and type(model).call is kind.call


def _is_sequential(model: Any) -> bool:
    kind = keras.Sequential
    return isinstance(model, kind) and type(model).call is kind.call


def _inputs(graph: Graph, model: Any) -> list[Tensor]:
    """An input of the file for each of the model, with its open sizes by name."""
    several = sum(one.shape[1:2] == (None,) for one in model.inputs) > 1
    found = []
    for one in model.inputs:
        names = {0: "batch", 1: f"{one.name}_time" if several else "time"}
        axes = [
            names.get(axis, f"{one.name}_{axis}") if size is None else size
            for axis, size in enumerate(one.shape)
        ]
        if one.dtype == "string" or one.dtype == "bfloat16":
            raise ValueError(
                f"Input {one.name!r} is of dtype {one.dtype}. Expected: bool, an "
                "integer or float16, float32, float64."
            )
        name = graph.add_input(one.name, axes, one.dtype)
        found.append(Tensor(name, tuple(one.shape), one.dtype))
    return found


def _output_names(model: Any) -> list[str]:
    """The keys where the model returns a dict, else the names of the last layers."""
    if _is_sequential(model):
        return [model.layers[-1].name] * len(model.outputs)
    if isinstance(model.output, dict):
        return sorted(model.output)
    return [str(name) for name in model.output_names]


def _call(graph: Graph, operation: Any, *args: Any, **kwargs: Any) -> Any:
    """What a layer, model or operation returns: a tensor, or a list where it is."""
    if _is_functional(operation):
        return _through(graph, operation, args[0])
    if _is_sequential(operation):
        value = args[0]
        if isinstance(value, list) and len(value) == 1:
            (value,) = value
        for layer in operation.layers:
            value = _call(graph, layer, value)
        return value
    graph.scope = operation.name
    specs = keras.tree.flatten(
        operation.compute_output_spec(*_symbols(args), **_symbols(kwargs))
    )
    args, kwargs = keras.tree.map_structure(
        functools.partial(_tensor, graph), (args, kwargs)
    )
    if isinstance(operation, keras.Layer):
        return _layer(graph, operation, specs, args, kwargs)
    kind = type(operation)
    write = OPERATIONS.get(kind.__name__)
    if write is None or not keras_private.is_operation(kind):
        refuse(operation, f"none of these operations: {', '.join(OPERATIONS)}.")
    written = write(graph, operation, *args, **kwargs)
    names = written if isinstance(written, list) else [written]
    found = [
        Tensor(name, tuple(spec.shape), spec.dtype)
        for name, spec in zip(names, specs, strict=True)
    ]
    return found if len(found) > 1 else found[0]


def _layer(
    graph: Graph, layer: Any, specs: list[Any], args: Any, kwargs: dict[str, Any]
) -> Any:
    """What a layer returns, with the masks that Keras attaches."""
    if layer.compute_dtype != "float32" or layer.quantization_mode:
        refuse(
            layer,
            f"it computes in {layer.dtype_policy.name}. Build the model with float32 "
            "layers, and give them the weights.",
        )
    given = inspect.signature(layer.call).bind(*args, **kwargs).arguments
    options = {name: value for name, value in given.items() if value is not None}
    x = keras.tree.map_structure(
        functools.partial(_as_float, graph, type(layer)),
        options.pop(next(iter(options))),
    )
    if options.pop("training", False):
        refuse(layer, "it is called with training=True.")
    if "resets" in options:
        refuse(layer, "it is called with `resets`, which no node of ONNX has.")
    mask = options.pop("mask", None)
    attached = keras.tree.map_structure(lambda one: one.mask, x)
    # Keras hands on the attached mask where a layer is called on one tensor.
    if mask is None and (not options or _looks_for_masks(layer)):
        mask = attached
    if type(layer) not in WRITERS:
        return _traced(graph, layer, x, mask, options)
    written = WRITERS[type(layer)](graph, layer, x, mask, **options)
    written = written if isinstance(written, list) else [written]
    masks: Any = []
    if layer.supports_masking:
        masks = attached if mask is None else mask
        change = MASKS.get(type(layer))
        if change is not None:
            masks = change(graph, layer, x, masks)
        masks = masks if isinstance(masks, list) else [masks]
    masks += [None] * (len(specs) - len(masks))
    dtype = x.dtype if type(layer) in AS_GIVEN[1:] else "float32"
    found = [
        Tensor(name, tuple(spec.shape), dtype, one)
        for name, spec, one in zip(written, specs, masks, strict=True)
    ]
    return found if len(found) > 1 else found[0]


def _traced(
    graph: Graph, layer: Any, x: Any, mask: Any, options: dict[str, Any]
) -> Any:
    """A layer of another class, by the layers and operations of its `call`.

    It may compute anything with them; weights are constants of the file.
    """
    names = ", ".join(sorted({kind.__name__ for kind in WRITERS} | {"Input"}))
    reason = f"it is none of these layers: {names}; nor is its `call` made of them:"
    if isinstance(layer, keras.layers.RNN):
        refuse(layer, f"{reason} it has a loop of its own.")
    if mask is None:
        mask = keras.tree.map_structure(lambda one: one.mask, x)
    if _tensors(options) and any(one.mask for one in _tensors((x, options))):
        refuse(layer, f"{reason} it has several inputs, and one has a mask.")
    given = _tensors((x, mask, options))
    symbols = [keras.KerasTensor(one.shape, one.dtype) for one in given]
    places = iter(symbols)
    x, mask, options = keras.tree.map_structure(
        lambda one: next(places) if isinstance(one, Tensor) else one,
        (x, mask, options),
    )
    parameters = inspect.signature(layer.call).parameters
    extra = {"mask": mask, "training": False}
    options |= {name: extra[name] for name in extra if name in parameters}
    known = dict(zip(map(id, symbols), given, strict=True))
    try:
        outputs = keras.tree.flatten(layer.call(x, **options))
        masks = layer.compute_mask(x, mask) if layer.supports_masking else None
        masks = keras.tree.flatten(masks)
        wanted = [one for one in outputs + masks if id(one) not in known]
        wanted = [one for one in wanted if one is not None]
        if wanted:
            function = keras.Function(symbols, wanted)
            written = keras.tree.flatten(_through(graph, function, given))
            known |= zip(map(id, wanted), written, strict=True)
    # Whatever a call raises that is given tensors without numbers.
    except Exception as error:
        refuse(layer, f"{reason} {' '.join(str(error).split())}", error)
    masks += [None] * len(outputs)
    tensors = [
        dataclasses.replace(known[id(one)], mask=known.get(id(its)))
        for one, its in zip(outputs, masks, strict=False)
    ]
    return tensors if len(tensors) > 1 else tensors[0]


def _tensors(values: Any) -> list[Tensor]:
    return [one for one in keras.tree.flatten(values) if isinstance(one, Tensor)]


def _through(graph: Graph, model: Any, inputs: Any) -> Any:
    """A functional model: Keras itself goes through it, and calls `_call`."""
    if isinstance(inputs, dict):
        inputs = [inputs[one.name] for one in model.inputs]
    return keras_private.get(keras_private.RUN_THROUGH_GRAPH)(
        model,
        inputs,
        operation_fn=lambda operation: functools.partial(_call, graph, operation),
    )


def _symbols(arguments: Any) -> Any:
    """Keras' tensors in the place of ours, to ask for the shapes of outputs."""
    return keras.tree.map_structure(
        lambda one: (
            keras.KerasTensor(one.shape, one.dtype) if isinstance(one, Tensor) else one
        ),
        arguments,
    )


def _tensor(graph: Graph, value: Any) -> Any:
    """A value of the file for an array that stands in the model."""
    if isinstance(value, Tensor) or not hasattr(value, "shape"):
        return value
    array = np.asarray(keras.ops.convert_to_numpy(value))
    dtype = "float32" if array.dtype.kind == "f" else array.dtype.name
    return Tensor(graph.constant(array, dtype), array.shape, dtype)


def _as_float(graph: Graph, kind: type, x: Tensor) -> Tensor:
    """The input in float32, unless integers are to stay."""
    whole = kind in AS_GIVEN or kind not in WRITERS
    if x.dtype == "float32" or (whole and x.dtype[0] in "iub"):
        return x
    return dataclasses.replace(x, name=graph.cast(x.name, "float32"), dtype="float32")


def _looks_for_masks(layer: Any) -> bool:
    """Whether it takes the attached mask beside an initial state, as `GRU` does."""
    return GRU in (type(layer), type(getattr(layer, "forward_layer", None)))
