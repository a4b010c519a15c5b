"""Where a call happens: all that the choice of a kernel asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from keras_gru import callers, keras_private, native, triton

if keras.backend.backend() == "torch":
    get_torch_device = keras_private.get(keras_private.TORCH_DEVICE)


@dataclass(frozen=True)
class Surroundings:
    """All that the choice of a kernel asks of the machine and of whoever calls.

    Attributes:
        backend: `"tensorflow"`, `"jax"` or `"torch"`.
        device: where the tensors of the call are: `"cpu"`, `"gpu"`, `"tpu"`, or what
            torch calls another one.
        exporting: an exporter traces the call, or JAX does so for any batch.
        compiled: XLA (TensorFlow) or torch.compile compiles the call.
        native: None, or why the compiled C++ library cannot be called.
        triton: None, or why Triton's programs cannot be launched.
        interpreted: Triton interprets its programs, on any device.
        processors: of the GPU, for Triton; 0 without one.
    """

    backend: str
    device: str
    exporting: bool = False
    compiled: bool = False
    native: str | None = None
    triton: str | None = None
    interpreted: bool = False
    processors: int = 0

    @classmethod
    def of(cls, tensor: Any = None) -> Surroundings:
        """Those of the code that calls, for a tensor or for new ones."""
        backend, device = keras.backend.backend(), _device(tensor)
        compiled = callers.compiling()
        # What does not run there is not asked for: torch.compile warns of caches.
        on_triton = backend == "torch" and not compiled
        return cls(
            backend=backend,
            device=device,
            exporting=callers.exporting() or _sizes_open(tensor),
            compiled=compiled,
            native=native.missing(),
            triton=triton.missing(device) if on_triton else None,
            interpreted=on_triton and triton.interpreted(),
            processors=triton.processors(device) if on_triton else 0,
        )


def _device(tensor: Any) -> str:
    """See `Surroundings.device`; without a tensor, where Keras puts new ones."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        placed = (
            str(get_torch_device()).partition(":")[0]
            if tensor is None
            else tensor.device.type
        )
        if placed == "meta":  # no data: those of the layer will lie elsewhere
            placed = "cuda" if torch.cuda.is_available() else "cpu"
        return "gpu" if placed == "cuda" else str(placed)
    if backend == "jax":
        import jax

        platform = jax.default_backend()
        return platform if platform in ("cpu", "tpu") else "gpu"
    import tensorflow as tf

    return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"


def _sizes_open(tensor: Any) -> bool:
    """Whether JAX traces for any size of an axis: what it calls must not ask for it.

    So Keras asks what a layer of one's own returns for any batch.
    """
    return keras.backend.backend() == "jax" and not all(
        isinstance(size, int) for size in getattr(tensor, "shape", ())
    )
