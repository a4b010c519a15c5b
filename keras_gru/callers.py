"""Who calls: an exporter, a compiler, Keras itself.

No framework tells a layer that it is being exported or compiled by XLA, but a
kernel that calls out of the graph must know. While a graph is traced, the tracer
stands on the Python stack; that is where these look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

import keras

from keras_gru import keras_private

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

LITERT_EXPORTERS = (keras_private.EXPORT_LITERT, "tensorflow.lite")
"""Those that write LiteRT, which has not all operations of TensorFlow."""

in_stateless_scope = keras_private.get(keras_private.IN_STATELESS_SCOPE)


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
