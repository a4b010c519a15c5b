"""ONNX Runtime's GRU operator, for inference.

It runs time-major, the only layout that its processor provider has; its input is
given so. It has zeros at padded steps.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.contenders.contender import Built, Results
from benchmarks.numbers import CHECKED_ROWS, Numbers, is_after
from benchmarks.rows import Group, keep_forms


class OnnxRuntime:
    name = "onnxruntime"
    backend = "onnxruntime"
    padding = "zero"
    is_ours = False

    def conventions(self, group: Group) -> tuple[str, ...]:
        return () if group.mode == "training" else keep_forms(group.conventions)

    def absence(self, group: Group) -> str | None:
        missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else None

    def build(self, group: Group, convention: str, numbers: Numbers) -> Built:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            _model(convention, numbers), options, ["CPUExecutionProvider"]
        )

        def value(array: np.ndarray) -> Any:
            return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))

        start = np.zeros((1, group.shape.batch, group.shape.units), "float32")
        feed = {
            "X": value(numbers.x.transpose(1, 0, 2)),
            "lengths": value(numbers.lengths.astype("int32")),
            "initial": value(start),
        }

        def run() -> Any:
            outputs, state = session.run_with_ort_values(["Y", "Y_h"], feed)
            if group.mode == "generation":
                feed["initial"] = state
            return outputs

        def outputs() -> np.ndarray:
            return run().numpy()[:, 0].transpose(1, 0, 2)  # (batch, time, units)

        def results() -> Results:
            feed["initial"] = value(start)
            if group.mode == "inference":
                return {"outputs": outputs()[:CHECKED_ROWS]}
            return {"outputs": np.concatenate([outputs(), outputs()], axis=1)}

        run()
        return Built(run, results)


def _model(convention: str, numbers: Numbers) -> bytes:
    """A graph of one GRU node, its weights inside."""
    from onnx import TensorProto, checker, helper, numpy_helper

    bias = numbers.bias_for(convention)
    if not is_after(convention):
        bias = np.stack([bias, np.zeros_like(bias)])  # one bias, in the input's row
    weights = {
        "W": numbers.kernel.T[None],
        "R": numbers.recurrent_kernel.T[None],
        "B": bias.reshape(1, -1),
    }
    node = helper.make_node(
        "GRU",
        ["X", "W", "R", "B", "lengths", "initial"],
        ["Y", "Y_h"],
        hidden_size=numbers.recurrent_kernel.shape[0],
        linear_before_reset=int(is_after(convention)),
    )
    batch, timesteps, features = numbers.x.shape
    units = numbers.recurrent_kernel.shape[0]
    state = (1, batch, units)
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "gru",
        [
            helper.make_tensor_value_info("X", real, (timesteps, batch, features)),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, (batch,)),
            helper.make_tensor_value_info("initial", real, state),
        ],
        [
            helper.make_tensor_value_info("Y", real, (timesteps, 1, batch, units)),
            helper.make_tensor_value_info("Y_h", real, state),
        ],
        [
            numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in weights.items()
        ],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()
