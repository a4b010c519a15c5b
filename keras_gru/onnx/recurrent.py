"""Recurrent layers as nodes: one a layer, or pair of directions, or cell of a stack.

A node knows `sequence_lens`, not masks. Since a masked step changes no state, a row's
used steps can be moved to its front, the node run over so many steps, and what it
returns be moved back: that is exact for every mask, and moves nothing where the padding
is at the end already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_gru.cell import GRUCellV
from keras_gru.layer import GRU
from keras_gru.onnx import gates
from keras_gru.onnx.graph import Graph, Tensor, refuse

INT64_MIN = -(2**63)


@dataclass(frozen=True)
class Kind:
    """A recurrent node: its operator, its states, and what it takes from a cell."""

    operator: str
    states: int
    weights: Callable[[Any, Any], tuple[np.ndarray, np.ndarray, np.ndarray]]

    def functions(self, cell: Any) -> list[Any]:
        """The activations in the node's order: σ, g, and of an LSTM g once more."""
        return [cell.recurrent_activation] + [cell.activation] * self.states


GRU_NODE = Kind("GRU", 1, gates.gru_weights)
LSTM_NODE = Kind("LSTM", 2, gates.lstm_weights)
CELLS = {
    keras.layers.GRUCell: GRU_NODE,
    GRUCellV: GRU_NODE,
    keras.layers.LSTMCell: LSTM_NODE,
}
LAYERS = (GRU, keras.layers.GRU, keras.layers.LSTM, keras.layers.RNN)


@dataclass(frozen=True)
class Steps:
    """What a mask says, as the nodes need it.

    Attributes:
        mask: `(batch, time)` bool, True where a step is used.
        count: `(batch, time)` int64, the used steps up to and with this one.
        total: `(batch, 1)` int64, the used steps of a row.
        some: `(batch, 1)` bool, whether a row has any.
        lengths: `(batch,)` int32, the total or 1, for runtimes disagree about 0 steps.
        order: `(batch, time, 1)` int64, where the used steps are, then the others.
    """

    mask: str
    count: str
    total: str
    some: str
    lengths: str
    order: str


def recurrent(
    graph: Graph, layer: Any, x: Tensor, mask: Tensor | None, initial_state: Any = None
) -> list[str]:
    """A GRU, an LSTM, or an RNN of such cells: the output, then the final states."""
    steps = _steps(graph, layer, x, mask)
    zeros = mask is not None and layer.zero_output_for_mask
    if zeros and not layer.return_sequences and type(layer) is not GRU:
        # Zero where the last step is masked, or the output of the last used step.
        refuse(
            layer,
            "with zero_output_for_mask and without return_sequences Keras' output is "
            "not that of the last used step. Leave zero_output_for_mask out.",
        )
    ((output, states),) = _run(graph, [layer], x, steps, [initial_state])
    if layer.return_sequences and layer.go_backwards:
        output = _flip(graph, output)
    return [output, *states] if layer.return_state else [output]


def bidirectional(
    graph: Graph, layer: Any, x: Tensor, mask: Tensor | None, initial_state: Any = None
) -> list[str]:
    """Both directions, merged: the output or outputs, then the final states."""
    pair = [layer.forward_layer, layer.backward_layer]
    for one in pair:
        if type(one) not in LAYERS:
            refuse(layer, f"it is around {type(one).__name__}, not GRU, LSTM or RNN.")
    states: list[Any] = [None, None]
    if initial_state is not None:
        half = len(initial_state) // 2
        states = [initial_state[:half], initial_state[half:]]
    steps = _steps(graph, layer, x, mask)
    if _are_one_node(pair, steps is not None):
        found = _run(graph, pair, x, steps, states)
    else:
        found = [
            _run(graph, [one], x, steps, [state])[0]
            for one, state in zip(pair, states, strict=True)
        ]
    outputs = [output for output, _ in found]
    if layer.return_sequences and pair[0].go_backwards:
        outputs = [_flip(graph, output) for output in outputs]
    match layer.merge_mode:
        case "concat":
            outputs = [graph.node("Concat", *outputs, axis=-1)]
        case "sum":
            outputs = [graph.node("Add", *outputs)]
        case "mul":
            outputs = [graph.node("Mul", *outputs)]
        case "ave":
            outputs = [graph.node("Mean", *outputs)]
    if layer.return_state:
        outputs += [state for _, final in found for state in final]
    return outputs


def _are_one_node(pair: Sequence[Any], masked: bool) -> bool:
    """Whether one node can be both directions: they differ in nothing but numbers."""
    ahead, back = (one.cell for one in pair)
    shared = ("units", "reset_after", "learn_initial_state")
    # With the outputs of masked steps repeated, each direction has its own order.
    repeated = masked and any(
        one.return_sequences and not one.zero_output_for_mask for one in pair
    )
    return (
        type(ahead) is type(back)
        and type(ahead) in CELLS
        and not pair[0].go_backwards
        and not repeated
        and all(getattr(ahead, key, 0) == getattr(back, key, 0) for key in shared)
    )


def _run(
    graph: Graph,
    layers: Sequence[Any],
    x: Tensor,
    steps: Steps | None,
    initial_states: Sequence[Any],
) -> list[tuple[str, list[str]]]:
    """One layer, or two opposite ones in the same nodes.

    Returns:
        Of each layer the output, `(batch, time, units)` in the order of time or
        `(batch, units)`, and the final states.
    """
    states = [
        _initial(graph, layer, x, given)
        for layer, given in zip(layers, initial_states, strict=True)
    ]
    y = x.name
    if steps is not None:
        y = graph.node("GatherND", y, steps.order, batch_dims=1)
    y = graph.node("Transpose", y, perm=[1, 0, 2])  # (time, batch, features)
    finals: list[list[str]] = [[] for _ in layers]
    for level, cells in enumerate(zip(*map(_cells, layers), strict=True)):
        if level:
            y = graph.node("Squeeze", y, graph.integers(1))
        count = CELLS[type(cells[0])].states
        begin = [
            one[len(done) :][:count] for one, done in zip(states, finals, strict=True)
        ]
        y, last = _node(graph, layers, cells, y, steps, begin)
        for index, final in enumerate(finals):
            final += [graph.node("Gather", one, _scalar(graph, index)) for one in last]
    count = CELLS[type(cells[0])].states
    if layers[0].return_sequences:  # from (time, directions, batch, units)
        y = graph.node("Transpose", y, perm=[1, 2, 0, 3])
    found = []
    for index, (layer, begin_states, final) in enumerate(
        zip(layers, states, finals, strict=True)
    ):
        if layer.return_sequences:
            output = graph.node("Gather", y, _scalar(graph, index))
        else:
            output = final[-count]
        if steps is not None:
            zero = graph.constant(0.0)
            final = [
                graph.node("Where", steps.some, one, begun or zero)
                for one, begun in zip(final, begin_states, strict=True)
            ]
            if layer.return_sequences:
                output = _put_back(graph, layer, output, steps)
            else:
                output = graph.node("Where", steps.some, output, zero)
        found.append((output, final))
    for layer, given, (_, final) in zip(layers, initial_states, found, strict=True):
        if (layer.stateful or graph.states) and given is None:
            names = _names(layer, "new_state", len(final))
            graph.kept += zip(names, final, strict=True)
    return found


def _node(
    graph: Graph,
    layers: Sequence[Any],
    cells: Sequence[Any],
    x: str,
    steps: Steps | None,
    states: Sequence[Sequence[str]],
) -> tuple[str, list[str]]:
    """The node of one cell, or of two in opposite directions.

    Returns:
        Y `(time, directions, batch, units)` and the last states, each `(directions,
        batch, units)`.
    """
    kind = CELLS[type(cells[0])]
    functions = [one for cell in cells for one in kind.functions(cell)]
    attributes = gates.activations(layers[0], functions)
    weights = [
        kind.weights(layer, cell) for layer, cell in zip(layers, cells, strict=True)
    ]
    inputs = [x] + [
        graph.constant(np.stack(parts), name=name)
        for name, parts in zip("WRB", zip(*weights, strict=True), strict=True)
    ]
    inputs.append("" if steps is None else steps.lengths)
    for number in range(kind.states):
        given = [one[number] for one in states]
        inputs.append(_stack(graph, given) if all(given) else "")
    attributes["hidden_size"] = cells[0].units
    attributes["direction"] = "reverse" if layers[0].go_backwards else "forward"
    if len(cells) == 2:
        attributes["direction"] = "bidirectional"
    if kind is GRU_NODE:
        attributes["linear_before_reset"] = int(cells[0].reset_after)
    while not inputs[-1]:
        inputs.pop()
    y, *last = graph.nodes(kind.operator, inputs, 1 + kind.states, **attributes)
    return y, last


def _steps(graph: Graph, layer: Any, x: Tensor, mask: Tensor | None) -> Steps | None:
    """What the nodes need of a mask, `(batch, time)` or `(batch, time, 1)`."""
    if mask is None:
        return None
    name = mask.name if mask.dtype == "bool" else graph.cast(mask.name, "bool")
    if len(mask.shape) == 3 and mask.shape[2] == 1:
        name = graph.node("Squeeze", name, graph.integers(2))
    elif len(mask.shape) != 2:
        refuse(layer, f"its mask has shape {mask.shape}, not (batch, time).")
    if mask.shape[0] == 1 != x.shape[0]:
        refuse(layer, "its mask is one for all rows; give it one a row.")
    used = graph.cast(name, "int64")
    total = graph.node("ReduceSum", used, graph.integers(1), keepdims=1)
    at_least_one = graph.node("Max", total, graph.constant(1, "int64"))
    lengths = graph.node("Squeeze", at_least_one, graph.integers(1))
    time = graph.node("Shape", name, start=1, end=2)
    scalars = [graph.constant(number, "int64") for number in (0, 1)]
    places = graph.node(
        "Range", scalars[0], graph.node("Squeeze", time, graph.integers(0)), scalars[1]
    )
    # In the order of time, the unused ones behind all used ones.
    keys = graph.node("Add", graph.node("Where", name, scalars[0], time), places)
    _, order = graph.nodes("TopK", [keys, time], 2, axis=1, largest=0, sorted=1)
    return Steps(
        mask=name,
        count=graph.node("CumSum", used, scalars[1]),
        total=total,
        some=graph.node("Greater", total, scalars[0]),
        lengths=graph.cast(lengths, "int32"),
        order=graph.node("Unsqueeze", order, graph.integers(2)),
    )


def _put_back(graph: Graph, layer: Any, output: str, steps: Steps) -> str:
    """The outputs of used steps to their places; at the others the one before.

    With `go_backwards` that is the one behind, which is processed before.
    """
    if layer.go_backwards:  # as many used steps are in front of it
        index = graph.node("Sub", steps.count, graph.cast(steps.mask, "int64"))
        shown = graph.node("Less", index, steps.total)
    else:
        one, zero = (graph.constant(number, "int64") for number in (1, 0))
        index = graph.node("Max", graph.node("Sub", steps.count, one), zero)
        shown = graph.node("Greater", steps.count, zero)
    if layer.zero_output_for_mask:
        shown = steps.mask
    index, shown = (
        graph.node("Unsqueeze", value, graph.integers(2)) for value in (index, shown)
    )
    found = graph.node("GatherND", output, index, batch_dims=1)
    return graph.node("Where", shown, found, graph.constant(0.0))


def _cells(layer: Any) -> list[Any]:
    """The cells of a layer, the lowest first."""
    cell = layer.cell
    cells = cell.cells if type(cell) is keras.layers.StackedRNNCells else [cell]
    for one in cells:
        if type(one) not in CELLS:
            names = sorted({kind.__name__ for kind in CELLS} | {"GRUCellV"})
            refuse(
                layer,
                f"its cell {type(one).__name__} is none of {', '.join(names)}.",
            )
    return list(cells)


def _initial(graph: Graph, layer: Any, x: Tensor, given: Any) -> list[str]:
    """The states before the first step, cell by cell; "" where it is zeros."""
    sizes = [
        cell.units for cell in _cells(layer) for _ in range(CELLS[type(cell)].states)
    ]
    if given is not None:
        tensors = keras.tree.flatten(given)
        if len(tensors) != len(sizes):
            refuse(layer, f"it was given {len(tensors)} states, and has {len(sizes)}.")
        for tensor in tensors:
            if len(tensor.shape) != 2 or tensor.shape[0] == 1 != x.shape[0]:
                refuse(
                    layer,
                    f"its initial state has shape {tensor.shape}, not (batch, units).",
                )
        return [tensor.name for tensor in tensors]
    learnt = [_learnt(graph, cell, x) for cell in _cells(layer)]
    if not (layer.stateful or graph.states):
        return [
            state
            for cell, state in zip(_cells(layer), learnt, strict=True)
            for state in [state] * CELLS[type(cell)].states
        ]
    if any(learnt):
        refuse(
            layer,
            "with learn_initial_state=True a file cannot say what its input for the "
            "state begins with. Give the layer an `initial_state`, a keras.Input.",
        )
    batch = "batch" if x.shape[0] is None else x.shape[0]
    return [
        graph.add_input(name, (batch, size), "float32")
        for name, size in zip(_names(layer, "state", len(sizes)), sizes, strict=True)
    ]


def _learnt(graph: Graph, cell: Any, x: Tensor) -> str:
    """The learnt initial state for each row, `(batch, units)`; "" where it is zeros."""
    if not getattr(cell, "learn_initial_state", False):
        return ""
    state = keras.ops.convert_to_numpy(cell.initial_state)  # (units,)
    rows = graph.node("Shape", x.name, start=0, end=1)
    shape = graph.node("Concat", rows, graph.integers(cell.units), axis=0)
    return graph.node("Expand", graph.constant(state, name="initial_state"), shape)


def _names(layer: Any, what: str, count: int) -> list[str]:
    """Of the kept states of a layer, outside of the file."""
    if count == 1:
        return [f"{layer.name}.{what}"]
    return [f"{layer.name}.{what}_{index}" for index in range(count)]


def _stack(graph: Graph, states: Sequence[str]) -> str:
    """`(directions, batch, units)` of the states `(batch, units)`."""
    axis = graph.integers(0)
    return graph.node(
        "Concat", *(graph.node("Unsqueeze", one, axis) for one in states), axis=0
    )


def _flip(graph: Graph, sequence: str) -> str:
    """`(batch, time, units)` with time reversed."""
    bounds = (graph.integers(number) for number in (-1, INT64_MIN, 1, -1))
    return graph.node("Slice", sequence, *bounds)


def _scalar(graph: Graph, number: int) -> str:
    return graph.constant(number, "int64")
