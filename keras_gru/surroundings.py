"""Where a call happens: on which device, inside an export, inside a compiler.

No framework tells a layer that it is being exported or compiled by XLA, but a
kernel that calls out of the graph must know. While a graph is traced, the tracer
stands on the Python stack; that is where these look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import keras

from keras_gru import keras_private, native, triton


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
        compiled = compiling()
        # What does not run there is not asked for: torch.compile warns of caches.
        on_triton = backend == "torch" and not compiled
        return cls(
            backend=backend,
            device=device,
            exporting=exporting() or _sizes_open(tensor),
            compiled=compiled,
            native=native.missing(),
            triton=triton.missing(device) if on_triton else None,
            interpreted=on_triton and triton.interpreted(),
            processors=triton.processors(device) if on_triton else 0,
        )


EXPORTERS = (
    keras_private.EXPORT,
    "tensorflow.python.saved_model",
    "tensorflow.lite",
    "jax.experimental.jax2tf",
    "jax._src.export",
    "torch.onnx",
    "torch.export",
    "torch.jit",
    "tf2onnx",
    "jax2onnx",
)
"""Modules, with those below them, that write a model into a file of its own."""

WITHOUT_VARIABLES = (
    keras_private.EXPORT_ONNX,
    keras_private.EXPORT_OPENVINO,
    "torch.onnx",
    "tf2onnx",
    "jax2onnx",
)
"""Those among them that write ONNX or OpenVINO, which have no variables."""

in_stateless_scope = keras_private.get(keras_private.IN_STATELESS_SCOPE)
if keras.backend.backend() == "torch":
    get_torch_device = keras_private.get(keras_private.TORCH_DEVICE)

LITERT_EXPORTERS = (keras_private.EXPORT_LITERT, "tensorflow.lite")
"""Those that write LiteRT, which has not all operations of TensorFlow."""


def exporting() -> bool:
    """Whether an exporter traces this call.

    What it writes must run without this package: no host call, no custom op.
    """
    if _in_dynamo():
        import torch

        return bool(torch.compiler.is_exporting())
    return any(_is_below(EXPORTERS, frame) for frame in _stack())


def exporting_without_variables() -> bool:
    """Whether what an exporter writes of this call cannot keep a state."""
    if _in_dynamo():
        import torch

        return bool(torch.onnx.is_in_onnx_export())
    if any(_is_below(WITHOUT_VARIABLES, frame) for frame in _stack()):
        return True
    # jax.export takes a function: what it assigns is lost, but in `stateless_call`.
    alone = keras.backend.backend() == "jax" and not in_stateless_scope()
    return alone and any(_is_below(("jax._src.export",), f) for f in _stack())


def exporting_litert() -> bool:
    """Whether one of those that write LiteRT traces this call."""
    return any(_is_below(LITERT_EXPORTERS, frame) for frame in _stack())


def exporting_program() -> bool:
    """Whether torch.export traces this call, for a program and not for ONNX."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    return torch.compiler.is_exporting() and not torch.onnx.is_in_onnx_export()


def leaving_time_open() -> bool:
    """Whether torch's tracer is told that the number of time steps may vary.

    It writes the steps that it sees into the file nevertheless. It is told of an axis
    that may vary by name of an input: `{"x": {0: "batch", 1: "time"}}`, or a list.
    """
    if keras.backend.backend() != "torch" or _in_dynamo():
        return False  # in Dynamo torch says itself that the number is fixed
    for frame in _stack():
        if _is_below(("torch.onnx",), frame):
            named = frame.f_locals.get("dynamic_axes")
            if named and any(1 in axes for axes in named.values()):
                return True
        if _is_below((keras_private.EXPORT_OPENVINO,), frame):
            signature = keras.tree.flatten(frame.f_locals.get("input_signature"))
            shapes = [tuple(getattr(one, "shape", ())) for one in signature]
            if any(shape[1:2] == (None,) for shape in shapes):
                return True
    return False


def compiling() -> bool:
    """Whether the call is traced into a compiled graph that cannot call out of it.

    That is `tf.function(jit_compile=True)`, which `model.compile` also uses, and
    `torch.compile`. JAX's compiled functions can call a native kernel.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return bool(torch.compiler.is_compiling())
    if backend != "tensorflow":
        return False
    import tensorflow as tf

    if tf.executing_eagerly():
        return False
    return any(
        getattr(frame.f_locals.get("self"), "_jit_compile", None) is True
        for frame in _stack()
        if frame.f_globals.get("__name__", "").startswith("tensorflow.python.eager")
    )


def resolving_jit() -> bool:
    """Whether Keras asks in order to decide what `jit_compile="auto"` means."""
    function = keras_private.RESOLVE_JIT.rpartition(".")[2]
    return any(frame.f_code.co_name == function for frame in _stack())


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


def _in_dynamo() -> bool:
    """Whether Dynamo traces this very code; it cannot trace a look at the stack."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    return bool(torch.compiler.is_dynamo_compiling())


def _is_below(modules: tuple[str, ...], frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    # The first test is the quick one: this is asked of every frame at every call.
    return name.startswith(modules) and any(
        name == top or name.startswith(top + ".") for top in modules
    )


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back
