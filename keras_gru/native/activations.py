"""The activations that the library has, in what a user may pass to a layer.

Keras takes any callable: a function of `keras.activations`, the same with another
parameter by `functools.partial`, or a layer such as `keras.layers.LeakyReLU(0.1)`.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import keras

from keras_gru.equations import Activation
from keras_gru.native import library

_NAMES = {getattr(keras.activations, name): name for name in library.ACTIVATIONS}
# name -> its one parameter, and the least value of it that the library takes
_FREE = {
    "elu": ("alpha", -math.inf),
    "celu": ("alpha", 1e-6),
    "leaky_relu": ("negative_slope", -math.inf),
    "gelu": ("approximate", 0.0),
    "hard_shrink": ("threshold", 0.0),
    "soft_shrink": ("threshold", 0.0),
    "squareplus": ("b", 1e-6),
}


class Known(NamedTuple):
    """A key of `library.ACTIVATIONS` and the value of its parameter."""

    name: str
    parameter: float

    def function(self) -> Activation:
        """As a function of Keras."""
        if self.name == "relu6":
            return functools.partial(keras.activations.relu, max_value=self.parameter)
        function: Activation = getattr(keras.activations, self.name)
        if self.name not in _FREE:
            return function
        parameter, _ = _FREE[self.name]
        flag = self.name == "gelu"
        value = bool(self.parameter) if flag else self.parameter
        return functools.partial(function, **{parameter: value})


def find(function: Activation) -> Known | None:
    """What the library computes in the place of a function; None where it cannot.

    >>> import keras
    >>> find(keras.layers.LeakyReLU(negative_slope=0.1))
    Known(name='leaky_relu', parameter=0.1)
    >>> find(keras.activations.softmax)
    """
    function, given = _parts(function)
    name = _NAMES.get(function)
    if name is None or not all(map(_is_number, given.values())):
        return None
    if name == "relu":
        return _relu(**given)
    parameter, least = _FREE.get(name, ("", 0.0))
    if not given.keys() <= {parameter}:
        return None
    value = float(given.get(parameter, library.PARAMETERS.get(name, 0.0)))
    return Known(name, value) if value >= least else None


def _parts(function: Any) -> tuple[Any, Mapping[str, Any]]:
    """A function and the arguments that are given to it by name."""
    layers = keras.layers
    if isinstance(function, functools.partial):
        if not function.args:
            return function.func, function.keywords
    elif type(function) is layers.LeakyReLU:
        given = {"negative_slope": function.negative_slope}
        return keras.activations.leaky_relu, given
    elif type(function) is layers.ELU:
        return keras.activations.elu, {"alpha": function.alpha}
    elif type(function) is layers.ReLU:
        names = ("negative_slope", "max_value", "threshold")
        return keras.activations.relu, {name: getattr(function, name) for name in names}
    elif type(function) is layers.Activation:
        return _parts(function.activation)
    elif callable(getattr(function, "__hash__", None)):
        return function, {}
    return None, {}


def _relu(
    negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Known | None:
    """Of its three parameters the library has one of the first two."""
    if threshold != 0.0:
        return None
    if max_value is None:
        if negative_slope == 0.0:
            return Known("relu", 0.0)
        return Known("leaky_relu", float(negative_slope))
    if negative_slope == 0.0 and max_value > 0.0:
        return Known("relu6", float(max_value))
    return None


def _is_number(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, numbers.Real | bool) and math.isfinite(value)


class _All(Collection[Activation]):
    """Every callable that `find` knows; as a list, the functions of Keras."""

    def __contains__(self, function: object) -> bool:
        return find(function) is not None  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Activation]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


ACTIVATIONS: Collection[Activation] = _All()
"""Those that `find` knows, for a kernel's `Abilities`."""
