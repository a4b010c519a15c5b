"""Both directions in one native call, with the masks of the states, and with resets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_gru import backends, kernels
from keras_gru.equations import Tensor
from keras_gru.inputs import get_keras_mask
from keras_gru.kernels import native_cpu
from keras_gru.kernels.contract import SequenceCall, shapes_alone
from keras_gru.layer import GRU
from keras_gru.surroundings import Surroundings


@dataclass(frozen=True)
class BothExplained:
    """What runs a `Bidirectional`.

    Attributes:
        forward, backward: of each direction.
        two_calls: None where one native call runs both, or why not.
    """

    forward: kernels.Explanation
    backward: kernels.Explanation
    two_calls: str | None

    def __str__(self) -> str:
        calls = f"two, for {self.two_calls}" if self.two_calls else "one for both"
        parts = ["forward:", self.forward, "backward:", self.backward]
        return "\n".join([*map(str, parts), f"calls: {calls}"])


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
        if not self._has_grus():
            if resets is not None:
                what = "Argument `resets` needs two layers that take it"
                raise self._needs_grus(what)
            return super().call(sequences, initial_state, mask, training)
        both: list[Any] = [None, None]
        if initial_state is not None:
            half = len(initial_state) // 2
            both = [initial_state[:half], initial_state[half:]]
        masked = mask is not None or get_keras_mask(sequences) is not None
        described = (sequences.shape, masked, bool(training), resets is not None)
        where = Surroundings.of(sequences)
        apart = self._apart([one._describe(*described, where) for one in layers])
        run = self._one_call if apart is None else self._two_calls
        outputs, states = run(sequences, both, mask, training, resets)
        return self._merge(outputs, states)

    def explain(
        self,
        input_shape: Sequence[int | None] | None = None,
        mask: bool = False,
        training: bool = False,
        jit_compile: bool = False,
        resets: bool = False,
    ) -> BothExplained:
        """Which kernels run the directions, and whether one call runs both.

        Args:
            input_shape, mask, training, jit_compile, resets: as for `GRU.explain`.

        Raises:
            ValueError: as for `GRU.explain`, or around layers that are no `GRU`.

        Example:

        >>> import keras_gru
        >>> layer = keras_gru.Bidirectional(keras_gru.GRU(4, kernel="portable"))
        >>> print(layer.explain().two_calls)
        native_cpu does not run both
        """
        if not self._has_grus():
            raise self._needs_grus("explain() needs two layers that have it")
        layers = self.forward_layer, self.backward_layer
        asked = input_shape, mask, training, jit_compile, resets
        ahead, back = calls = [layer._asked(*asked) for layer in layers]
        return BothExplained(
            kernels.explain(ahead), kernels.explain(back), self._apart(calls)
        )

    def _has_grus(self) -> bool:
        return isinstance(self.forward_layer, GRU) and isinstance(
            self.backward_layer, GRU
        )

    def _needs_grus(self, what: str) -> ValueError:
        ahead, back = type(self.forward_layer), type(self.backward_layer)
        return ValueError(
            f"{what}. Received: a Bidirectional around {ahead.__name__} and "
            f"{back.__name__}. Expected: keras_gru.GRU."
        )

    def _apart(self, calls: Sequence[SequenceCall]) -> str | None:
        """Why each direction is a call of its own; None where one call runs both."""
        ahead, back = self.forward_layer, self.backward_layer
        dtypes = {ahead.compute_dtype, back.compute_dtype, self.compute_dtype}
        hides = ahead.zero_output_for_mask and back.zero_output_for_mask
        reasons = (
            (ahead.go_backwards, "the forward layer goes backwards"),
            (ahead.units != back.units, "the units of the directions differ"),
            (len(dtypes) > 1, "the dtypes differ"),
            (
                calls[0].masked and self.return_sequences and not hides,
                "under a mask both layers need zero_output_for_mask=True",
            ),
            (
                ahead.activity_regularizer is not None
                or back.activity_regularizer is not None,
                "activity_regularizer asks for the outputs of each layer",
            ),
        )
        reason = next((told for apart, told in reasons if apart), None)
        if reason is None and any(
            kernels.choose(call) is not native_cpu for call in calls
        ):
            reason = "native_cpu does not run both"
        return reason

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
