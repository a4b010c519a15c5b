"""What a kernel is: what it is told, what it gets, what it returns.

A kernel is a module of this folder:

    ABILITIES                         what it can run at all, as data
    refusal(call) -> str | None       None, or the reason why it cannot run `call`:
                                      beyond its abilities, here or at all
    run(call, tensors) -> SequenceResult
    DERIVATIVES                       which derivatives it has, and what computes them

The choice asks for the `SequenceCall` and for nothing else. It holds no tensor, so that
the choice can be made and explained before anything is computed. The layer, not the
kernel, turns states into outputs (leading masked steps, `zero_output_for_mask`): a
kernel has one duty, the states.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import keras

from keras_gru.equations import Activation, Tensor
from keras_gru.surroundings import Surroundings


@dataclass(frozen=True)
class SequenceCall:
    """One pass over a batch of sequences, described without its tensors.

    Attributes:
        surroundings: the machine, and who calls.
        dtype: the dtype of all tensors, `"float32"`, …
        batch, timesteps, features: sizes, None where they are not known yet.
        units: size of the state.
        update_gate, reset_after: the convention; see `keras_gru.equations`.
        activation, recurrent_activation: as Keras functions.
        use_bias: whether the two biases (`reset_after`) or the one are there.
        return_sequences: whether the states of all steps are asked for.
        go_backwards: the last time step is processed first.
        unroll: the user asks for a loop that is written out.
        masked: there is a mask.
        resets: the state starts anew inside of sequences.
        training: `training=True` was passed.
        stateful: the final state is kept for the next call.
        dropout_masks: 0, 1 (the gates share one) or 3 (one a gate).
        recurrent_dropout: whether there are three masks on the state.
        learned_resets: there are resets, and the state starts anew from a learnt one.
        zoneout: the rate at which a unit keeps its old state; 0 without zoneout.
        layer_normalization: whether the gates' products are normalised.
        use_cudnn: `"auto"`, True or False.
        kernel: `"auto"` or the name of the one that is asked for.
    """

    surroundings: Surroundings
    dtype: str
    batch: int | None
    timesteps: int | None
    features: int | None
    units: int
    update_gate: str
    reset_after: bool
    activation: Activation
    recurrent_activation: Activation
    use_bias: bool
    return_sequences: bool
    go_backwards: bool
    unroll: bool
    masked: bool
    resets: bool
    training: bool
    stateful: bool
    dropout_masks: int
    recurrent_dropout: bool
    learned_resets: bool
    zoneout: float
    layer_normalization: bool
    use_cudnn: str | bool
    kernel: str


@dataclass(frozen=True)
class SequenceTensors:
    """The tensors of one pass, all of `SequenceCall.dtype` but the mask.

    Attributes:
        sequences: `(batch, time, features)`. Anything may stand at masked steps, NaN
            included; a kernel that computes with it takes `projection.cleared`.
        initial_state: `(batch, units)`.
        kernel: `(features, 3 * units)`, gates z, r, n. No kernel gets None here; inside
            one it stands for sequences that are projected already.
        recurrent_kernel: `(units, 3 * units)`.
        input_bias: `(3 * units,)`, or None without bias.
        recurrent_bias: `(3 * units,)`, or None without bias or `reset_after`.
        mask: `(batch, time)` bool, True = use, or None.
        resets: `(batch, time)` bool, True = the state starts anew before the step is
            processed, from zeros or `learned_state`; False at masked steps; or None.
        dropout_masks: none, one or three `(batch, features)`.
        recurrent_dropout_masks: none or three `(batch, units)`.
        learned_state: `(units,)`, what `resets` start from; None for zeros.
        input_gain, recurrent_gain: `(3 * units,)`, those of the layer normalisation of
            the products with the two kernels; None without.
        zoneout_mask: `(batch, time, units)`, 1 where the unit keeps its old state,
            else 0. None without zoneout, and without training, where the rate takes its
            place.
    """

    sequences: Tensor
    initial_state: Tensor
    kernel: Tensor | None
    recurrent_kernel: Tensor
    input_bias: Tensor | None
    recurrent_bias: Tensor | None
    mask: Tensor | None = None
    resets: Tensor | None = None
    dropout_masks: tuple[Tensor, ...] = ()
    recurrent_dropout_masks: tuple[Tensor, ...] = ()
    learned_state: Tensor | None = None
    input_gain: Tensor | None = None
    recurrent_gain: Tensor | None = None
    zoneout_mask: Tensor | None = None


class SequenceResult(NamedTuple):
    """What a kernel returns.

    Attributes:
        states: `(batch, time, units)`, the state after each step in processing
            order (`go_backwards`: the last time step first), frozen where the
            mask is False. May be None without `return_sequences`.
        final_state: `(batch, units)`.
    """

    states: Tensor | None
    final_state: Tensor


def without_data(tensors: SequenceTensors) -> bool:
    """Whether one of the tensors has a shape and no data.

    So Keras asks torch what a model returns; elsewhere a tracer stands for tensors. A
    model may still bring tensors with data of its own.
    """
    return keras.backend.backend() == "torch" and any(
        tensor is not None and tensor.device.type == "meta"
        for value in vars(tensors).values()
        # Not keras.tree, which takes as long as a single step.
        for tensor in (value if isinstance(value, tuple) else (value,))
    )


def shapes_alone(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """What any kernel returns for tensors that have no data, which is none either.

    The loops of torch would run all steps to find out: 12 s at 10,000 steps.
    """
    batch, timesteps, _ = tensors.sequences.shape
    empty = functools.partial(tensors.sequences.new_empty, device="meta")
    states = empty((batch, timesteps, call.units)) if call.return_sequences else None
    return SequenceResult(states, empty((batch, call.units)))


class Kernel(Protocol):
    """The type of a kernel module."""

    @property
    def __name__(self) -> str: ...

    @property
    def DERIVATIVES(self) -> str: ...

    def refusal(self, call: SequenceCall) -> str | None: ...

    def run(self, call: SequenceCall, tensors: SequenceTensors) -> SequenceResult: ...
