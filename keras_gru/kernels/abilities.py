"""What a kernel can run, as data, and the reasons why it does not run a call."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

from keras_gru.equations import Activation
from keras_gru.kernels.contract import SequenceCall


def _told(function: Activation) -> str:
    """A name: a partial's with its arguments, an object's as it prints."""
    if isinstance(function, functools.partial):
        given = ", ".join(
            f"{name}={value!r}" for name, value in function.keywords.items()
        )
        return f"{_told(function.func)}({given})"
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else repr(function)


@dataclass(frozen=True)
class Abilities:
    """What a kernel can run; by default all that there is, but for the last three.

    Attributes:
        backends: those that it runs on.
        devices: those that it runs on; None for all.
        needs: `"native"` or `"triton"`: what must not be missing.
        dtypes: those that it computes in; None for all.
        dtypes_on_cpu: the same where they differ on a CPU.
        activations, recurrent_activations: the functions that it has; None for all.
        reset_before: the reset gate before the recurrent product, too.
        without_bias: also without one.
        resets: states that start anew inside of sequences.
        recurrent_dropout: three masks on the state.
        dropout_by_gate: three masks on the input.
        learned_resets: resets to a learnt state.
        zoneout: units that keep their old state.
        layer_normalization: of the gates' products.
        compiled: backends with a compiler that takes it: XLA (TensorFlow) and
            torch.compile.
        unrolled: as a loop that is written out.
        exported: in a file of its own, without this package.
        cudnn: the devices on which it is cuDNN's.
    """

    backends: tuple[str, ...] = ("tensorflow", "jax", "torch")
    devices: tuple[str, ...] | None = None
    needs: str | None = None
    dtypes: tuple[str, ...] | None = None
    dtypes_on_cpu: tuple[str, ...] | None = None
    activations: Collection[Activation] | None = None
    recurrent_activations: Collection[Activation] | None = None
    reset_before: bool = True
    without_bias: bool = True
    resets: bool = True
    recurrent_dropout: bool = True
    dropout_by_gate: bool = True
    learned_resets: bool = True
    zoneout: bool = True
    layer_normalization: bool = True
    compiled: tuple[str, ...] = ("tensorflow", "torch")
    unrolled: bool = False
    exported: bool = False
    cudnn: tuple[str, ...] = ()

    def lacks(self, call: SequenceCall) -> str | None:
        """None, or the first reason why such a kernel cannot run the call."""
        here = call.surroundings
        is_cudnn = here.device in self.cudnn
        if call.use_cudnn is True and not is_cudnn:
            return "use_cudnn=True was asked for, and it is not cuDNN"
        if call.use_cudnn is False and is_cudnn:
            return "use_cudnn=False was asked for"
        if here.backend not in self.backends:
            return f"it runs on {self.backends[0]}; the backend is {here.backend}"
        if self.devices is not None and here.device not in self.devices:
            needed = self.devices[0].upper()
            return f"it needs a {needed}, and the tensors are on the {here.device}"
        if here.compiled and here.backend not in self.compiled:
            return "XLA (jit_compile=True) or torch.compile cannot look into it"
        missing: str | None = getattr(here, self.needs) if self.needs else None
        if missing is not None:
            return missing
        dtypes = self.dtypes
        if here.device == "cpu" and self.dtypes_on_cpu is not None:
            dtypes = self.dtypes_on_cpu
        if dtypes is not None and call.dtype not in dtypes:
            return f"it computes in {', '.join(dtypes)}, not in {call.dtype}"
        for name, function, known in (
            ("activation", call.activation, self.activations),
            (
                "recurrent_activation",
                call.recurrent_activation,
                self.recurrent_activations,
            ),
        ):
            if known is not None and function not in known:
                given = _told(function)
                names = ", ".join(sorted(one.__name__ for one in known))
                return f"it has no {name}={given!r}, only {names}"
        switches = (
            (
                not call.reset_after and not self.reset_before,
                "it applies the reset gate after the recurrent product only",
            ),
            (not call.use_bias and not self.without_bias, "it needs a bias"),
            (call.resets and not self.resets, "it has no resets inside of a sequence"),
            (
                call.recurrent_dropout and not self.recurrent_dropout,
                "it has no recurrent dropout",
            ),
            (
                call.dropout_masks == 3 and not self.dropout_by_gate,
                "implementation=1 drops the inputs of each gate apart",
            ),
            (
                call.learned_resets and not self.learned_resets,
                "its resets start from zeros, not from a learnt state",
            ),
            (call.zoneout > 0 and not self.zoneout, "it has no zoneout"),
            (
                call.layer_normalization and not self.layer_normalization,
                "it has no layer normalisation",
            ),
            (
                call.unroll and not self.unrolled,
                "unroll=True asks for a loop that is written out",
            ),
            (
                here.exporting and not self.exported,
                "an export must not depend on it, and takes the plain loop",
            ),
        )
        return next((reason for lacking, reason in switches if lacking), None)
