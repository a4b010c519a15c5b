"""Keras' own recurrent layers, to compare with; their state carried on each backend."""

from __future__ import annotations

from typing import Any

import keras


class Carrying(keras.layers.RNN):
    """Mixin: a layer whose state goes on from call to call, as `keras_gru.GRU`'s does.

    Keras writes the new state into the tensor of the old one, which torch still needs
    for the gradient: the layer gets a copy. And it does not count states as variables,
    so that JAX drops them after each call, and a checkpoint would not have them.
    """

    @property
    def variables(self) -> list[keras.Variable]:
        return [*super().variables, *(self.states or ())]

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        if initial_state is None and self.stateful:
            initial_state = [keras.ops.add(state, 0.0) for state in self.states]
        return super().call(
            sequences, initial_state=initial_state, mask=mask, training=training
        )


@keras.saving.register_keras_serializable(package="keras_gru")
class LSTM(Carrying, keras.layers.LSTM):
    """`keras.layers.LSTM`."""


@keras.saving.register_keras_serializable(package="keras_gru")
class SimpleRNN(Carrying, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN`."""
