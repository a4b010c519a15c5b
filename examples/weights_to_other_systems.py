"""Take the weights of a GRU to other systems and back, and see what is refused.

    python examples/weights_to_other_systems.py

No other framework is needed: the weights are arrays of NumPy, in the layout and gate
order of each. `keras_gru.convert.to_torch` makes a `torch.nn.GRU` of them, `from_torch`
layers of one.
"""

import keras
import numpy as np

import keras_gru
from keras_gru.convert import SYSTEMS, ConversionError, export_weights, import_weights

keras.utils.set_random_seed(1)
x = np.random.default_rng(1).normal(size=(2, 6, 3)).astype("float32")

for variant in ("keras", "haiku"):
    layer = keras_gru.GRU(4, **keras_gru.VARIANTS[variant])
    outputs = layer(x)
    print(f"\n{variant}: update_gate={layer.update_gate}, {layer.reset_after=}")
    for system in SYSTEMS:
        try:
            arrays = export_weights(layer, system)
        except ConversionError as error:
            print(f"  {system:<11}refused: {error.term}, up to {error.largest:.2g}")
            continue
        copy = keras_gru.GRU(4, **keras_gru.VARIANTS[variant])
        import_weights(copy, system, arrays)
        difference = np.abs(keras.ops.convert_to_numpy(copy(x) - outputs)).max()
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items() if a.ndim)
        print(f"  {system:<11}and back: {difference:.0e}; {shapes[:60]}")

replace = keras_gru.convert.with_update_gate(layer, "keep")
difference = np.abs(keras.ops.convert_to_numpy(replace(x) - outputs)).max()
print(f"\nthe other update gate, the same function: {difference:.0e}")
