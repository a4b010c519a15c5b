"""What this package uses of Keras that is not in its public API.

A new Keras may move any of it without notice. So each name stands here and nowhere
else, with where it is used; `tests/test_keras_private.py` tells which ones are gone.
"""

from __future__ import annotations

import pkgutil
from typing import Any

GET_MASK = "keras.src.backend.common.masking:get_keras_mask"
TENSORFLOW_GRU = "keras.src.backend.tensorflow.rnn:gru"
CREATE_DROPOUT_MASK = "keras.layers:GRUCell._create_dropout_mask"
TORCH_DEVICE = "keras.src.backend.torch.core:get_device"
RESOLVE_JIT = "keras:Model._resolve_auto_jit_compile"
FLATTEN_LAYERS = "keras.layers:Layer._flatten_layers"
REPLACE_TRACKED = "keras.src.utils.tracking:Tracker.replace_tracked_value"
FUNCTIONAL = "keras.src.models.functional:Functional"
RUN_THROUGH_GRAPH = "keras.src.models.functional:Functional._run_through_graph"
OPERATIONS = "keras.src.ops"
EXPORT = "keras.src.export"
EXPORT_ONNX = "keras.src.export.onnx"
EXPORT_LITERT = "keras.src.export.litert"
EXPORT_OPENVINO = "keras.src.export.openvino"
IN_STATELESS_SCOPE = "keras.src.backend.common.stateless_scope:in_stateless_scope"

USES = {
    GET_MASK: "inputs.py: the mask that the layer before attached to the input",
    TENSORFLOW_GRU: "kernels/tensorflow_cudnn.py: calls cuDNN; imports TensorFlow",
    CREATE_DROPOUT_MASK: "cell.py: overrides and calls it",
    TORCH_DEVICE: "surroundings.py: where new tensors are put; imports torch",
    RESOLVE_JIT: "callers.py: on the stack where Keras decides about XLA",
    FLATTEN_LAYERS: "convert/copying.py: what a layer holds",
    REPLACE_TRACKED: "convert/copying.py: puts one layer in the place of another",
    FUNCTIONAL: "onnx/walk.py: the type of a functional model",
    RUN_THROUGH_GRAPH: "onnx/walk.py: calls a function of ours for each layer",
    OPERATIONS: "onnx/walk.py: the operations between the layers of a model",
    EXPORT: "callers.py: on the stack where a model is exported",
    EXPORT_ONNX: "callers.py: on the stack where a model becomes ONNX",
    EXPORT_OPENVINO: "callers.py: on the stack where a model becomes OpenVINO's",
    IN_STATELESS_SCOPE: "callers.py: whether a state can be handed on, on JAX",
    EXPORT_LITERT: "callers.py: on the stack where a model becomes LiteRT",
}
"""Name -> the file that uses it, and for what."""

NOT_IN_KERAS_3_12 = (EXPORT_LITERT,)
"""Done without there: that Keras writes no LiteRT."""


def get(name: str) -> Any:
    """The object of a name in `USES`; imports its module only then.

    Raises:
        ImportError, AttributeError: this Keras does not have it.
    """
    return pkgutil.resolve_name(name)


def is_operation(kind: type) -> bool:
    """Whether a class is that of an operation of `keras.ops`."""
    return kind.__module__.startswith(f"{OPERATIONS}.")
