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
UNITS = 100  # some blocks, the last one not full


def compiled(program, dtype, architecture, reset_after):
    h0 = torch.zeros(1, UNITS, dtype=dtype)
    mask = torch.ones(1, 1, 1, dtype=torch.bool)
    recurrence = Recurrence(reset_after, "keep", None, None, False)
    constants = function._constants(recurrence, Operands(h0, h0, h0, h0, mask, ()))
    options = {name: constants.pop(name) for name in ("num_warps", "num_stages")}
    constants |= {"RESET_AFTER": reset_after, "BIASED": reset_after, "SAVED": True}
    # What is not handed over is None.
    one_only = ("reset",) if reset_after else ("bias", "recurrent_n", "d_recurrent_n")
    constants |= dict.fromkeys(one_only)
    constants = {n: v for n, v in constants.items() if n in program.arg_names}
    types = {"mask": "*i8", "d": "*fp32", "timesteps": "i32", "batch": "i32"}
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
    for program, reset_after, (dtype, architecture) in itertools.product(
        (programs.forward, programs.backward),
        (True, False),
        ((torch.float32, 80), (torch.bfloat16, 90)),
    ):
        done = compiled(program, dtype, architecture, reset_after)
        rows.append(
            {
                "program": program.__name__,
                "reset_after": reset_after,
                "architecture": architecture,
                "barriers": done.asm["ttgir"].count("ttg.barrier"),
                "shared": done.metadata.shared,
                "bytes": len(done.asm["cubin"]),
            }
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
