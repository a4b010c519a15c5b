"""The compiled GRU on NumPy arrays: one call, its gradients, random numbers for it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import ml_dtypes
import numpy as np
import pytest

from keras_gru.kernels.native_cpu import binding
from keras_gru.native import library
from keras_gru.native.function import Native
from tests import oracle

needs_library = pytest.mark.skipif(
    library.missing() is not None, reason=str(library.missing())
)
GRADIENTS = (
    "sequences",
    "kernel",
    "input_bias",
    "initial_state",
    "recurrent_kernel",
    "recurrent_bias",
)


def instructions():
    """Every instruction set that this processor has."""
    names = list(library.INSTRUCTIONS)[1:]
    return names[: names.index(library.best_instructions()) + 1]


def run(options, arrays, mask, return_states):
    """The kernel, differentiable, from the framework that Keras runs on.

    Returns the states `(batch, time, units)` or None, and the final state.
    """
    *states, final_state = binding().differentiable(
        Native(binding(), (options,), return_states), arrays, (mask, None, None)
    )
    return (states[0] if states else None), final_state


@dataclass
class Numbers:
    """Random float64 arrays for one call, and the gradients that come down to it."""

    sequences: np.ndarray  # (batch, time, features)
    kernel: np.ndarray
    input_bias: np.ndarray
    initial_state: np.ndarray
    recurrent_kernel: np.ndarray
    recurrent_bias: np.ndarray
    mask: np.ndarray | None  # (batch, time)
    states_gradient: np.ndarray
    final_gradient: np.ndarray
    dropout: np.ndarray | None = None  # (3, batch, units)
    resets: np.ndarray | None = None  # (batch, time), before which the state is zero

    @property
    def arrays(self):
        return [getattr(self, name) for name in GRADIENTS]


def draw(shape, mask="none", reset_after=True, seed=0, dropout=0.0):
    """Numbers for sizes (batch, time, features, units), a kind of mask, a rate."""
    batch, timesteps, features, units = shape
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, timesteps + 1, batch)
    used = {
        "none": lambda: None,
        "right": lambda: np.arange(timesteps) < lengths[:, None],
        "left": lambda: np.arange(timesteps) >= timesteps - lengths[:, None],
        "holes": lambda: rng.random((batch, timesteps)) < 0.5,
        "rows": lambda: np.repeat(rng.random((batch, 1)) < 0.5, timesteps, 1),
        "empty": lambda: np.zeros((batch, timesteps), bool),
    }[mask]()
    normal = rng.standard_normal
    return Numbers(
        normal((batch, timesteps, features)),
        normal((features, 3 * units)) / np.sqrt(features),
        normal(3 * units),
        normal((batch, units)),
        normal((units, 3 * units)) / np.sqrt(units),
        normal(3 * units) if reset_after else None,
        used,
        normal((batch, timesteps, units)),
        normal((batch, units)),
        (rng.random((3, batch, units)) >= dropout) / (1 - dropout) if dropout else None,
    )


def rounded(numbers, dtype):
    """The nearest numbers that the dtype has, as float64: what the library is given."""
    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))

    def nearest(array):
        if array is None or array.dtype == bool:
            return array
        return array.astype(dtype).astype("float64")

    values = {one.name: getattr(numbers, one.name) for one in fields(numbers)}
    return Numbers(**{name: nearest(value) for name, value in values.items()})


def expected(numbers, **options):
    """States, final state and the gradients in the order of `GRADIENTS`."""
    bias = numbers.input_bias
    if options["reset_after"]:
        bias = np.stack([bias, numbers.recurrent_bias])
    ran = oracle.forward(
        numbers.sequences,
        numbers.initial_state,
        numbers.kernel,
        numbers.recurrent_kernel,
        bias,
        mask=numbers.mask,
        recurrent_dropout_masks=numbers.dropout,
        restarts=numbers.resets,
        **options,
    )
    # The oracle's outputs are 0 before the first used step, the states are not; the
    # gradient that comes down to those states belongs to the initial state.
    order = slice(None, None, -1 if options.get("go_backwards") else 1)
    d_outputs, before = numbers.states_gradient, 0.0
    if numbers.mask is not None:
        begun = np.cumsum(numbers.mask[:, order], 1) > 0  # (batch, time)
        before = np.where(begun[..., None], 0.0, d_outputs).sum(1)
    gradients = oracle.backward(ran, d_outputs, numbers.final_gradient)
    d_bias = gradients["bias"]
    rows = list(d_bias) if options["reset_after"] else [d_bias, None]
    return [
        ran.states,
        ran.final_state,
        gradients["x"],
        gradients["kernel"],
        rows[0],
        gradients["h0"] + before,
        gradients["recurrent_kernel"],
        rows[1],
    ]


class Layer:
    """One call of the library and its gradients, on dense NumPy arrays."""

    def __init__(
        self,
        dtype="float64",
        reset_after=True,
        update_gate="keep",
        activation="tanh",
        recurrent_activation="sigmoid",
        go_backwards=False,
        threads=1,
        instructions="best",
    ):
        self.dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
        self.threads = threads
        self.instructions = library.INSTRUCTIONS[instructions]
        self.options = library.Options(
            reset_after, update_gate, activation, recurrent_activation, go_backwards
        )

    def run(self, numbers):
        """Forward and backward: the list that `expected` returns."""
        return [*self.forward(numbers), *self.backward(numbers)]

    def forward(self, numbers, save=True, projected=False):
        """The states and the final state."""
        self.inputs = [self._cast(array) for array in numbers.arrays]
        if projected:
            self.inputs[1:3] = None, None
        self.mask = self._cast(numbers.mask, np.uint8)
        self.resets = self._cast(numbers.resets, np.uint8)
        self.dropout = self._cast(numbers.dropout)
        batch, timesteps, features = self.inputs[0].shape
        units = self.inputs[3].shape[1]
        self.problem = self.options.problem(
            self.dtype.name, (batch, timesteps, features), units, self.threads
        )
        self.problem.instructions = self.instructions
        # NaN shows what the library does not write.
        self.states = self._empty((batch, timesteps, units))
        self.final = self._empty((batch, units))
        size = library.saved_size(self.problem)
        self.saved = self._empty((size,)) if save else None
        self.forward_call = library.Forward(
            *map(_address, (*self.inputs, self.mask, self.resets, self.dropout)),
            *map(_address, (self.states, self.final, self.saved)),
        )
        library.forward((self.problem, self.forward_call))
        return [self.states, self.final]

    def backward(self, numbers, wanted=GRADIENTS, final_only=False):
        """The gradients of all inputs, None for those that are not wanted."""
        x, kernel, _, state, recurrent, _ = self.inputs
        self.incoming = [
            None if final_only else self._cast(numbers.states_gradient),
            self._cast(numbers.final_gradient),
        ]
        self.results = [
            None if array is None or name not in wanted else self._empty(array.shape)
            for array, name in zip(self.inputs, GRADIENTS, strict=True)
        ]
        self.backward_call = library.Backward(
            *map(_address, (x, kernel, state, recurrent)),
            *map(_address, (self.mask, self.resets, self.dropout)),
            *map(_address, (self.states, self.saved, *self.incoming, *self.results)),
        )
        library.backward((self.problem, self.backward_call))
        return self.results

    def _cast(self, array, dtype=None):
        if array is None:
            return None
        return np.ascontiguousarray(array, dtype or self.dtype)

    def _empty(self, shape):
        return np.full(shape, np.nan, self.dtype)


def _address(array):
    return None if array is None else array.ctypes.data
