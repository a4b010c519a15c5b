"""The table of systems: what each can hold, and how it writes that into arrays.

`write` and `read` are of one GRU in one direction, its gates in the system's order; a
`Joining` puts the directions and layers together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from keras_gru.convert.terms import Form, Terms
from keras_gru.equations import split_gates

Arrays: TypeAlias = dict[str, np.ndarray]

BOTH, AFTER, BEFORE = (True, False), (True,), (False,)

OF_ONNX = (
    "elu",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "relu",
    "sigmoid",
    "softplus",
    "softsign",
    "tanh",
)
OF_OPENVINO = ("relu", "sigmoid", "tanh")


class Size(NamedTuple):
    """What a set of arrays holds."""

    units: int
    layers: int
    directions: int
    features: int  # of the first layer


class Joining(NamedTuple):
    """How a system puts layers and directions into one set of arrays."""

    join: Callable[[list[list[Arrays]]], Arrays]
    split: Callable[[Arrays, Size], list[list[Arrays]]]
    stacks: bool = False  # whether it holds more than one layer


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes:
        gates: the order of its gates, `"zrn"` or `"rzn"`.
        form: what it can hold.
        write, read: one GRU to its arrays and back.
        joining: how directions and layers stand together.
        activations: the names of what it has for g; None for any.
        recurrent_activations: the same for σ.
    """

    gates: str
    form: Form
    write: Callable[[Terms], Arrays]
    read: Callable[[Arrays], Terms]
    joining: Joining
    activations: tuple[str, ...] | None = ("tanh",)
    recurrent_activations: tuple[str, ...] | None = ("sigmoid",)

    def to_arrays(self, rows: list[list[Terms]]) -> Arrays:
        """By layer and direction, gates in the order z, r, n, to the arrays."""
        return self.joining.join(
            [[self.write(_reordered(one, self.gates)) for one in row] for row in rows]
        )

    def to_terms(self, arrays: Arrays, size: Size) -> list[list[Terms]]:
        """Back; the arrays must have the names and shapes that belong to `size`."""
        return [
            [_reordered(self.read(one), self.gates) for one in row]
            for row in self.joining.split(arrays, size)
        ]


def _reordered(terms: Terms, gates: str) -> Terms:
    """From z, r, n into the order of a system, and back: z and r change places."""
    if gates == "zrn":
        return terms

    def swap(a: np.ndarray) -> np.ndarray:
        z, r, n = split_gates(a)
        return np.concatenate([r, z, n], axis=-1)

    return replace(
        terms, w=swap(terms.w), u=swap(terms.u), b=swap(terms.b), c=swap(terms.c)
    )


def _terms(
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None = None,
    c: np.ndarray | None = None,
    *,
    reset_after: bool = True,
    update_gate: str = "keep",
) -> Terms:
    zero = np.zeros(u.shape[-1])
    return Terms(
        w,
        u,
        zero if b is None else b,
        zero if c is None else c,
        reset_after,
        update_gate,
        biased=b is not None,
    )


def _candidate(c_n: np.ndarray) -> np.ndarray:
    """c with zeros for the two other gates."""
    return np.concatenate([np.zeros(2 * len(c_n)), c_n])


def _write_keras(t: Terms) -> Arrays:
    arrays = {"kernel": t.w, "recurrent_kernel": t.u}
    if t.biased:
        arrays["bias"] = np.stack([t.b, t.c]) if t.reset_after else t.b
    return {**arrays, "reset_after": np.asarray(t.reset_after)}


def _read_keras(a: Arrays) -> Terms:
    after = bool(a["reset_after"])
    bias = a.get("bias")
    b, c = bias if bias is not None and after else (bias, None)
    return _terms(a["kernel"], a["recurrent_kernel"], b, c, reset_after=after)


def _write_torch(t: Terms) -> Arrays:
    arrays = {"weight_ih": t.w.T, "weight_hh": t.u.T}
    return {**arrays, "bias_ih": t.b, "bias_hh": t.c} if t.biased else arrays


def _read_torch(a: Arrays) -> Terms:
    biases = (a["bias_ih"], a["bias_hh"]) if "bias_ih" in a else (None, None)
    return _terms(a["weight_ih"].T, a["weight_hh"].T, *biases)


def _write_onnx(t: Terms) -> Arrays:
    arrays = {"W": t.w.T, "R": t.u.T}
    if t.biased:
        arrays["B"] = np.concatenate([t.b, t.c])
    return {**arrays, "linear_before_reset": np.asarray(int(t.reset_after))}


def _read_onnx(a: Arrays) -> Terms:
    after = bool(a["linear_before_reset"])
    b, c = np.split(a["B"], 2) if "B" in a else (None, None)
    if b is not None and c is not None and not after:
        b, c = b + c, None  # both stand outside of the reset gate
    return _terms(a["W"].T, a["R"].T, b, c, reset_after=after)


def _write_openvino(t: Terms) -> Arrays:
    _, _, c_n = split_gates(t.c)
    return {
        "W": t.w.T,
        "R": t.u.T,
        "B": np.concatenate([t.b, c_n]) if t.reset_after else t.b,
        "linear_before_reset": np.asarray(int(t.reset_after)),
    }


def _read_openvino(a: Arrays) -> Terms:
    w, u, after = a["W"].T, a["R"].T, bool(a["linear_before_reset"])
    gates = u.shape[-1]
    c = _candidate(a["B"][gates:]) if after else None
    return _terms(w, u, a["B"][:gates], c, reset_after=after)


def _write_flax_linen(t: Terms) -> Arrays:
    arrays: Arrays = {}
    for gate, w, u, b in zip("rzn", *map(split_gates, (t.w, t.u, t.b)), strict=True):
        arrays |= {f"i{gate}/kernel": w, f"i{gate}/bias": b, f"h{gate}/kernel": u}
    return {**arrays, "hn/bias": split_gates(t.c)[2]}


def _read_flax_linen(a: Arrays) -> Terms:
    def together(name: str) -> np.ndarray:
        return np.concatenate([a[name.format(gate)] for gate in "rzn"], axis=-1)

    return _terms(
        together("i{}/kernel"),
        together("h{}/kernel"),
        together("i{}/bias"),
        _candidate(a["hn/bias"]),
    )


def _write_flax_nnx(t: Terms) -> Arrays:
    return {"dense_i/kernel": t.w, "dense_i/bias": t.b, "dense_h/kernel": t.u}


def _read_flax_nnx(a: Arrays) -> Terms:
    return _terms(a["dense_i/kernel"], a["dense_h/kernel"], a["dense_i/bias"])


def _write_equinox(t: Terms) -> Arrays:
    arrays = {"weight_ih": t.w.T, "weight_hh": t.u.T}
    return (
        {**arrays, "bias": t.b, "bias_n": split_gates(t.c)[2]} if t.biased else arrays
    )


def _read_equinox(a: Arrays) -> Terms:
    biases = (a["bias"], _candidate(a["bias_n"])) if "bias" in a else (None, None)
    return _terms(a["weight_ih"].T, a["weight_hh"].T, *biases)


def _write_haiku(t: Terms) -> Arrays:
    return {"w_i": t.w, "w_h": t.u, "b": t.b}


def _read_haiku(a: Arrays) -> Terms:
    return _terms(a["w_i"], a["w_h"], a["b"], reset_after=False, update_gate="replace")


def _write_tf1_block(t: Terms) -> Arrays:
    both = np.concatenate([t.w, t.u])
    gates = 2 * len(t.u)
    return {
        "w_ru": both[:, :gates],
        "w_c": both[:, gates:],
        "b_ru": t.b[:gates],
        "b_c": t.b[gates:],
    }


def _read_tf1_block(a: Arrays) -> Terms:
    both = np.concatenate([a["w_ru"], a["w_c"]], axis=-1)
    features = len(both) - a["w_c"].shape[-1]
    b = np.concatenate([a["b_ru"], a["b_c"]])
    return _terms(both[:features], both[features:], b, reset_after=False)


# Names: "forward/" and "backward/" before them, if there are two directions.
def _join_names(layers: list[list[Arrays]]) -> Arrays:
    (directions,) = layers
    if len(directions) == 1:
        return directions[0]
    return {
        f"{direction}/{name}": array
        for direction, arrays in zip(("forward", "backward"), directions, strict=True)
        for name, array in arrays.items()
    }


def _split_names(arrays: Arrays, size: Size) -> list[list[Arrays]]:
    if size.directions == 1:
        return [[arrays]]
    return [
        [
            {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            for prefix in ("forward/", "backward/")
        ]
    ]


# Directions along the first axis of each array; what has no axis is of both.
def _join_axis(layers: list[list[Arrays]]) -> Arrays:
    (directions,) = layers
    return {
        name: np.stack([one[name] for one in directions]) if array.ndim else array
        for name, array in directions[0].items()
    }


def _split_axis(arrays: Arrays, size: Size) -> list[list[Arrays]]:
    return [
        [
            {name: array[d] if array.ndim else array for name, array in arrays.items()}
            for d in range(size.directions)
        ]
    ]


# torch.nn.GRU: a suffix for layer and direction; torch.nn.GRUCell has none.
def _suffixes(layers: int, directions: int) -> list[list[str]]:
    ends = ("", "_reverse")[:directions]
    return [[f"_l{layer}{end}" for end in ends] for layer in range(layers)]


def _join_torch(layers: list[list[Arrays]]) -> Arrays:
    return {
        name + suffix: array
        for row, suffixes in zip(
            layers, _suffixes(len(layers), len(layers[0])), strict=True
        )
        for arrays, suffix in zip(row, suffixes, strict=True)
        for name, array in arrays.items()
    }


def _split_torch(arrays: Arrays, size: Size) -> list[list[Arrays]]:
    return [
        [
            {
                name.removesuffix(suffix): array
                for name, array in arrays.items()
                if name.endswith(suffix)
            }
            for suffix in suffixes
        ]
        for suffixes in _suffixes(size.layers, size.directions)
    ]


# cuDNN: torch's matrices of every layer and direction, then all their biases, flat.
MATRICES, BIASES = ("weight_ih", "weight_hh"), ("bias_ih", "bias_hh")


def _join_cudnn(layers: list[list[Arrays]]) -> Arrays:
    blocks = [
        one[name].ravel()
        for names in (MATRICES, BIASES)
        for directions in layers
        for one in directions
        for name in names
    ]
    return {"params": np.concatenate(blocks)}


def _split_cudnn(arrays: Arrays, size: Size) -> list[list[Arrays]]:
    rest, gates = arrays["params"], 3 * size.units
    found: list[list[Arrays]] = [
        [{} for _ in range(size.directions)] for _ in range(size.layers)
    ]
    for names in (MATRICES, BIASES):
        for layer, row in enumerate(found):
            features = size.directions * size.units if layer else size.features
            shapes = {"weight_ih": (gates, features), "weight_hh": (gates, size.units)}
            for one in row:
                for name in names:
                    shape = shapes.get(name, (gates,))
                    block, rest = np.split(rest, [math.prod(shape)])
                    one[name] = block.reshape(shape)
    return found


def _biased(write: Callable[[Terms], Arrays]) -> Callable[[Terms], Arrays]:
    """For a system that always has biases."""
    return lambda terms: write(replace(terms, biased=True))


NAMES = Joining(_join_names, _split_names)
AXIS = Joining(_join_axis, _split_axis)
TORCH = Joining(_join_torch, _split_torch, stacks=True)
CUDNN = Joining(_join_cudnn, _split_cudnn, stacks=True)

SYSTEMS: Mapping[str, System] = MappingProxyType(
    {
        "keras": System(
            gates="zrn",
            form=Form(BOTH, "two"),
            write=_write_keras,
            read=_read_keras,
            joining=NAMES,
            activations=None,
            recurrent_activations=None,
        ),
        "torch": System(
            gates="rzn",
            form=Form(AFTER, "two"),
            write=_write_torch,
            read=_read_torch,
            joining=TORCH,
        ),
        "onnx": System(
            gates="zrn",
            form=Form(BOTH, "two"),
            write=_write_onnx,
            read=_read_onnx,
            joining=AXIS,
            activations=OF_ONNX,
            recurrent_activations=OF_ONNX,
        ),
        "openvino": System(
            gates="zrn",
            form=Form(BOTH, "candidate"),
            write=_write_openvino,
            read=_read_openvino,
            joining=AXIS,
            activations=OF_OPENVINO,
            recurrent_activations=OF_OPENVINO,
        ),
        "flax_linen": System(
            gates="rzn",
            form=Form(AFTER, "candidate"),
            write=_write_flax_linen,
            read=_read_flax_linen,
            joining=NAMES,
            activations=None,
            recurrent_activations=None,
        ),
        "flax_nnx": System(
            gates="rzn",
            form=Form(AFTER, "one"),
            write=_write_flax_nnx,
            read=_read_flax_nnx,
            joining=NAMES,
            activations=None,
            recurrent_activations=None,
        ),
        "equinox": System(
            gates="rzn",
            form=Form(AFTER, "candidate"),
            write=_write_equinox,
            read=_read_equinox,
            joining=NAMES,
        ),
        "haiku": System(
            gates="zrn",
            form=Form(BEFORE, "one", update_gate="replace"),
            write=_write_haiku,
            read=_read_haiku,
            joining=NAMES,
        ),
        "tf1_block": System(
            gates="rzn",
            form=Form(BEFORE, "one"),
            write=_write_tf1_block,
            read=_read_tf1_block,
            joining=NAMES,
        ),
        "cudnn": System(
            gates="rzn",
            form=Form(AFTER, "two"),
            write=_biased(_write_torch),
            read=_read_torch,
            joining=CUDNN,
        ),
    }
)
"""Name → its row. `keras_gru.convert` describes the arrays of each."""
