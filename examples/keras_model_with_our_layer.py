"""Take a model made with `keras.layers.GRU` and run it with `keras_gru.GRU`, and back.

    python examples/keras_model_with_our_layer.py

The weights are the same, under the same names: `model.load_weights` works in both
directions too. The copies are not compiled, as the model is not.
"""

import keras
import numpy as np

import keras_gru

theirs = keras.Sequential(
    [
        keras.Input((None,), dtype="int32"),
        keras.layers.Embedding(100, 16, mask_zero=True),
        keras.layers.Bidirectional(keras.layers.GRU(32, return_sequences=True)),
        keras.layers.GRU(32),
        keras.layers.Dense(1),
    ]
)
model, swapped, left = keras_gru.convert.replace_gru(theirs)
print("swapped:", ", ".join(swapped))
print("left:", left or "none")

tokens = np.array([[5, 3, 8, 0, 0], [7, 7, 1, 4, 2]])
difference = np.abs(model.predict(tokens) - theirs.predict(tokens)).max()
print(f"largest difference of the outputs: {difference:.1e}")

back = keras_gru.convert.restore_gru(model).model
print("back again:", [type(layer).__module__ for layer in back.layers[1:3]])
