"""The Triton programs as one function of torch with its own gradient.

Autograd sees one node; the gradients of the weights are one product each, taken after
the loop (`Recurrence.collect`), as with the scans.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from keras_gru.equations import GateValues, Tensor
from keras_gru.kernels.recurrence import Operands, Recurrence, Trace
from keras_gru.triton import programs


def states(recurrence: Recurrence, operands: Operands) -> Tensor:
    """The state after each step, `(time, batch, units)`."""
    arrays = operands[:5]  # but for the recurrent dropout, which there is none of
    if torch.is_grad_enabled() and any(
        array is not None and array.requires_grad for array in arrays
    ):
        return _States.apply(recurrence, *arrays)
    return _forward(recurrence, operands, saved=False).states


class _States(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        recurrence: Recurrence,
        x: Tensor,
        h0: Tensor,
        kernel: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        operands = Operands(x, h0, kernel, bias, mask, ())
        trace = _forward(recurrence, operands, saved=True)
        ctx.recurrence = recurrence
        ctx.save_for_backward(*operands[:5], trace.states, *trace.values)
        return trace.states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> Any:
        x, h0, kernel, bias, mask, states, *values = ctx.saved_tensors
        operands = Operands(x, h0, kernel, bias, mask, ())
        trace = Trace(states, GateValues(*values))
        previous = torch.cat([operands.h0[None], states[:-1]])
        d_h0, terms = _backward(ctx.recurrence, operands, trace, previous, d_states)
        gradients = ctx.recurrence.collect(operands, trace, previous, d_h0, terms)
        return (None, *gradients, None)


def _forward(recurrence: Recurrence, operands: Operands, saved: bool) -> Trace:
    x, h0, kernel, bias, mask, _ = operands
    timesteps, batch, _ = x.shape
    units = h0.shape[1]
    states = h0.new_empty(timesteps, batch, units)
    z, r, n, last = (
        h0.new_empty(timesteps if saved else 1, batch, units) for _ in range(4)
    )
    after = recurrence.reset_after
    with torch.cuda.device_of(h0):
        programs.forward[_grid(h0)](
            x.contiguous(),
            h0.contiguous(),
            kernel.contiguous(),
            None if bias is None else bias.contiguous(),
            _bytes(mask),
            states,
            *(z, r, n),
            last if after else None,
            None if after else last,
            timesteps,
            batch,
            RESET_AFTER=after,
            BIASED=bias is not None,
            SAVED=saved,
            **_constants(recurrence, operands),
        )
    return Trace(states, GateValues(z, r, n, last if after else None))


def _backward(
    recurrence: Recurrence,
    operands: Operands,
    trace: Trace,
    previous: Tensor,
    d_states: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The gradient of h0, and those of what enters the gates as `collect` wants."""
    timesteps, batch, units = previous.shape
    d = previous.new_zeros(batch, units, dtype=torch.float32)
    after = recurrence.reset_after
    terms = tuple(torch.empty_like(previous) for _ in range(4 if after else 3))
    with torch.cuda.device_of(d):
        programs.backward[_grid(operands.h0)](
            d_states.contiguous(),
            previous,
            *trace.values,
            _bytes(operands.mask),
            operands.recurrent_kernel.T.contiguous(),
            d,
            *terms,
            *([] if after else [None]),
            timesteps,
            batch,
            RESET_AFTER=after,
            **_constants(recurrence, operands),
        )
    return d.to(previous.dtype), terms


# What a program takes at a time: rows of the batch, units, and bytes of a row of a
# product. A tensor core wants 16 rows; without one, fewer spread a batch further. So
# compiled for sm_80 and sm_90, all but some bytes stay in registers, and 54 KiB of
# shared memory are used at most. Not measured: no GPU was at hand.
ROWS, ROWS_WITHOUT_TENSOR_CORES = 16, 8
COLUMNS, DEPTH_BYTES = 128, 128
WARPS, STAGES = 8, 4


def _grid(h0: Tensor) -> tuple[int]:
    return (-(-h0.shape[0] // _rows(h0)),)


def _rows(h0: Tensor) -> int:
    exact = h0.dtype == torch.float32 and not _tf32()
    return ROWS_WITHOUT_TENSOR_CORES if exact else ROWS


def _tf32() -> bool:
    """Whether the user lets torch's own float32 products use tensor cores."""
    return bool(torch.backends.cuda.matmul.fp32_precision == "tf32")


def _constants(recurrence: Recurrence, operands: Operands) -> dict[str, Any]:
    """What a program is compiled for; other sizes need no new one."""
    units = operands.h0.shape[1]
    least = max(16, 1 << (units - 1).bit_length())  # powers of two, as Triton wants
    return {
        "UNITS": units,
        "KEEP": recurrence.update_gate == "keep",
        "MASKED": operands.mask is not None,
        "ROWS": _rows(operands.h0),
        "COLUMNS": min(COLUMNS, least),
        "DEPTH": min(DEPTH_BYTES // operands.h0.element_size(), least),
        "PRECISION": "tf32" if _tf32() else "ieee",
        "num_warps": WARPS,
        "num_stages": STAGES,
    }


def _bytes(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.to(torch.int8).contiguous()
