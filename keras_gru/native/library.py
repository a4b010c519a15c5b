"""Finds the compiled GRU (`gru.h`) and speaks its C interface through ctypes.

The library is built when the package is installed on a machine with a C++ compiler.
Nothing is compiled here: where the library is missing, `missing()` gives the reason.
"""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

INTERFACE_VERSION = 4
OUT_OF_MEMORY = 3  # of GruStatus
OPTIONS = 8  # integers of a pass, GRU_OPTIONS of arrays.h

DTYPES = {"float32": 0, "float64": 1, "bfloat16": 2, "float16": 3}
_ACTIVATIONS = """
linear tanh sigmoid relu hard_sigmoid exponential elu selu celu leaky_relu relu6
hard_tanh softsign softplus log_sigmoid silu mish gelu hard_silu hard_shrink soft_shrink
tanh_shrink sparse_plus sparse_sigmoid squareplus
"""  # of keras.activations, in the order of GruActivation
ACTIVATIONS = {name: number for number, name in enumerate(_ACTIVATIONS.split())}
PARAMETERS = {
    "elu": 1.0,
    "celu": 1.0,
    "leaky_relu": 0.2,
    "relu6": 6.0,
    "gelu": 0.0,
    "hard_shrink": 0.5,
    "soft_shrink": 0.5,
    "squareplus": 4.0,
}  # Keras' values of the parameters that gru.h names
INSTRUCTIONS = {"best": 0, "portable": 1, "avx2": 2, "avx512": 3, "avx512_bf16": 4}


class Problem(ctypes.Structure):
    """`GruProblem` of gru.h."""

    _fields_ = [
        ("dtype", ctypes.c_int32),
        ("instructions", ctypes.c_int32),
        ("reset_after", ctypes.c_int32),
        ("update_replaces", ctypes.c_int32),
        ("activation", ctypes.c_int32),
        ("recurrent_activation", ctypes.c_int32),
        ("go_backwards", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("batch", ctypes.c_int64),
        ("timesteps", ctypes.c_int64),
        ("features", ctypes.c_int64),
        ("units", ctypes.c_int64),
        ("activation_parameter", ctypes.c_double),
        ("recurrent_activation_parameter", ctypes.c_double),
    ]


class Forward(ctypes.Structure):
    """`GruForward` of gru.h: addresses of arrays, None for null."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            "sequences",
            "kernel",
            "input_bias",
            "initial_state",
            "recurrent_kernel",
            "recurrent_bias",
            "mask",
            "resets",
            "recurrent_dropout",
            "states",
            "final_state",
            "saved",
        )
    ]


class Backward(ctypes.Structure):
    """`GruBackward` of gru.h: addresses of arrays, None for null."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            "sequences",
            "kernel",
            "initial_state",
            "recurrent_kernel",
            "mask",
            "resets",
            "recurrent_dropout",
            "states",
            "saved",
            "states_gradient",
            "final_gradient",
            "sequences_gradient",
            "kernel_gradient",
            "input_bias_gradient",
            "initial_state_gradient",
            "recurrent_kernel_gradient",
            "recurrent_bias_gradient",
        )
    ]


@dataclass(frozen=True)
class Options:
    """What a call is told besides its arrays; names as in `keras_gru.GRU`.

    Attributes:
        reset_after, update_gate, go_backwards: the convention and the direction.
        activation, recurrent_activation: keys of `ACTIVATIONS`.
        training: whether a gradient is expected to be taken.
        activation_parameter, recurrent_activation_parameter: None for Keras' values.
    """

    reset_after: bool
    update_gate: str
    activation: str
    recurrent_activation: str
    go_backwards: bool
    training: bool = False
    activation_parameter: float | None = None
    recurrent_activation_parameter: float | None = None

    @property
    def parameters(self) -> tuple[float, float]:
        """Those of the activation and of the recurrent activation."""
        return (
            _parameter(self.activation, self.activation_parameter),
            _parameter(self.recurrent_activation, self.recurrent_activation_parameter),
        )

    def as_numbers(self, threads: int) -> list[float]:
        """In the order of `GRU_OPTION_…` in arrays.h."""
        return [
            int(self.reset_after),
            int(self.update_gate == "replace"),
            ACTIVATIONS[self.activation],
            ACTIVATIONS[self.recurrent_activation],
            int(self.go_backwards),
            threads,
            *self.parameters,
        ]

    def as_integers(self, threads: int) -> list[int]:
        """The same, with the bits of the parameters, which are float64."""
        *integers, one, two = self.as_numbers(threads)
        return [*map(int, integers), *struct.unpack("2q", struct.pack("2d", one, two))]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Options:
        """What `as_numbers` gave, back; but for `training`."""
        names = list(ACTIVATIONS)
        reset_after, replaces, one, two, backwards = map(int, numbers[:5])
        return cls(
            reset_after=bool(reset_after),
            update_gate="replace" if replaces else "keep",
            activation=names[one],
            recurrent_activation=names[two],
            go_backwards=bool(backwards),
            activation_parameter=numbers[6],
            recurrent_activation_parameter=numbers[7],
        )

    @classmethod
    def from_integers(cls, integers: Sequence[int]) -> Options:
        """What `as_integers` gave, back; but for `training`."""
        parameters = struct.unpack("2d", struct.pack("2q", *integers[6:]))
        return cls.from_numbers([*integers[:6], *parameters])

    def problem(
        self, dtype: str, shape: tuple[int, ...], units: int, threads: int
    ) -> Problem:
        """The `GruProblem`; `shape` is the sequences', `(batch, time, features)`."""
        return Problem(
            DTYPES[dtype],
            INSTRUCTIONS["best"],
            *map(int, self.as_numbers(threads)[:6]),
            *shape,
            units,
            *self.parameters,
        )


def _parameter(activation: str, given: float | None) -> float:
    return PARAMETERS.get(activation, 0.0) if given is None else given


def path(name: str = "libkeras_gru.so") -> pathlib.Path:
    """Where the installation puts a compiled library."""
    return pathlib.Path(__file__).with_name(name)


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str | None]:
    """The library or None, and the reason why it is None."""
    where = path()
    if not where.exists():
        return None, (
            "the C++ kernel was not built: no C++ compiler worked when keras_gru was "
            "installed; install one (g++ or clang++) and reinstall keras_gru"
        )
    try:
        library = ctypes.CDLL(str(where))
    except OSError as error:
        return None, f"the C++ kernel was built but does not load: {error}"
    library.gru_interface_version.restype = ctypes.c_int32
    version = library.gru_interface_version()
    if version != INTERFACE_VERSION:
        return None, (
            f"the C++ kernel was built for interface {version}, this keras_gru needs "
            f"{INTERFACE_VERSION}; reinstall keras_gru"
        )
    library.gru_best_instructions.restype = ctypes.c_int32
    library.gru_free_memory.restype = ctypes.c_int64
    library.gru_saved_size.restype = ctypes.c_int64
    library.gru_saved_size.argtypes = [ctypes.POINTER(Problem)]
    library.gru_forward.restype = ctypes.c_int32
    library.gru_backward.restype = ctypes.c_int32
    library.gru_status_message.restype = ctypes.c_char_p
    library.gru_status_message.argtypes = [ctypes.c_int32]
    return library, None


def missing() -> str | None:
    """Why the compiled library cannot be used; None where it can."""
    return _load()[1]


def library() -> ctypes.CDLL:
    """The compiled library.

    Raises:
        RuntimeError: if it is not there; `missing()` gives the same reason as data.
    """
    loaded, reason = _load()
    if loaded is None:
        raise RuntimeError(reason)
    return loaded


def best_instructions() -> str:
    """The widest vector instructions of this processor, a key of `INSTRUCTIONS`."""
    code = library().gru_best_instructions()
    return next(name for name, value in INSTRUCTIONS.items() if value == code)


def available_processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def saved_size(problem: Problem) -> int:
    """Numbers of the problem's dtype that a forward pass saves for the backward one."""
    size = int(library().gru_saved_size(ctypes.byref(problem)))
    if size < 0:
        raise ValueError("gru_saved_size: the problem has an argument out of range")
    return size


def forward(*passes: tuple[Problem, Forward]) -> None:
    """Runs `gru_forward`; the interpreter lock is released meanwhile.

    Args:
        passes: one, or two that share the threads and the states; see gru.h.

    Raises:
        RuntimeError: if the library returns a status other than "done".
    """
    _check("gru_forward", library().gru_forward(*_side_by_side(passes)))


def backward(*passes: tuple[Problem, Backward]) -> None:
    """Runs `gru_backward`; the interpreter lock is released meanwhile.

    Args:
        passes: as those of `forward`.

    Raises:
        RuntimeError: if the library returns a status other than "done".
    """
    _check("gru_backward", library().gru_backward(*_side_by_side(passes)))


def _side_by_side(passes: Sequence[tuple[Problem, Any]]) -> tuple[Any, Any, Any]:
    """The count, an array of the problems, an array of the calls."""
    problems, calls = zip(*passes, strict=True)
    count = len(passes)
    return (
        ctypes.c_int32(count),
        (Problem * count)(*problems),
        (type(calls[0]) * count)(*calls),
    )


def _check(function: str, status: int) -> None:
    if status != 0:
        message = library().gru_status_message(status).decode()
        kind = MemoryError if status == OUT_OF_MEMORY else RuntimeError
        raise kind(f"{function} failed: {message}")


def free_memory() -> int:
    """Gives back the memory that is kept for the next call, at most 256 MiB.

    Returns:
        Its bytes.
    """
    return int(library().gru_free_memory())
