"""The GRU for Keras 3, in every convention, on TensorFlow, JAX and PyTorch."""

import keras as _keras

from keras_gru import analysis as analysis
from keras_gru import convert as convert
from keras_gru import tuning as tuning
from keras_gru.bidirectional import Bidirectional as Bidirectional
from keras_gru.cell import GRUCellV as GRUCellV
from keras_gru.layer import GRU as GRU
from keras_gru.onnx import export_onnx as export_onnx
from keras_gru.onnx import import_onnx_gru as import_onnx_gru
from keras_gru.packing import Packed as Packed
from keras_gru.packing import pack_sequences as pack_sequences
from keras_gru.variants import VARIANTS as VARIANTS

if _keras.backend.backend() == "torch":
    # Graphs that torch has saved find their operators after `import keras_gru`.
    from keras_gru.native import torch_operators as torch_operators

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "VARIANTS",
    "Bidirectional",
    "GRUCellV",
    "Packed",
    "__version__",
    "analysis",
    "convert",
    "export_onnx",
    "import_onnx_gru",
    "pack_sequences",
    "tuning",
]
