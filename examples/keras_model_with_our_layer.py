"""Take a model made with `keras.layers.GRU` and run it with `keras_gru.GRU`.

    python examples/keras_model_with_our_layer.py

The weights are the same, under the same names: `model.load_weights` works in both
directions, and so does the copy below. It is not compiled yet.
"""

import keras
import numpy as np

import keras_gru


def ours(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A copy of the layer without its weights; where it is Keras' GRU, ours."""
    cls = keras_gru.GRU if type(layer) is keras.layers.GRU else type(layer)
    config = layer.get_config()
    if isinstance(layer, keras.layers.Bidirectional):  # clone_model ends at it
        for name in {"layer", "backward_layer"} & set(config):
            inner = keras.saving.deserialize_keras_object(config[name])
            config[name] = keras.saving.serialize_keras_object(ours(inner))
    return cls.from_config(config)


theirs = keras.Sequential(
    [
        keras.Input((None,), dtype="int32"),
        keras.layers.Embedding(100, 16, mask_zero=True),
        keras.layers.Bidirectional(keras.layers.GRU(32, return_sequences=True)),
        keras.layers.GRU(32),
        keras.layers.Dense(1),
    ]
)
model = keras.models.clone_model(theirs, clone_function=ours, recursive=True)
model.set_weights(theirs.get_weights())

tokens = np.array([[5, 3, 8, 0, 0], [7, 7, 1, 4, 2]])
difference = np.abs(model.predict(tokens) - theirs.predict(tokens)).max()
print(f"largest difference of the outputs: {difference:.1e}")
