"""`keras_gru.GRU` and `keras.layers.GRU` on the backend of this process."""

from __future__ import annotations

import importlib
from typing import Any

import keras

import keras_gru
from benchmarks.contenders.contender import Built
from benchmarks.numbers import Numbers, is_after
from benchmarks.rows import CONVENTIONS, Group, keep_forms

JIT = " jit"
"""Ends the name of a contender that XLA compiles although Keras would not."""


class _KerasLayer:
    """What the two share.

    Args:
        jit: compiled by XLA although Keras would not; on TensorFlow.
    """

    name: str
    padding = "repeat"

    def arguments(self, convention: str) -> dict[str, Any]:
        """What the class takes for a convention."""
        raise NotImplementedError

    def layer(self, units: int, **arguments: Any) -> Any:
        """A layer of the class."""
        raise NotImplementedError

    def __init__(self, jit: bool = False) -> None:
        self.backend = keras.backend.backend()
        self.jit = jit
        if jit:
            self.name += JIT

    def absence(self, group: Group) -> str | None:
        return None

    def build(self, group: Group, convention: str, numbers: Numbers) -> Built:
        generation = group.mode == "generation"
        by_hand = generation and self.backend == "jax"  # see `call_in_jax`
        layer = self.layer(
            group.shape.units,
            return_sequences=True,
            return_state=by_hand,
            stateful=generation and not by_hand,
            **self.arguments(convention),
        )
        layer.build(tuple(group.shape[:3]))
        layer.cell.kernel.assign(numbers.kernel)
        layer.cell.recurrent_kernel.assign(numbers.recurrent_kernel)
        layer.cell.bias.assign(numbers.bias_for(convention))
        jit = {"jit": True} if self.jit else {}
        built: Built = _runner(self.backend)(layer, group, numbers, **jit)
        return built


class Ours(_KerasLayer):
    """`keras_gru.GRU` with a kernel of its choice, or with a named one."""

    def __init__(self, kernel: str = "auto", jit: bool = False) -> None:
        self.kernel = kernel
        self.name = "keras_gru" if kernel == "auto" else f"keras_gru[{kernel}]"
        super().__init__(jit)
        # A kernel of another backend, named on the command line, is no error.
        self.is_ours = kernel == "auto"

    def conventions(self, group: Group) -> tuple[str, ...]:
        return _keep_after(group.conventions) if self.jit else group.conventions

    def arguments(self, convention: str) -> dict[str, Any]:
        return {**CONVENTIONS[convention], "kernel": self.kernel}

    def layer(self, units: int, **arguments: Any) -> Any:
        return keras_gru.GRU(units, **arguments)


class KerasGRU(_KerasLayer):
    """`keras.layers.GRU`, which has the keep conventions."""

    name = "keras.layers.GRU"
    is_ours = False

    def conventions(self, group: Group) -> tuple[str, ...]:
        conventions = keep_forms(group.conventions)
        return _keep_after(conventions) if self.jit else conventions

    def arguments(self, convention: str) -> dict[str, Any]:
        return {"reset_after": is_after(convention)}

    def layer(self, units: int, **arguments: Any) -> Any:
        return keras.layers.GRU(units, **arguments)


def _keep_after(conventions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in conventions if name == "keep_after")


def _runner(backend: str) -> Any:
    """What calls a layer as Keras would on this backend."""
    return importlib.import_module(f"benchmarks.contenders.call_in_{backend}").build
