"""Weights from and to other systems: the same function exactly, or a ConversionError.

The arrays of one direction, with F features and U units; G is 3 U, its gates in the
order that stands behind the name. "forward/" or "backward/" stands before each name
where there are two directions, but for those that say otherwise.

    keras       z r n   kernel (F, G), recurrent_kernel (U, G), bias (2, G) or, with
                        the reset before, (G,); reset_after
    torch       r z n   weight_ih_l0 (G, F), weight_hh_l0 (G, U), bias_ih_l0, bias_hh_l0
                        (G,); _l1 … of further layers, _reverse behind those of the
                        second direction; of a cell without _l0
    cudnn       r z n   params: all of torch's matrices, then all biases, in one row
    onnx        z r n   W (D, G, F), R (D, G, U), B (D, 2 G), D directions, as the
                        inputs of a GRU node; linear_before_reset, its attribute
    openvino    z r n   W, R as onnx; B (D, 4 U), the last U being c_n, or with the
                        reset before (D, G); linear_before_reset
    flax_linen  r z n   ir/kernel, iz/kernel, in/kernel (F, U) and ir/bias … (U,);
                        hr/kernel … (U, U); hn/bias (U,)
    flax_nnx    r z n   dense_i/kernel (F, G), dense_i/bias (G,), dense_h/kernel (U, G)
    equinox     r z n   weight_ih (G, F), weight_hh (G, U), bias (G,), bias_n (U,)
    haiku       z r n   w_i (F, G), w_h (U, G), b (G,)
    tf1_block   r z n   w_ru (F + U, 2 U), w_c (F + U, U), b_ru (2 U,), b_c (U,)

Biases are absent where a layer has none and the system allows it.
"""

from keras_gru.convert.errors import ConversionError as ConversionError
from keras_gru.convert.swapping import Swap as Swap
from keras_gru.convert.swapping import replace_gru as replace_gru
from keras_gru.convert.swapping import restore_gru as restore_gru
from keras_gru.convert.swapping import with_update_gate as with_update_gate
from keras_gru.convert.systems import SYSTEMS as SYSTEMS
from keras_gru.convert.torch_modules import from_torch as from_torch
from keras_gru.convert.torch_modules import to_torch as to_torch
from keras_gru.convert.weights import export_weights as export_weights
from keras_gru.convert.weights import import_weights as import_weights

__all__ = [
    "SYSTEMS",
    "ConversionError",
    "Swap",
    "export_weights",
    "from_torch",
    "import_weights",
    "replace_gru",
    "restore_gru",
    "to_torch",
    "with_update_gate",
]
