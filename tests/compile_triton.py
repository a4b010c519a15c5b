"""`python -m tests.compile_triton`: compiles the Triton programs for GPUs that are not
there, down to machine code, and prints what came of it as JSON."""

from __future__ import annotations

import itertools
import json
import os

os.environ["KERAS_BACKEND"] = "torch"

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from keras_gru.kernels.recurrence import Operands, Recurrence
from keras_gru.triton import function, programs

NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}
GPUS = {80: function.Gpu(108, 166912), 90: function.Gpu(132, 232448)}  # A100, H200

# (batch, units): all units in one program, several that meet, U read from L2.
SIZES = {"alone": (40, 50), "meeting": (40, 200), "streaming": (400, 600)}


def compiled(program, dtype, architecture, reset_after, sizes):
    batch, units = SIZES[sizes]
    h0 = torch.zeros(batch, units, dtype=dtype)
    mask = torch.ones(1, batch, 1, dtype=torch.bool)
    recurrence = Recurrence(reset_after, "keep", None, None, False)
    operands = Operands(h0, h0, h0, h0, mask, None, ())
    constants = function._constants(recurrence, operands, GPUS[architecture])
    options = {"num_warps": constants.pop("num_warps"), "num_stages": 1}
    constants |= {"RESET_AFTER": reset_after, "BIASED": reset_after, "SAVED": True}
    # What is not handed over is None.
    one_only = ("reset",) if reset_after else ("bias", "recurrent_n", "d_recurrent_n")
    constants |= dict.fromkeys(one_only)
    constants = {n: v for n, v in constants.items() if n in program.arg_names}
    types = {"mask": "*i8", "d_h0": "*fp32", "arrived": "*i32"}
    types |= dict.fromkeys(("timesteps", "batch", "first"), "i32")
    pointer = "*" + NAMES[dtype]
    signature = {
        name: "constexpr" if name in constants else types.get(name, pointer)
        for name in program.arg_names
    }
    aligned = {
        (index,): [["tt.divisibility", 16]]
        for index, kind in enumerate(signature.values())
        if kind.startswith("*")
    }
    positions = {(program.arg_names.index(n),): v for n, v in constants.items()}
    return triton.compile(
        ASTSource(program, signature, positions, aligned),
        target=GPUTarget("cuda", architecture, 32),
        options=options,
    )


def main():
    rows = []
    for program, reset_after, sizes, (dtype, architecture) in itertools.product(
        (programs.forward, programs.backward),
        (True, False),
        SIZES,
        ((torch.float32, 80), (torch.bfloat16, 90)),
    ):
        done = compiled(program, dtype, architecture, reset_after, sizes)
        rows.append(
            {
                "program": program.__name__,
                "reset_after": reset_after,
                "sizes": sizes,
                "architecture": architecture,
                "atomics": done.asm["ttgir"].count("tt.atomic_rmw"),
                "barriers": done.asm["ttgir"].count("ttg.barrier"),
                "shared": done.metadata.shared,
                "most_shared": GPUS[architecture].shared,
                "bytes": len(done.asm["cubin"]),
            }
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
