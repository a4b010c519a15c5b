"""A copy of a layer or model, with its weights, in which other layers stand for some.

Keras' own `clone_model` copies what is a graph; what is not, its class makes anew from
its configuration, and a layer that it holds is exchanged before it has weights.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras

from keras_gru import keras_private
from keras_gru.convert.errors import ConversionError
from keras_gru.convert.layers import form_of, numbers
from keras_gru.layer import GRU

Layer: TypeAlias = Any

Change: TypeAlias = Callable[[Layer], Layer | None]
"""Another layer in place of this one, without weights yet; or None, to keep it."""

children = keras_private.get(keras_private.FLATTEN_LAYERS)
exchange_tracked = keras_private.get(keras_private.REPLACE_TRACKED)


def copied(model: Layer, change: Change) -> Layer:
    """The copy. It shares nothing with `model`, which stays as it is.

    Raises:
        ConversionError: a layer cannot be made anew.
    """
    new = _Copy(change).of(model)
    if model.built and not new.built:
        new.build_from_config(model.get_build_config())
    for path, old, its_copy in pairs(model, new):
        _carry(path, old, its_copy)
    if model.__dict__.get("compiled") and not new.compiled:
        new.compile_from_config(model.get_compile_config())
    return new


def pairs(old: Layer, new: Layer, path: str = "") -> Iterator[tuple[str, Layer, Layer]]:
    """Each layer and its copy, with the names of those that hold it before its own."""
    yield path or old.name, old, new
    olds, news = (
        [
            one
            for one in children(layer, include_self=False, recursive=False)
            if not isinstance(one, keras.layers.InputLayer)
        ]
        for layer in (old, new)
    )
    named = {one.name: one for one in news}
    if isinstance(old, keras.Function) and set(named) == {one.name for one in olds}:
        news = [named[one.name] for one in olds]
    for one, other in zip(olds, news, strict=True):
        yield from pairs(one, other, f"{path}/{one.name}".lstrip("/"))


class _Copy:
    """The copies made so far: a layer used in two places is one in the copy too."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.made: dict[int, Layer] = {}
        self.kept: list[Layer] = []  # else the id of one could become another's

    def of(self, layer: Layer) -> Layer:
        if not isinstance(layer, keras.layers.Layer):
            return layer  # an operation of a graph, which has no weights
        if id(layer) not in self.made:
            self.made[id(layer)] = self._new(layer)
            self.kept.append(layer)
        return self.made[id(layer)]

    def _new(self, layer: Layer) -> Layer:
        changed = self.change(layer)
        if changed is not None:
            return changed
        if isinstance(layer, (keras.Function, keras.Sequential)):
            new = keras.models.clone_model(layer, clone_function=self.of)
            if type(new) is type(layer):
                return new
            reason = "clone_model makes a plain model of it"
        else:
            try:
                new = _anew(layer)
            except (NotImplementedError, TypeError, ValueError) as error:
                reason = f"get_config and from_config: {error}"
            else:
                for _, old, fresh in pairs(layer, new):
                    fresh.name = old.name
                self._exchange_inside(new)
                return new
        raise ConversionError(
            f"A copy of the layer {layer.name}",
            "a layer must be made anew, by its class and its configuration",
            f"the class {type(layer).__name__}: {reason}",
        )

    def _exchange_inside(self, layer: Layer) -> None:
        """Exchanges what a layer without weights holds in its attributes."""
        if isinstance(layer, (keras.layers.GRU, GRU)):
            return  # its cell goes with it
        own = set(vars(keras.layers.Layer()))
        # On torch an attribute that is a layer stands in _modules.
        attributes = {**vars(layer), **getattr(layer, "_modules", {})}
        for name, value in attributes.items():
            if name in own or name.startswith("_self_"):
                continue
            new = self._exchanged(value, layer)
            if new is not value:
                setattr(layer, name, new)

    def _exchanged(self, value: Any, holder: Layer) -> Any:
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            new = [self._exchanged(one, holder) for one in value]
            same = all(a is b for a, b in zip(new, value, strict=True))
            return value if same else (tuple(new) if isinstance(value, tuple) else new)
        if isinstance(value, dict):
            entries = {key: self._exchanged(one, holder) for key, one in value.items()}
            same = all(entries[key] is one for key, one in value.items())
            return value if same else entries
        if not isinstance(value, keras.layers.Layer):
            return value
        if id(value) not in self.made:
            self.made[id(value)] = value
            self.kept.append(value)
            changed = self.change(value)
            graph = isinstance(value, (keras.Function, keras.Sequential))
            if changed is not None:
                self.made[id(value)] = changed
                if value.built:  # Keras builds some of what it makes from a config
                    changed.build_from_config(value.get_build_config())
            elif graph and any(map(self.change, children(value))):
                del self.made[id(value)]
                self.of(value)
            elif not graph:
                self._exchange_inside(value)
        new = self.made[id(value)]
        if new is not value and id(value) in holder._tracker.stored_ids["layers"]:
            # In its place, so that the order of weights stays.
            exchange_tracked(holder._tracker, "layers", value, new)
        return new


def _anew(layer: Layer) -> Layer:
    """A layer of the same class and configuration, without the weights."""
    config = layer.get_config()
    parameters = inspect.signature(type(layer)).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        # A class of one's own seldom takes what Keras puts into every configuration.
        spare = {"name", "trainable", "dtype"} - set(parameters)
        config = {name: config[name] for name in config if name not in spare}
    new = type(layer).from_config(config)
    if new.dtype_policy.name != layer.dtype_policy.name:
        raise TypeError(f"it takes no dtype, and its own is {layer.dtype_policy.name}")
    return new


def _carry(path: str, old: Layer, new: Layer) -> None:
    """What one layer itself holds, into its copy."""
    if new.trainable != old.trainable:
        new.trainable = old.trainable  # and of all inside, whose turn comes later
    store: dict[str, Any] = {}
    old.save_own_variables(store)
    if store:
        if not new.built:
            raise ConversionError(
                f"A copy of the layer {path}",
                "a layer that has weights must be built again from its shapes",
                f"the class {type(old).__name__}, which does not build this layer",
            )
        # As arrays of NumPy: on JAX two models would share a buffer, which a step gives
        # away.
        new.load_own_variables(
            {key: keras.ops.convert_to_numpy(value) for key, value in store.items()}
        )
    if hasattr(old, "save_assets"):  # a vocabulary that was learnt
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)
    # What Keras leaves out of the configuration of its GRU:
    if isinstance(new, (keras.layers.GRU, GRU)):
        new.use_cudnn = old.use_cudnn
    elif isinstance(new, keras.layers.GRUCell):
        new.implementation = old.implementation
        _carry_update_gate(old, new)


def _carry_update_gate(old: Layer, new: Layer) -> None:
    """Negates the weights of z where the copy of a cell has the other convention.

    With layer normalisation those are the gains, behind the mean and the deviation,
    which are of all gates. Zoneout and a learnt state have no part in it.
    """
    if not old.built or form_of(new).update_gate == form_of(old).update_gate:
        return
    weights = [new.kernel, new.recurrent_kernel]
    if getattr(new, "layer_normalization", False):
        weights = [new.gamma]
    if new.use_bias:
        weights.append(new.bias)
    for weight in weights:
        value = numbers(weight)
        value[..., : new.units] *= -1
        weight.assign(value)
