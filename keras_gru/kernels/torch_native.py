"""torch: the kernel behind `torch.nn.GRU`; cuDNN on CUDA, ATen on a CPU."""

from __future__ import annotations

from dataclasses import replace

from keras_gru import equations
from keras_gru.equations import Tensor
from keras_gru.kernels import closed
from keras_gru.kernels.contract import SequenceCall, SequenceResult, SequenceTensors

DERIVATIVES = (
    "every one on a CPU, by torch; on a GPU cuDNN has the first in reverse mode only: "
    "pass kernel='torch_scan' for others"
)

ABILITIES = replace(
    closed.ABILITIES,
    backends=("torch",),
    dtypes_on_cpu=("float32", "float64"),
    cudnn=("gpu",),
)

refusal = ABILITIES.lacks


def run(call: SequenceCall, tensors: SequenceTensors) -> SequenceResult:
    """See `contract`."""
    return closed.run(_states, call, tensors)


def _states(tensors: SequenceTensors) -> Tensor:
    import torch

    parameters = [_rzn(tensors.kernel), _rzn(tensors.recurrent_kernel)]
    if tensors.input_bias is not None:
        parameters += [_rzn(tensors.input_bias), _rzn(tensors.recurrent_bias)]
    states, _ = torch._VF.gru(
        tensors.sequences.contiguous(),
        tensors.initial_state[None].contiguous(),
        parameters,
        tensors.input_bias is not None,
        1,  # layers
        0.0,  # dropout between layers
        torch.is_grad_enabled(),
        False,  # bidirectional
        True,  # batch first
    )
    return states


def _rzn(blocks: Tensor) -> Tensor:
    """z, r, n along the last axis → r, z, n along the first, as torch has them."""
    import torch

    z, r, n = equations.split_gates(blocks)
    rzn = torch.cat([r, z, n], dim=-1)
    return rzn.T.contiguous() if rzn.dim() == 2 else rzn
