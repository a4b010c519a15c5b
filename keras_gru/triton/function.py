"""The Triton programs as the two loops of a recurrence.

Autograd sees one node; the gradients of the weights are one product each, taken after
the loop (`Recurrence.collect`), as with the scans.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from keras_gru.equations import GateValues, Tensor
from keras_gru.kernels.recurrence import Operands, Recurrence, Trace
from keras_gru.triton import COLUMNS, interpreted, programs

ROWS = 16  # as many as a tensor core wants


def walk(recurrence: Recurrence, operands: Operands, save: bool) -> Trace:
    """The states after each step, and the gates where they are to be saved."""
    x, h0, kernel, bias, mask, *_ = operands
    timesteps, batch, _ = x.shape
    units = h0.shape[1]
    states = h0.new_empty(timesteps, batch, units)
    z, r, n, recurrent_n = (
        h0.new_empty(timesteps if save else 0, batch, units) for _ in range(4)
    )
    after = recurrence.reset_after
    _launch(
        programs.forward,
        recurrence,
        operands,
        x.contiguous(),
        h0.contiguous(),
        kernel.contiguous(),
        None if bias is None else bias.contiguous(),
        _bytes(mask),
        states,
        *(z, r, n),
        recurrent_n if after else None,
        None if after else torch.empty_like(h0),
        BIASED=bias is not None,
        SAVED=save,
    )
    return Trace(states, GateValues(z, r, n, recurrent_n if after else None))


def walk_back(
    recurrence: Recurrence,
    operands: Operands,
    trace: Trace,
    previous: Tensor,
    d_states: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The gradient of h0, and those of what enters the gates as `collect` wants."""
    d_h0 = torch.empty_like(operands.h0, dtype=torch.float32)
    after = recurrence.reset_after
    terms = tuple(torch.empty_like(previous) for _ in range(4 if after else 3))
    _launch(
        programs.backward,
        recurrence,
        operands,
        d_states.contiguous(),
        previous,
        *trace.values,
        _bytes(operands.mask),
        operands.recurrent_kernel.T.contiguous(),
        d_h0,
        *terms,
        *([] if after else [None]),
    )
    return d_h0.to(previous.dtype), terms


def _launch(
    program: Any,
    recurrence: Recurrence,
    operands: Operands,
    *arguments: Tensor | None,
    **flags: bool,
) -> None:
    """Runs a program on all rows, as many at a time as the GPU holds at once."""
    timesteps, batch, _ = operands.x.shape
    gpu = Gpu.of(operands.h0)
    constants = _constants(recurrence, operands, gpu)
    columns = _blocks(operands.h0.shape[1], constants["COLUMNS"])
    rows = _blocks(batch, constants["ROWS"])
    together = max(1, gpu.processors // columns)
    arrived = operands.h0.new_zeros(rows, dtype=torch.int32)
    with torch.cuda.device_of(operands.h0):
        for first in range(0, rows, together):
            program[min(together, rows - first), columns](
                *arguments,
                arrived,
                timesteps,
                batch,
                first,
                RESET_AFTER=recurrence.reset_after,
                launch_cooperative_grid=columns > 1,  # all there, or none
                num_stages=1,
                **flags,
                **constants,
            )


class Gpu(NamedTuple):
    """What the sizes of a program depend on."""

    processors: int  # multiprocessors, each of which takes one program for sure
    shared: int  # bytes of shared memory that a program may have

    @classmethod
    def of(cls, tensor: Tensor) -> Gpu:
        """That of a tensor; in Triton's interpreter one program at a time."""
        if interpreted():
            return cls(1, 1 << 30)
        properties = torch.cuda.get_device_properties(tensor.device)
        return cls(
            properties.multi_processor_count, properties.shared_memory_per_block_optin
        )


def _constants(recurrence: Recurrence, operands: Operands, gpu: Gpu) -> dict[str, Any]:
    """What a program is compiled for; other sizes need no new one."""
    batch, units = operands.h0.shape
    return {
        "UNITS": units,
        "KEEP": recurrence.update_gate == "keep",
        "MASKED": operands.mask is not None,
        "PRECISION": "tf32" if _tf32() else "tf32x3",
        **_sizes(batch, units, operands.h0.element_size(), gpu),
    }


def _sizes(batch: int, units: int, item: int, gpu: Gpu) -> dict[str, Any]:
    """Rows and units of a program, and how its warps share a product.

    Few units fit into one program, which then waits for no other. Otherwise U stays in
    shared memory and each of four warps takes a quarter of the sums, as long as two
    launches take all rows; past that, and where U does not fit, programs of 64 rows
    read it from L2 in every step. Chosen from 170 measurements on an H200
    (benchmarks/results).
    """
    padded = max(16, 1 << (units - 1).bit_length())  # powers of two, as Triton wants
    copies = 2 if item == 4 and not _tf32() else 1  # the two halves of a float32

    def fits(columns: int) -> bool:
        return padded * item * (3 * columns * copies + ROWS) <= gpu.shared

    def resident(columns: int, split: int, warps: int) -> dict[str, Any]:
        return {
            "RESIDENT": True,
            "ROWS": ROWS,
            "COLUMNS": columns,
            "SPLIT": split,
            "DEPTH": padded // split,
            "STAGES": 1,
            "num_warps": warps,
        }

    if gpu.processors == 1 or (padded * item <= 256 and fits(padded)):
        return resident(padded, split=1, warps=8)
    columns = 8 if item == 4 else 16
    together = gpu.processors // _blocks(units, columns)  # blocks of rows in a launch
    if _blocks(batch, ROWS) <= 2 * together and fits(columns):
        return resident(columns, split=4, warps=4)
    return {
        "RESIDENT": False,
        "ROWS": 64,
        "COLUMNS": COLUMNS,
        "SPLIT": 1,
        "DEPTH": 256 // item,
        "STAGES": 3,
        "num_warps": 4 if item == 4 else 8,
    }


def _blocks(size: int, block: int) -> int:
    return -(-size // block)


def _tf32() -> bool:
    """Whether the user lets torch's own float32 products use tensor cores."""
    return bool(torch.backends.cuda.matmul.fp32_precision == "tf32")


def _bytes(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.to(torch.int8).contiguous()
