"""The C++ GRU as a function with a gradient, whichever framework calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_gru import backends
from keras_gru.autodiff import Arrays, Tensors
from keras_gru.equations import Tensor
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceTensors
from keras_gru.kernels.recurrence import Recurrence
from keras_gru.native.activations import Known
from keras_gru.native.library import Options

ARRAYS, CONSTANTS = 6, 3


@dataclass(frozen=True)
class Native:
    """An `autodiff.Pass`: all steps, of one pass or two, in one call of the library.

    Its arrays are those of each pass: the sequences `(batch, time, features)`, the
    kernel, the input bias, the initial state, the recurrent kernel and the recurrent
    bias, in this order. Without a kernel the sequences are projected already,
    `(batch, time, 3 * units)`; the biases may be None too. Its constants are the mask
    and the resets `(batch, time)` and the factors of the recurrent dropout
    `(3, batch, units)` of each pass; each may be None.

    Its outputs are the states `(batch, time, units)`, where they are asked for, and the
    final state `(batch, units)` of each pass. The states of two passes are one array
    `(batch, time, 2 * units)`, in the order of time; those of a single one are in
    processing order.

    Attributes:
        framework: the module of this folder that calls the library from it, with
            `forward` and `backward`; `on_torch` says what they take.
        options: of each pass.
        return_states: whether the states are among the outputs.
    """

    framework: Any
    options: tuple[Options, ...]
    return_states: bool

    @property
    def training(self) -> bool:
        return any(one.training for one in self.options)

    @property
    def outputs(self) -> int:
        return len(self.options) + self.return_states

    def forward(
        self, arrays: Arrays, constants: Arrays, save: bool
    ) -> tuple[Tensors, Tensors]:
        states, finals, saved = self.framework.forward(
            self.options, arrays, constants, self.return_states or save, save
        )
        if self.return_states:
            return (states, *finals), tuple(saved) if save else ()
        return tuple(finals), (states, *saved) if save else ()

    def backward(
        self,
        arrays: Arrays,
        constants: Arrays,
        outputs: Tensors,
        saved: Tensors,
        cotangents: Arrays,
        wanted: Sequence[bool],
    ) -> Arrays:
        if not self.return_states:
            outputs, saved = saved[:1], saved[1:]
            cotangents = (None, *cotangents)
        gradients: Arrays = self.framework.backward(
            self.options, arrays, constants, outputs[0], saved, cotangents, wanted
        )
        return gradients

    def reference(self, arrays: Arrays, constants: Arrays) -> Tensors:
        passes = zip(
            self.options,
            each_pass(arrays, ARRAYS),
            each_pass(constants, CONSTANTS),
            strict=True,
        )
        all_states, finals = zip(*(_reference(*one) for one in passes), strict=True)
        if not self.return_states:
            return tuple(finals)
        if len(self.options) == 1:
            return (all_states[0], *finals)
        in_time = [
            ops.flip(states, axis=1) if one.go_backwards else states
            for one, states in zip(self.options, all_states, strict=True)
        ]
        return (backends.current().concatenate(in_time), *finals)


def each_pass(arrays: Arrays, count: int) -> list[Arrays]:
    """The arrays of each pass, `count` of them."""
    return [arrays[at : at + count] for at in range(0, len(arrays), count)]


def _reference(
    options: Options, arrays: Arrays, constants: Arrays
) -> tuple[Tensor, Tensor]:
    """The states in processing order and the final state of one pass."""
    sequences, kernel, input_bias, state, recurrent_kernel, recurrent_bias = arrays
    mask, resets, dropout = constants
    parameter, recurrent_parameter = options.parameters
    plain = Recurrence(
        reset_after=options.reset_after,
        update_gate=options.update_gate,
        activation=Known(options.activation, parameter).function(),
        recurrent_activation=Known(
            options.recurrent_activation, recurrent_parameter
        ).function(),
        recurrent_dropout=dropout is not None,
    )
    return recurrence.run(
        plain.states,
        SequenceTensors(
            sequences=sequences,
            initial_state=state,
            kernel=kernel,
            recurrent_kernel=recurrent_kernel,
            input_bias=input_bias,
            recurrent_bias=recurrent_bias,
            mask=mask,
            resets=resets,
            recurrent_dropout_masks=() if dropout is None else tuple(dropout),
        ),
        options.go_backwards,
    )
