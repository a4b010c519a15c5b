"""Weights and models in files, in copies, in the formats of other systems."""

from __future__ import annotations

import contextlib
import copy
import pickle
import tempfile
from pathlib import Path

import keras
import numpy as np

from tests.drop_in.given import (
    BATCH,
    FEATURES,
    TIME,
    TOKENS,
    UNITS,
    X,
    built,
    compiled,
    small_model,
    trained,
)
from tests.drop_in.judge import group

use = group("Saving and copying")


@contextlib.contextmanager
def file(name):
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / name)


def saved_and_loaded(model, name="model.keras"):
    with file(name) as path:
        model.save(path)
        return keras.models.load_model(path)


@use("`.keras`: the model, its optimizer; training goes on")
def _(layers):
    model = compiled(small_model(layers, dropout=0.2, seed=1), "adam")
    trained(model)
    return trained(saved_and_loaded(model))


@use("`.keras` with `Bidirectional`, masks, `RNN(cell)`")
def _(layers):
    model = keras.Sequential(
        [
            layers.Embedding(9, FEATURES, mask_zero=True),
            layers.Bidirectional(layers.GRU(UNITS, return_sequences=True)),
            layers.RNN(layers.GRUCell(UNITS)),
        ]
    )
    return model(TOKENS), saved_and_loaded(model)(TOKENS)


use("`.h5`, the format of before")(
    lambda layers: saved_and_loaded(small_model(layers), "model.h5")(X)
)


def carried_over(save, load, name):
    """The outputs of either model, the second with the weights of the first's file."""
    one, two = small_model(save, name="gru"), small_model(load, name="gru")
    with file(name) as path:
        (one.save if name.endswith(".keras") else one.save_weights)(path)
        two.load_weights(path)
    return one(X), two(X)


for name in ("model.keras", "model.weights.h5"):
    use(f"`{name}`: weights to and from `keras.layers.GRU`")(
        lambda layers, name=name: [
            carried_over(layers, layers, name),
            carried_over(keras.layers, layers, name),
            carried_over(layers, keras.layers, name),
        ]
    )


@use("`model.weights.h5` of stacked cells to and from `keras.layers.GRUCell`")
def _(layers):
    def stacked(layers):
        cells = [layers.GRUCell(UNITS), layers.GRUCell(UNITS)]
        return keras.Sequential([keras.Input((TIME, FEATURES)), layers.RNN(cells)])

    stock, one, two = stacked(keras.layers), stacked(layers), stacked(keras.layers)
    with file("model.weights.h5") as path:
        stock.save_weights(path)
        one.load_weights(path)
        one.save_weights(path)
        two.load_weights(path)
    return stock(X), one(X), two(X)


@use("`get_weights`, `set_weights` to and from `keras.layers.GRU`")
def _(layers):
    one, two = built(layers), built(keras.layers)
    one.set_weights(two.get_weights())
    two.set_weights([2 * w for w in one.get_weights()])
    return one(X), two(X)


@use("`to_json`, `model_from_json`, `clone_model`")
def _(layers):
    def frozen(layer):
        return layer.from_config({**layer.get_config(), "trainable": False})

    model = small_model(layers, reset_after=False)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    again = keras.models.model_from_json(model.to_json())
    fixed = keras.models.clone_model(model, clone_function=frozen)
    return clone(X), [w.path for w in again.weights], len(fixed.trainable_weights)


@use("`copy.deepcopy`, `pickle`")
def _(layers):
    model = small_model(layers)
    return (
        copy.deepcopy(model)(X),
        copy.deepcopy(model.layers[0])(X),
        pickle.loads(pickle.dumps(model))(X),
    )


@use("`ModelCheckpoint`, `BackupAndRestore` in `fit`")
def _(layers):
    model, other = compiled(small_model(layers)), small_model(layers)
    with file("best.weights.h5") as path:
        checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
        backup = keras.callbacks.BackupAndRestore(str(Path(path).parent / "backup"))
        trained(model, callbacks=[checkpoint, backup])
        other.load_weights(path)
    return other(X)


@use("`save_own_variables`, `build_from_config`")
def _(layers):
    layer, again, store = layers.GRU(UNITS), layers.GRU(UNITS), {}
    layer(X)
    layer.save_own_variables(store)
    again.build_from_config(layer.get_build_config())
    again.load_own_variables(store)
    return sorted(store), [list(w.shape) for w in again.weights]


@use("a stateful model: its weights, its file")
def _(layers):
    model = small_model(layers, batch=BATCH, stateful=True)
    return len(model.get_weights()), model(X), saved_and_loaded(model)(X)


use = group("Exporting")


def served(model, *inputs):
    """What the exported model says to each, without Keras."""
    import tensorflow as tf

    with file("model") as path:
        model.export(path, format="tf_saved_model", verbose=False)
        loaded = tf.saved_model.load(path)  # holds the variables
        return [np.asarray(loaded.serve(x)) for x in inputs]


WITH_TENSORFLOW = {"on": ("tensorflow", "jax")}
use("a SavedModel, also of any length", **WITH_TENSORFLOW)(
    lambda layers: [
        served(small_model(layers), X, X[:2]),
        served(small_model(layers, time=None), X, X[:2, :3]),
    ]
)


@use("`ExportArchive` with an endpoint of your own", **WITH_TENSORFLOW)
def _(layers):
    import tensorflow as tf

    layer = built(layers, return_state=True)
    with file("model") as path:
        archive = keras.export.ExportArchive()
        archive.track(layer)
        signature = [tf.TensorSpec((None, TIME, FEATURES), tf.float32)]
        archive.add_endpoint("run", layer, input_signature=signature)
        archive.write_out(path, verbose=False)
        loaded = tf.saved_model.load(path)
        return [np.asarray(output) for output in loaded.run(X)]


def through_onnx(model, *inputs):
    import onnxruntime

    model(X)  # Keras exports what was called
    with file("model.onnx") as path:
        model.export(path, format="onnx", verbose=False)
        session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    return [session.run(None, {given.name: x})[0] for x in inputs]


use("ONNX, of a fixed size")(
    lambda layers: through_onnx(small_model(layers, batch=BATCH), X)
)
use(
    "ONNX, of any batch and any length",
    differs={
        "torch": "an error, for torch's exporter fixes the number of steps; Keras "
        "writes a file that is wrong for every other number"
    },
)(lambda layers: through_onnx(small_model(layers, time=None), X, X[:2, :3]))


def through_litert(model):
    import tensorflow as tf

    with file("model.tflite") as path:
        model.export(path, format="litert", verbose=False)
        interpreter = tf.lite.Interpreter(path)
    (given,) = interpreter.get_input_details()
    (result,) = interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], X.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], X)
    interpreter.invoke()
    return interpreter.get_tensor(result["index"])


use("LiteRT, unrolled", on=("tensorflow",))(
    lambda layers: through_litert(small_model(layers, batch=BATCH, unroll=True))
)
use(
    "LiteRT, a loop",
    on=("tensorflow",),
    only_ours="its loop needs operations that LiteRT has not built in",
)(lambda layers: through_litert(small_model(layers, batch=BATCH)))
