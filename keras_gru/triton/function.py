"""The Triton programs as the two loops of a recurrence.

Autograd sees one node; the gradients of the weights are one product each, taken after
the loop (`Recurrence.collect`), as with the scans.
"""

from __future__ import annotations

from typing import Any

import torch

from keras_gru.equations import GateValues, Tensor
from keras_gru.kernels.recurrence import Operands, Recurrence, Trace
from keras_gru.triton import programs


def walk(recurrence: Recurrence, operands: Operands, save: bool) -> Trace:
    """The states after each step, and the gates where they are to be saved."""
    x, h0, kernel, bias, mask, _ = operands
    timesteps, batch, _ = x.shape
    units = h0.shape[1]
    states = h0.new_empty(timesteps, batch, units)
    z, r, n, last = (
        h0.new_empty(timesteps if save else 1, batch, units) for _ in range(4)
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
            SAVED=save,
            **_constants(recurrence, operands),
        )
    return Trace(states, GateValues(z, r, n, last if after else None))


def walk_back(
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
