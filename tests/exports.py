"""docs/exports.md: formats × backends × models, and what each must come to.

`python -m tests.exports` writes the file; `tests/test_exports.py` runs every cell of
its backend and compares it with what stands here.
"""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import keras
import numpy as np

import keras_gru

FEATURES = 5
TIME = 7
MODELS = ("plain", "masked", "stateful", "bidirectional")
PATH = Path(__file__).parents[1] / "docs" / "exports.md"

ANY, LENGTH, REFUSED = "any size", "fixed length", "refused"
"""Any batch and any length; any batch of one length; an error in every size.

A stateful model keeps one state a row: its batch is fixed in every format.
"""

EXPECTED = {
    ("SavedModel", "TensorFlow"): (ANY, ANY, ANY, ANY),
    ("SavedModel", "JAX"): (ANY, ANY, ANY, ANY),
    ("LiteRT", "TensorFlow"): (ANY, ANY, ANY, ANY),
    ("ONNX", "TensorFlow"): (ANY, ANY, REFUSED, ANY),
    ("ONNX", "JAX"): (ANY, ANY, REFUSED, ANY),
    ("ONNX", "torch"): (LENGTH, LENGTH, REFUSED, LENGTH),
    ("OpenVINO", "TensorFlow"): (ANY, ANY, REFUSED, ANY),
    ("OpenVINO", "JAX"): (REFUSED, REFUSED, REFUSED, REFUSED),
    ("OpenVINO", "torch"): (LENGTH, LENGTH, REFUSED, LENGTH),
    ("torch.export", "torch"): (LENGTH, LENGTH, LENGTH, LENGTH),
    ('torch.export, kernel="native_cpu"', "torch"): (ANY, ANY, ANY, ANY),
    ("torch.jit.trace", "torch"): (LENGTH, LENGTH, LENGTH, LENGTH),
    ("jax.export", "JAX"): (ANY, ANY, REFUSED, ANY),
}
"""(format, backend) -> a verdict for each of `MODELS`."""

HEAD = f"""\
# What can be exported

Each cell is a model that was exported, loaded again without its layers and compared
with the layer's own numbers, with Keras {keras.__version__}: `tests/test_exports.py`
runs all of them. `python -m tests.exports` writes this file.

- **{ANY}**: one file for any batch and any number of steps. A stateful model keeps one
  state a row: its batch is fixed.
- **{LENGTH}**: one file for any batch of the number of steps that it was exported with.
  A free number is refused, or another one where the file is used.
- **{REFUSED}**: an error that says why. No cell gives wrong numbers.

| format | backend | {" | ".join(MODELS)} |
|---|---|---|---|---|---|
"""

TAIL = """
- **SavedModel, LiteRT, ONNX, OpenVINO** are `model.export(path, format=…)`. Keras
  writes a SavedModel from TensorFlow and JAX; LiteRT from TensorFlow, and from torch
  with a package that is not tried here.
- **LiteRT** has its own operations only, no "Flex" ones: `keras.layers.GRU` needs them
  for everything but `unroll=True`, and the interpreter of TensorFlow 2.21 has none.
- **`keras_gru.export_onnx`** writes ONNX too, and is not in the table: GRU nodes on
  every backend, of any size, stateful models as inputs and outputs (`README.md`).
- **ONNX and OpenVINO** have no variables, so that a stateful model cannot be a file.
  Take `stateful=False, return_state=True`, and give the model an input for the state.
- **torch** writes the steps that its exporter sees into the file, whatever the loop.
- **torch.export** writes operations of torch alone: a program runs wherever torch does.
  A layer that asks for `kernel="native_cpu"` is one operator in it, the C++ kernel,
  with its gradient and for any length; whoever loads such a program imports `keras_gru`
  before.
- **OpenVINO** has no conversion for the loop of JAX, and says so. On a processor with
  bfloat16 it computes in it: `{"INFERENCE_PRECISION_HINT": "f32"}` gives these numbers.
- **torch.jit.trace** runs a stateful model: call `reset_state()` before
  `torch.jit.save`. **torch.export** takes one under `torch.no_grad()`.
- **jax.export** takes a function without effects: a stateful model goes through
  `model.stateless_call` there.
- `torch.compile(fullgraph=True)` writes no file. It holds the C++ kernel too, with
  masks, resets, dropout and gradients, and gives the bits of a call outside of it.
"""


def render() -> str:
    """The file."""
    rows = [
        f"| {form} | {backend} | {' | '.join(verdicts)} |\n"
        for (form, backend), verdicts in EXPECTED.items()
    ]
    return HEAD + "".join(rows) + TAIL


def model_of(kind: str, timesteps: int | None, kernel: str = "auto") -> keras.Model:
    """A model of one layer, called once as Keras' exporters want it."""
    batch = 2 if kind == "stateful" else None
    layer = keras_gru.GRU(
        *(4,),
        return_sequences=True,
        stateful=kind == "stateful",
        kernel=kernel,
        **keras_gru.VARIANTS["chung2014"],
    )
    x = keras.Input(batch_shape=(batch, timesteps, FEATURES))
    y = keras.layers.Masking()(x) if kind == "masked" else x
    layer = keras_gru.Bidirectional(layer) if kind == "bidirectional" else layer
    model = keras.Model(x, layer(y))
    model(sequences(2, TIME))
    if kind == "stateful":
        model.layers[-1].reset_state()
    return model


def sequences(batch: int, timesteps: int) -> np.ndarray:
    """With a padded row."""
    numbers = np.random.default_rng(timesteps).normal(size=(batch, timesteps, FEATURES))
    numbers[1, timesteps // 2 :] = 0.0
    return numbers.astype("float32")


def through_saved_model(model, folder):
    import tensorflow as tf

    signature = [keras.InputSpec(shape=model.input_shape, dtype="float32")]
    model.export(
        str(folder / "model"),
        format="tf_saved_model",
        verbose=False,
        input_signature=signature,  # without it the batch of a state were free
    )
    loaded = tf.saved_model.load(str(folder / "model"))
    return lambda x: np.asarray(loaded.serve(x))  # holds the variables of `loaded`


def through_litert(model, folder):
    import tensorflow as tf

    path = str(folder / "model.tflite")
    model.export(path, format="litert", verbose=False)
    interpreter = tf.lite.Interpreter(path)
    (given,) = interpreter.get_input_details()
    (result,) = interpreter.get_output_details()
    shape = None

    def run(x):
        nonlocal shape
        if x.shape != shape:
            interpreter.resize_tensor_input(given["index"], x.shape)
            interpreter.allocate_tensors()
            shape = x.shape
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return run


def through_onnx(model, folder):
    import onnxruntime

    path = str(folder / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    return lambda x: session.run(None, {given.name: x})[0]


def through_openvino(model, folder):
    import openvino

    path = str(folder / "model.xml")
    model.export(path, format="openvino", verbose=False)
    # It would compute in bfloat16 where the processor can.
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return lambda x: compiled(x)[0]


def through_program(model, folder):
    import torch

    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}
    batch, timesteps, _ = model.input_shape
    sizes = {axis: sizes[axis] for axis in (0, 1) if (batch, timesteps)[axis] is None}
    example = torch.tensor(sequences(batch or 3, TIME))
    with torch.no_grad():
        program = torch.export.export(
            model, (example,), dynamic_shapes=((sizes,),), strict=False
        )
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    return lambda x: loaded(torch.tensor(x)).detach().numpy()


def through_trace(model, folder):
    import torch

    with torch.no_grad():
        traced = torch.jit.trace(model.eval(), torch.tensor(sequences(2, TIME)))
    if getattr(model.layers[-1], "stateful", False):
        model.layers[-1].reset_state()  # the tracer has run the model
    torch.jit.save(traced, folder / "model.pt")
    loaded = torch.jit.load(folder / "model.pt")
    return lambda x: loaded(torch.tensor(x)).detach().numpy()


def through_jax(model, folder):
    import jax

    batch, timesteps, _ = model.input_shape
    names = (
        "b" if batch is None else str(batch),
        "t" if timesteps is None else str(TIME),
    )
    shape = jax.export.symbolic_shape(f"{', '.join(names)}, {FEATURES}")
    written = jax.export.export(jax.jit(model))(jax.ShapeDtypeStruct(shape, "float32"))
    loaded = jax.export.deserialize(written.serialize())
    return lambda x: np.asarray(loaded.call(x))


THROUGH = {
    "SavedModel": through_saved_model,
    "LiteRT": through_litert,
    "ONNX": through_onnx,
    "OpenVINO": through_openvino,
    "torch.export": through_program,
    'torch.export, kernel="native_cpu"': through_program,
    "torch.jit.trace": through_trace,
    "jax.export": through_jax,
}
"""Format -> (model, folder) -> what was written, as a function on NumPy arrays."""


def verdict_of(form: str, kind: str, folder: Path) -> tuple[str, list[str]]:
    """The verdict on a cell, and what each size before it was refused with.

    Raises:
        AssertionError: what was written gave other numbers than the model.
    """
    kernel = "native_cpu" if "native_cpu" in form else "auto"
    said = []
    batches = (2, 2) if kind == "stateful" else (2, 4)
    for number, (verdict, timesteps) in enumerate(((ANY, None), (LENGTH, TIME))):
        lengths = (3, 9) if timesteps is None else (TIME, TIME)
        place = folder / str(number)
        place.mkdir()
        model = model_of(kind, timesteps, kernel)
        given = [sequences(*shape) for shape in zip(batches, lengths, strict=True)]
        try:
            run = THROUGH[form](model, place)
            found = [run(x) for x in given]
        # Each exporter and each runtime raises what it likes.
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
            continue
        if kind == "stateful":
            model.layers[-1].reset_state()
        for x, outputs in zip(given, found, strict=True):
            expected = keras.ops.convert_to_numpy(model(x))
            np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
        return verdict, said
    return REFUSED, said


def cells(backend: str) -> list[tuple[str, str, str]]:
    """(format, model, verdict) of each cell of a backend."""
    names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "torch"}
    return list(
        itertools.chain.from_iterable(
            [(form, kind, v) for kind, v in zip(MODELS, verdicts, strict=True)]
            for (form, where), verdicts in EXPECTED.items()
            if where == names[backend]
        )
    )


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
