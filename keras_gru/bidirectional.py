"""Both directions in one native call, with the masks of the states, and with resets."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gru import backends, kernels
from keras_gru.equations import Tensor
from keras_gru.inputs import get_keras_mask
from keras_gru.kernels import native_cpu
from keras_gru.kernels.contract import shapes_alone
from keras_gru.layer import GRU
from keras_gru.surroundings import Surroundings


@keras.saving.register_keras_serializable(package="keras_gru")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional`, faster around `GRU`, and with resets.

    The same arguments, weights and results. What differs:

    - Where both directions are a `GRU` that the kernel `native_cpu` runs, one call runs
      both: they share the threads and write their outputs side by side, in the order of
      time. It needs the same `units`, dtypes and, under a mask,
      `zero_output_for_mask`, a forward layer that does not go backwards, and no
      `activity_regularizer` on either layer; the conventions may differ. Otherwise the
      two layers are called one after the other, as Keras does.
    - The call takes `resets` as that of `GRU` does: both directions start anew at the
      same borders, each at its own side of them.
    - Under a mask, `stateful=True, return_state=True` works; Keras' own raises a
      TypeError.

    Raises:
        ValueError: `resets` around layers that are no `GRU`.

    Example:

    >>> import keras_gru, numpy as np
    >>> layer = keras_gru.Bidirectional(keras_gru.GRU(4, return_sequences=True))
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 8)
    """

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        *,
        resets: Any = None,
    ) -> Any:
        """As Keras' own; `resets` are `(batch, time)` bool."""
        layers = self.forward_layer, self.backward_layer
        if not all(isinstance(layer, GRU) for layer in layers):
            if resets is not None:
                raise ValueError(
                    "Argument `resets` needs two layers that take it. Received: a "
                    f"Bidirectional around {type(layers[0]).__name__} and "
                    f"{type(layers[1]).__name__}. Expected: keras_gru.GRU."
                )
            return super().call(sequences, initial_state, mask, training)
        both: list[Any] = [None, None]
        if initial_state is not None:
            half = len(initial_state) // 2
            both = [initial_state[:half], initial_state[half:]]
        masked = mask is not None or get_keras_mask(sequences) is not None
        native = self._runs_in_one_call(
            sequences, masked, bool(training), resets is not None
        )
        run = self._one_call if native else self._two_calls
        outputs, states = run(sequences, both, mask, training, resets)
        return self._merge(outputs, states)

    def _runs_in_one_call(
        self, sequences: Tensor, masked: bool, training: bool, resets: bool
    ) -> bool:
        ahead, back = self.forward_layer, self.backward_layer
        hides = (ahead.zero_output_for_mask, back.zero_output_for_mask)
        if (
            ahead.go_backwards
            or ahead.units != back.units
            or {ahead.compute_dtype, back.compute_dtype} != {self.compute_dtype}
            or (masked and self.return_sequences and hides != (True, True))
            or ahead.activity_regularizer is not None
            or back.activity_regularizer is not None
        ):
            return False
        described = (sequences.shape, masked, training, resets)
        where = Surroundings.of(sequences)
        return all(
            kernels.choose(layer._describe(*described, where)) is native_cpu
            for layer in (ahead, back)
        )

    def _one_call(
        self, sequences: Tensor, both: Any, mask: Any, training: Any, resets: Any
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs and the final states, as `_merge` takes them."""
        layers = self.forward_layer, self.backward_layer
        ready = [
            layer._prepare(sequences, state, mask, training, resets)
            for layer, state in zip(layers, both, strict=True)
        ]
        if any(one.run is shapes_alone for one in ready):
            found = [one.run(one.call, one.tensors) for one in ready]
            outputs = None
            if self.return_sequences:
                outputs = ops.concatenate([one.states for one in found], axis=-1)
            states = [one.final_state for one in found]
        else:
            outputs, *states = native_cpu.run_both(
                [one.call for one in ready], [one.tensors for one in ready]
            )
        mask = ready[0].tensors.mask  # that of `sequences`, too
        if outputs is None:
            found = [
                layer._finish(one, None, state)
                for layer, one, state in zip(layers, ready, states, strict=True)
            ]
            return [one[0] if self.return_state else one for one in found], states
        if self.stateful:
            for layer, state in zip(layers, states, strict=True):
                layer._keep(state)
        if mask is not None:  # zero_output_for_mask
            outputs = backends.current().where(
                ops.expand_dims(mask, -1), outputs, ops.zeros_like(outputs)
            )
        return [outputs], states

    def _two_calls(
        self, sequences: Tensor, both: Any, mask: Any, training: Any, resets: Any
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The same from the two layers, called one after the other."""
        outputs, states = [], []
        for layer, state in zip(
            (self.forward_layer, self.backward_layer), both, strict=True
        ):
            found = layer(
                sequences,
                initial_state=state,
                mask=mask,
                training=training,
                resets=resets,
            )
            if self.return_state:
                found, *final = found
                states += final
            outputs.append(ops.cast(found, self.compute_dtype))
        if self.return_sequences:
            outputs[1] = ops.flip(outputs[1], axis=1)
        return outputs, states

    def _merge(self, outputs: list[Tensor], states: list[Tensor]) -> Any:
        """What `call` returns.

        Args:
            outputs: of the two directions, or one tensor that has both side by side.
            states: the final states.
        """
        if self.merge_mode == "concat":
            if len(outputs) == 2:
                outputs = [ops.concatenate(outputs, axis=-1)]
        else:
            if len(outputs) == 1:
                outputs = ops.split(outputs[0], 2, axis=-1)
            ahead, back = outputs
            if self.merge_mode == "sum":
                outputs = [ahead + back]
            elif self.merge_mode == "ave":
                outputs = [(ahead + back) / 2]
            elif self.merge_mode == "mul":
                outputs = [ahead * back]
        results = (*outputs, *(states if self.return_state else ()))
        return results if len(results) > 1 else results[0]

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """The mask of the outputs, then None for each state."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        output_mask = mask if self.return_sequences else None
        masks = [output_mask] if self.merge_mode else [output_mask, output_mask]
        if self.return_state:
            states = (*self.forward_layer.state_size, *self.backward_layer.state_size)
            masks += [None] * len(states)
        return masks if len(masks) > 1 else masks[0]
