"""The C++ kernel: the whole sequence in one call, on the processor.

All four conventions, any mask, both directions, both dropouts, float32 and float64.
bfloat16 and float16 are read, kept and returned as such, and computed in float32; where
the processor multiplies bfloat16, what enters a product is rounded to it.
Rows of the batch run in parallel, of a single row the units do where they are many
enough, and masked steps are skipped. The input's projection and every weight gradient
are part of the call. Its sources, in `keras_gru/native`, state the formula a second
time; the tests tie them to the same oracle.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from keras_gru import autodiff
from keras_gru.autodiff import Arrays
from keras_gru.equations import Tensor
from keras_gru.kernels.abilities import Abilities
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors
from keras_gru.kernels.projection import cleared, project_sequences
from keras_gru.native import binding
from keras_gru.native.activations import ACTIVATIONS, find
from keras_gru.native.function import Native
from keras_gru.native.library import Options

DERIVATIVES = autodiff.ONCE
ABILITIES = Abilities(
    devices=("cpu",),
    needs="native",
    dtypes=("float32", "float64", "bfloat16", "float16"),
    activations=ACTIVATIONS,
    recurrent_activations=ACTIVATIONS,
    learned_resets=False,
    zoneout=False,
    layer_normalization=False,
    compiled=("torch",),
)

refusal = ABILITIES.lacks


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """Runs all steps in one call of the compiled library."""
    *states, final_state = _passes((call,), (tensors,))
    return SequenceResult(states[0] if states else None, final_state)


def run_both(
    calls: Sequence[SequenceCall], tensors: Sequence[SequenceTensors]
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Runs both directions of a sequence in one call: they share the threads.

    Args:
        calls, tensors: as those of `run`, forward in time first; the two must have one
            dtype, one shape of states, and the same mask.

    Returns:
        The states `(batch, time, 2 * units)`, both in the order of time, or None
        without `return_sequences`; and the two final states `(batch, units)`.
    """
    *states, ahead, back = _passes(calls, tensors)
    return states[0] if states else None, ahead, back


def _passes(
    calls: Sequence[SequenceCall], tensors: Sequence[SequenceTensors]
) -> Sequence[Tensor]:
    """One call of the library; what it returns, see `function.Native`."""
    outputs: Sequence[Tensor] = binding().differentiable(
        Native(tuple(map(_options, calls)), calls[0].return_sequences),
        [array for one in tensors for array in _arrays(one)],
        [constant for one in tensors for constant in _constants(one)],
    )
    return outputs


def _options(call: SequenceCall) -> Options:
    activation = find(call.activation)
    recurrent_activation = find(call.recurrent_activation)
    assert activation is not None
    assert recurrent_activation is not None
    return Options(
        reset_after=call.reset_after,
        update_gate=call.update_gate,
        activation=activation.name,
        recurrent_activation=recurrent_activation.name,
        go_backwards=call.go_backwards,
        training=call.training,
        activation_parameter=activation.parameter,
        recurrent_activation_parameter=recurrent_activation.parameter,
    )


def _arrays(tensors: SequenceTensors) -> Arrays:
    sequences, kernel, input_bias = _inputs(tensors)
    return (
        sequences,
        kernel,
        input_bias,
        tensors.initial_state,
        tensors.recurrent_kernel,
        tensors.recurrent_bias,
    )


def _constants(tensors: SequenceTensors) -> Arrays:
    masks = tensors.recurrent_dropout_masks
    dropout = ops.stack(masks) if masks else None  # (3, batch, units)
    return tensors.mask, tensors.resets, dropout


def _inputs(tensors: SequenceTensors) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The sequences, and the kernel and bias that the library is to apply to them."""
    if len(tensors.dropout_masks) == 3:
        # Each gate has an input of its own: projected here, (batch, time, 3 * units).
        tensors = cleared(tensors)
        x = ops.transpose(tensors.sequences, (1, 0, 2))
        projected = project_sequences(x, tensors)
        return ops.transpose(projected, (1, 0, 2)), None, None
    # What stands at masked steps stays there: the library does not read it.
    sequences = tensors.sequences
    for mask in tensors.dropout_masks:
        sequences = sequences * mask[:, None, :]  # (batch, time, features)
    return sequences, tensors.kernel, tensors.input_bias
