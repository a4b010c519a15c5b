"""The recurrent layer that is meant, and what it is called with, as float64 arrays."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_gru.arguments import one_of
from keras_gru.convert.copying import children
from keras_gru.inputs import standardize_mask, standardize_resets
from keras_gru.kernels.compaction import restarts

DIRECTIONS = ("forward", "backward")


class Called(NamedTuple):
    """A layer and its inputs, in the order in which it processes them.

    Attributes:
        layer: the `keras.layers.RNN`.
        x: `(batch, time, features)` float64.
        used: `(batch, time)` bool, False where a mask skips the step.
        anew: `(batch, time)` bool, True where the state starts anew before the step.
        states: what it starts from, `(batch, units)` each; empty for the layer's own.
        name: to print.
    """

    layer: Any
    x: np.ndarray
    used: np.ndarray
    anew: np.ndarray
    states: list[np.ndarray]
    name: str


def called(
    layer_or_model: Any,
    inputs: Any,
    layer: str | None,
    direction: str,
    call: dict[str, Any],
) -> Called:
    """Finds the layer, and what reaches it when `inputs` go into the whole.

    Raises:
        ValueError, TypeError: as `gradient_flow` says.
    """
    one_of("direction", direction, DIRECTIONS)
    target = layer_or_model
    if _recurrent(target):
        if layer is not None:
            raise ValueError(
                f"Argument `layer` names a layer of a model. Received: {layer!r} "
                f"beside the layer {target.name}. Leave it out."
            )
        given = {"sequences": inputs, **call}
    else:
        target = _named(layer_or_model, layer)
        given = _what_reaches(target, layer_or_model, inputs, call)
    return _standardized(target, given, direction)


def _recurrent(layer: Any) -> bool:
    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)


def _named(model: Any, name: str | None) -> Any:
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(
            "Argument `layer_or_model` must be a recurrent layer or a Keras model. "
            f"Received: {model!r}."
        )
    found = recurrent_layers(model)
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise ValueError(
            f"Argument `layer` must name a recurrent layer of {model.name}. Received: "
            f"{name!r}. Expected one of {sorted(found)}."
        )
    return found[name]


def recurrent_layers(model: Any) -> dict[str, Any]:
    """The recurrent layers in a model, by name; a Bidirectional is one."""
    return {one.name: one for one in _layers(model) if _recurrent(one)}


def _layers(layer: Any) -> list[Any]:
    """All layers in it, but those in a Bidirectional."""
    found = []
    for one in children(layer, include_self=False, recursive=False):
        found += [one] if _recurrent(one) else [one, *_layers(one)]
    return found


def _what_reaches(
    target: Any, model: Any, inputs: Any, call: dict[str, Any]
) -> dict[str, Any]:
    """Runs the model once and listens at the layer; states that it keeps stay."""
    heard: list[dict[str, Any]] = []
    original = target.call

    def listening(*args: Any, **kwargs: Any) -> Any:
        heard.append(inspect.signature(original).bind(*args, **kwargs).arguments)
        return original(*args, **kwargs)

    kept = [
        (state, ops.copy(state.value))
        for one in [*_layers(model), target]
        for state in keras.tree.flatten(getattr(one, "states", None) or ())
        if state is not None
    ]
    target.call = listening
    try:
        given = {name: value for name, value in call.items() if value is not None}
        model(inputs, training=False, **given)
    finally:
        del target.call
        for state, value in kept:
            state.assign(value)
    if len(heard) != 1:
        raise ValueError(
            f"The model must call the layer {target.name} once. It was called "
            f"{len(heard)} times. Pass the layer itself, with its inputs."
        )
    return dict(heard[0])


def _standardized(target: Any, given: dict[str, Any], direction: str) -> Called:
    layer, name = target, target.name
    states = given.get("initial_state")
    states = [] if states is None else [*keras.tree.flatten(states)]
    if isinstance(target, keras.layers.Bidirectional):
        layer = getattr(target, f"{direction}_layer")
        half = len(states) // 2
        states = states[:half] if direction == "forward" else states[half:]
        name = f"{name}, {direction}"
    if not layer.built:
        raise ValueError(
            f"The layer {name} has no weights yet. Call it once, or its method "
            "build((None, None, features))."
        )
    sequences = given["sequences"]
    x = array(sequences)
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(
            f"The inputs of {name} must be (batch, time, features), none of them 0. "
            f"Received: shape {x.shape}."
        )
    mask, resets = standardize_mask(given.get("mask"), sequences), given.get("resets")
    used = np.ones(x.shape[:2], bool) if mask is None else array(mask) > 0
    used = np.broadcast_to(used, x.shape[:2])
    anew = np.zeros(x.shape[:2], bool)
    if resets is not None:
        resets = standardize_resets(resets, ops.convert_to_tensor(x))
        anew = array(restarts(resets, mask, layer.go_backwards)) > 0
    if not states and layer.stateful and layer.states is not None:
        states = keras.tree.flatten(layer.states)[: len(layer.states)]
        used_before = states[1:] if getattr(layer, "learn_initial_state", False) else []
        states = [] if used_before and not array(used_before[0]) else states
    if layer.go_backwards:
        x, used, anew = x[:, ::-1], used[:, ::-1], anew[:, ::-1]
    return Called(layer, x, used, anew & used, [array(one) for one in states], name)


def array(tensor: Any) -> np.ndarray:
    """A tensor or a variable as float64."""
    if isinstance(tensor, np.ndarray):
        return tensor.astype("float64")
    return np.asarray(ops.convert_to_numpy(tensor)).astype("float64")
