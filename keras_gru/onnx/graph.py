"""What is collected for a file: nodes, constants, inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NoReturn

import keras
import numpy as np
import onnx
from onnx import helper, numpy_helper


@dataclass(frozen=True)
class Tensor:
    """A value in the file, with what Keras knows of it.

    Attributes:
        name: of the value.
        shape: None where a size is open.
        dtype: as NumPy calls it.
        mask: `(batch, time)` bool, what Keras attached to it.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"
    mask: Tensor | None = None


@dataclass
class Graph:
    """The file while it is written.

    Attributes:
        opset: version of the operators.
        states: whether layers are written as with `stateful=True`.
        scope: name of the layer that is written; names begin with it.
        kept: what stateful layers give out: a name for it, and the value.
    """

    opset: int
    states: bool = False
    scope: str = ""
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    _nodes: list[Any] = field(default_factory=list)
    _constants: list[Any] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _known: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def name(self, wanted: str) -> str:
        """`wanted`, or it with the first number that nothing has."""
        name, count = wanted, 1
        while name in self._names:
            name, count = f"{wanted}_{count}", count + 1
        self._names.add(name)
        return name

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Appends a node; the names of its outputs."""
        name = self.name(f"{self.scope}/{operator}")
        results = [self.name(f"{name}:{index}") for index in range(outputs)]
        self._nodes.append(
            helper.make_node(operator, inputs, results, name=name, **attributes)
        )
        return results

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Appends a node with one output; its name."""
        return self.nodes(operator, inputs, 1, **attributes)[0]

    def constant(self, value: Any, dtype: str = "float32", name: str = "const") -> str:
        """A value that stands in the file; equal ones are stored once."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        key = dtype, array.shape, sha256(array.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self.name(f"{self.scope}/{name}")
            self._constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def integers(self, *values: int) -> str:
        """A constant vector, as nodes take axes and shapes."""
        return self.constant(values, "int64")

    def cast(self, name: str, dtype: str) -> str:
        return self.node("Cast", name, to=_type(dtype))

    def add_input(self, wanted: str, axes: Sequence[int | str], dtype: str) -> str:
        name = self.name(wanted)
        self.inputs.append(helper.make_tensor_value_info(name, _type(dtype), axes))
        return name

    def add_output(self, wanted: str, value: str, rank: int, dtype: str) -> None:
        """Gives a value out of the file; its sizes are left to shape inference."""
        name = self.name(wanted)
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self.outputs.append(
            helper.make_tensor_value_info(name, _type(dtype), [None] * rank)
        )

    def model(self, name: str, version: str) -> onnx.ModelProto:
        """The whole, checked, with the sizes that can be inferred."""
        versions = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(
            helper.make_graph(
                self._nodes, name, self.inputs, self.outputs, self._constants
            ),
            opset_imports=versions,
            ir_version=helper.find_min_ir_version_for(versions),
            producer_name="keras_gru",
            producer_version=version,
        )
        model = onnx.shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def refuse(layer: Any, reason: str, cause: Exception | None = None) -> NoReturn:
    """Raises the ValueError of a layer or operation that cannot be written."""
    kind = "Layer" if isinstance(layer, keras.Layer) else "Operation"
    raise ValueError(
        f"{kind} {layer.name!r} ({type(layer).__module__}.{type(layer).__name__}) "
        f"cannot be written as ONNX: {reason}"
    ) from cause


def _type(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
