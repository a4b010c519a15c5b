"""The C++ GRU as a function with a gradient, whichever framework calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from keras_gru.autodiff import Arrays, Tensors
from keras_gru.equations import Activation
from keras_gru.kernels import recurrence
from keras_gru.kernels.contract import SequenceTensors
from keras_gru.kernels.recurrence import Recurrence
from keras_gru.native import binding, library
from keras_gru.native.library import Options

ACTIVATIONS: dict[Activation, str] = {
    getattr(keras.activations, name): name for name in library.ACTIVATIONS
}
FUNCTIONS = {name: function for function, name in ACTIVATIONS.items()}


@dataclass(frozen=True)
class Native:
    """An `autodiff.Pass`: all steps in one call of the library.

    Its arrays are the sequences `(batch, time, features)`, the kernel, the input bias,
    the initial state, the recurrent kernel and the recurrent bias, in this order.
    Without a kernel the sequences are projected already, `(batch, time, 3 * units)`;
    the biases may be None too. Its constants are the mask and the resets
    `(batch, time)` and the factors of the recurrent dropout `(3, batch, units)`; each
    may be None.

    Its outputs are the states `(batch, time, units)`, where they are asked for, and the
    final state `(batch, units)`.
    """

    options: Options
    return_states: bool

    @property
    def training(self) -> bool:
        return self.options.training

    @property
    def outputs(self) -> int:
        return 2 if self.return_states else 1

    def forward(
        self, arrays: Arrays, constants: Arrays, save: bool
    ) -> tuple[Tensors, Tensors]:
        states, final_state, saved = binding().forward(
            self.options, arrays, *constants, self.return_states or save, save
        )
        if self.return_states:
            return (states, final_state), (saved,) if save else ()
        return (final_state,), (states, saved) if save else ()

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
        gradients: Arrays = binding().backward(
            self.options, arrays, *constants, outputs[0], *saved, cotangents, wanted
        )
        return gradients

    def reference(self, arrays: Arrays, constants: Arrays) -> Tensors:
        sequences, kernel, input_bias, state, recurrent_kernel, recurrent_bias = arrays
        mask, resets, dropout = constants
        plain = Recurrence(
            reset_after=self.options.reset_after,
            update_gate=self.options.update_gate,
            activation=FUNCTIONS[self.options.activation],
            recurrent_activation=FUNCTIONS[self.options.recurrent_activation],
            recurrent_dropout=dropout is not None,
        )
        states, final_state = recurrence.run(
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
            self.options.go_backwards,
        )
        return (states, final_state) if self.return_states else (final_state,)
