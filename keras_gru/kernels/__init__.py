"""The kernels in order of preference, and the choice among them.

`KERNELS` is the order in which `kernel="auto"` asks; the first kernel that does
not refuse a call runs it. `portable` refuses nothing and stands last. A kernel's
name is its file's name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keras_gru.kernels import (
    jax_scan,
    native_cpu,
    portable,
    tensorflow_cudnn,
    tensorflow_scan,
    torch_native,
    torch_scan,
    torch_triton,
)
from keras_gru.kernels.contract import Kernel, SequenceCall

KERNELS: tuple[Kernel, ...] = (
    native_cpu,
    tensorflow_cudnn,
    torch_triton,  # before cuDNN, but for what `torch_triton.slower` leaves to it
    torch_native,
    tensorflow_scan,
    jax_scan,
    torch_scan,
    portable,
)


def name_of(kernel: Kernel) -> str:
    """The name that users write, `kernel="portable"`: the file's name."""
    return kernel.__name__.rpartition(".")[2]


def names() -> tuple[str, ...]:
    """The names of all kernels, in order of preference."""
    return tuple(map(name_of, KERNELS))


@dataclass(frozen=True)
class Explanation:
    """Which kernel runs a call, and why no other one does.

    Attributes:
        kernel: the name of the kernel that runs.
        derivatives: which it has, and what computes them.
        refusals: for each other kernel, its name and the reason.
    """

    kernel: str
    derivatives: str
    refusals: dict[str, str]

    def __str__(self) -> str:
        rows = [(self.kernel, "runs"), *self.refusals.items()]
        width = max(len("kernel"), *(len(name) for name, _ in rows))
        lines = [f"{name:<{width}}  {reason}" for name, reason in rows]
        return "\n".join(
            [
                f"{'kernel':<{width}}  why",
                *lines,
                f"derivatives: {self.derivatives}",
            ]
        )


def choose(call: SequenceCall) -> Kernel:
    """The kernel that runs `call`.

    Raises:
        ValueError: the requested kernel refuses the call, or `use_cudnn=True`
            and no kernel of cuDNN can run it. The message has the reasons.
    """
    refusals = {}
    for kernel in KERNELS:
        reason = _refusal(kernel, call)
        if reason is None:
            return kernel
        refusals[name_of(kernel)] = reason
    if call.kernel != "auto":
        raise ValueError(
            f"kernel={call.kernel!r} cannot run this call: {refusals[call.kernel]}. "
            "Pass kernel='auto' to take the fastest kernel that can."
        )
    reasons = "; ".join(f"{name}: {reason}" for name, reason in refusals.items())
    raise ValueError(
        f"use_cudnn=True, but cuDNN cannot run this call ({reasons}). Pass "
        "use_cudnn='auto' to take the fastest kernel that can."
    )


def explain(call: SequenceCall) -> Explanation:
    """Which kernel `choose` takes and why not the others; raises as it does."""
    chosen = choose(call)
    return Explanation(
        kernel=name_of(chosen),
        derivatives=chosen.DERIVATIVES,
        refusals={
            name_of(kernel): _refusal(kernel, call)
            or f"it could run, but {name_of(chosen)} is preferred"
            for kernel in KERNELS
            if kernel is not chosen
        },
    )


def compiled(call: SequenceCall) -> SequenceCall:
    """The same inside XLA."""
    return replace(call, surroundings=replace(call.surroundings, compiled=True))


def compilable(call: SequenceCall) -> bool:
    """Whether the kernel that runs `call` would also run it inside XLA.

    Keras asks a layer this (`supports_jit`) before `jit_compile="auto"` compiles a
    model: where it would cost the faster kernel, the answer is no. Where nothing can
    run the call it is yes; running it then says why.
    """
    for kernel in KERNELS:
        if _refusal(kernel, call) is None:
            return _refusal(kernel, compiled(call)) is None
    return True


def _refusal(kernel: Kernel, call: SequenceCall) -> str | None:
    """Why the kernel does not run the call: another one was asked for, or its own."""
    if call.kernel not in ("auto", name_of(kernel)):
        return f"kernel={call.kernel!r} was asked for"
    return kernel.refusal(call)
