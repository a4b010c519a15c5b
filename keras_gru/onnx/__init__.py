"""ONNX with real GRU nodes: models written as files, and layers read from them.

`walk.py` goes through a model and `graph.py` collects what is written; `layers.py` has
the nodes of layers, `recurrent.py` of recurrent ones with their masks and states,
`masks.py` of their masks, `operations.py` those of `keras.ops`; `gates.py` is a cell's
weights and activations; `importing.py` reads.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18
"""The oldest that all nodes written here are in; runtimes of 2023 know it."""


def export_onnx(
    model: Any, path: str | Path, opset: int = OPSET, states: bool = False
) -> None:
    """Writes a model as an ONNX file in which each GRU is one `GRU` node.

    The nodes are written from the graph of layers, in the same way on every backend.
    A `Bidirectional` of two like layers is one node too, an LSTM one `LSTM` node, a
    stack of cells one node a cell. `update_gate="replace"` becomes ONNX's keep form,
    exactly, by the sign of the update gate's weights. What `keras.Input` leaves open
    stays open, `batch` and `time` by name.

    A mask becomes `sequence_lens`: the used steps of each row are moved to its front
    and the outputs back to their places, so that masks of any form give the numbers of
    Keras, with and without `zero_output_for_mask`. Where `keras.layers.GRU` itself
    differs between backends under a mask (README), the file does as `keras_gru.GRU`.

    A layer with `stateful=True` gives the file an input `LAYER.state` and an output
    `LAYER.new_state`, `(batch, units)` each: begin with zeros, and feed what came out
    to the next call. An LSTM has `LAYER.state_0` and `_1`, a stack of cells so many,
    and a `Bidirectional` those of its two layers. With `states=True` it is so of every
    layer that is called without an initial state, for any batch.

    A learnt initial state is the node's `initial_h`. A layer of another class, Keras'
    or your own, is written by what its `call` is made of, where that is these layers
    and common operations of `keras.ops`; its weights become constants.

    Args:
        model: functional or `keras.Sequential`, built, in float32. Models inside of it
            are walked through. Layers: Activation, ActivityRegularization, Add,
            AlphaDropout, BatchNormalization, Bidirectional, Concatenate, Conv1D, Dense,
            Dropout, Embedding, Flatten, GRU and LSTM, GaussianDropout, GaussianNoise,
            GlobalAveragePooling1D, GlobalMaxPooling1D, Identity, Input,
            LayerNormalization, Masking, Multiply, Permute, RNN of GRUCell, GRUCellV,
            LSTMCell or a list of them, Rescaling, Reshape, Softmax, SpatialDropout1D,
            and TimeDistributed around Activation, Dense and Dropout.
        path: the file to write.
        opset: version of ONNX's operators, 18 or later.
        states: whether the states of recurrent layers become inputs and outputs.

    Raises:
        ImportError: `onnx` is not installed.
        TypeError: `model` is neither functional nor `keras.Sequential`.
        ValueError: a layer cannot be written; the message names it, says why, and which
            ones can. Or `opset` is out of range.

    Source: https://onnx.ai/onnx/operators/onnx__GRU.html, opset 14 and 22.

    Example:

    >>> import keras, keras_gru, onnx, tempfile
    >>> model = keras.Sequential(
    ...     [keras.Input((None, 3)), keras_gru.GRU(4), keras.layers.Dense(1)]
    ... )
    >>> path = tempfile.mkdtemp() + "/model.onnx"
    >>> keras_gru.export_onnx(model, path)
    >>> [node.op_type for node in onnx.load(path).graph.node]
    ['Transpose', 'GRU', 'Gather', 'MatMul', 'Add', 'Identity']
    """
    _need("export_onnx")
    importlib.import_module("keras_gru.onnx.walk").export(model, path, opset, states)


def import_onnx_gru(path_or_model: str | Path | ModelProto) -> dict[str, Any]:
    """Layers from the `GRU` nodes of an ONNX model, built, with their weights.

    A node of one direction becomes a `GRU`, with `go_backwards` where it is reversed,
    one of both a `Bidirectional`. The layer takes `(batch, time, features)`, whatever
    the node's `layout`. It has `return_sequences` where the node's `Y` is used, and
    `return_state` where `Y_h` is beside it; with `go_backwards` outputs stand in the
    order of processing, as Keras has them, while ONNX puts them back. Outputs behind
    the end of a row are zeros, as in ONNX (`zero_output_for_mask`).

    `initial_h` and `sequence_lens` belong to a call and not to a layer: pass them as
    `initial_state` and as a `mask`.

    Args:
        path_or_model: a file, or what `onnx.load` gives. The weights must be in it, as
            initializers or as what nodes compute from them.

    Returns:
        A layer by the name of its node, or of its first output where it has none,
        in the order of the graph.

    Raises:
        ImportError: `onnx` is not installed.
        ValueError: there is no GRU node, or one cannot be a layer exactly: weights that
            are not in the file, a constant `initial_h` other than zero, `clip`, an
            activation that Keras has not with these parameters.

    Example:

    >>> import keras, keras_gru, tempfile
    >>> gru = keras_gru.GRU(4, name="one")
    >>> model = keras.Sequential([keras.Input((None, 3)), gru])
    >>> path = tempfile.mkdtemp() + "/model.onnx"
    >>> keras_gru.export_onnx(model, path)
    >>> layers = keras_gru.import_onnx_gru(path)
    >>> list(layers), layers["one/GRU"].units
    (['one/GRU'], 4)
    """
    _need("import_onnx_gru")
    module = importlib.import_module("keras_gru.onnx.importing")
    found: dict[str, Any] = module.layers_of(path_or_model)
    return found


def _need(function: str) -> None:
    try:
        importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError(
            f"keras_gru.{function} needs the package onnx: "
            'pip install "keras_gru[onnx]"'
        ) from error
