"""Derivatives of a kernel that has a backward pass of its own.

A framework that differentiates its own operations offers derivatives of any order, in
reverse and in forward mode, under any transform. A kernel that brings its own backward
pass offers one: the first derivative in reverse mode. Here the two are joined. A kernel
states itself as a `Pass`, and `on_jax`, `on_tensorflow` or `on_torch` makes of it a
function that the framework can differentiate in every way:

| what is asked for | what computes it |
|---|---|
| outputs | `Pass.forward` |
| the first derivative in reverse mode | `Pass.backward` |
| a derivative of that, a derivative in forward mode | `Pass.reference` |
"""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Sequence
from types import ModuleType
from typing import Protocol, TypeAlias

from keras_gru.equations import Tensor

ONCE = (
    "the first in reverse mode by the kernel itself, all others by the plain loop of "
    "portable"
)
"""What `on_jax`, `on_tensorflow` and `on_torch` make of a pass, for `explain()`."""

Arrays: TypeAlias = Sequence[Tensor | None]
"""Tensors; None stands for one that the call does not have."""

Tensors: TypeAlias = tuple[Tensor, ...]


class Pass(Hashable, Protocol):
    """A function of tensors, with its gradient.

    In all methods `arrays` are what it can be differentiated by, and `constants` what
    it cannot: masks. `outputs` says how many there are, `training` whether a gradient
    is expected to be taken.
    """

    @property
    def outputs(self) -> int: ...

    @property
    def training(self) -> bool: ...

    def forward(
        self, arrays: Arrays, constants: Arrays, save: bool
    ) -> tuple[Tensors, Tensors]:
        """(outputs, what `backward` needs besides them); without `save` nothing."""

    def backward(
        self,
        arrays: Arrays,
        constants: Arrays,
        outputs: Tensors,
        saved: Tensors,
        cotangents: Arrays,
        wanted: Sequence[bool],
    ) -> Arrays:
        """The gradient of each of `arrays`, None where it is not `wanted`.

        `cotangents` are the gradients of the outputs; None stands for zeros.
        """

    def reference(self, arrays: Arrays, constants: Arrays) -> Tensors:
        """The outputs, from operations that the framework can differentiate."""


def on(backend: str) -> ModuleType:
    """The module for a framework, which is imported with it."""
    return importlib.import_module(f"{__name__}.on_{backend}")
