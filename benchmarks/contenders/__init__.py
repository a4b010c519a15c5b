"""The contenders, by the process in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.contenders.contender import Contender

BACKENDS = ("tensorflow", "jax", "torch")
PEERS = "peers"
"""The process of what needs no Keras: torch.nn.GRU, ONNX Runtime, sgemm."""


def framework_of(process: str) -> str:
    """The framework that a process works with."""
    return "torch" if process == PEERS else process


def of_process(process: str, kernels: Sequence[str] = ("auto",)) -> list[Contender]:
    """The contenders of a process; imports what they need.

    Args:
        process: one of `BACKENDS`, or `PEERS`.
        kernels: of `keras_gru`, each a contender.
    """
    if process == PEERS:
        from benchmarks.contenders import onnx_runtime, sgemm, torch_nn

        return [
            torch_nn.TorchNN(),
            torch_nn.CompiledTorchNN(),
            onnx_runtime.OnnxRuntime(),
            *sgemm.all_products(),
        ]
    from benchmarks.contenders import keras_layers

    layers: list[Contender] = [
        *(keras_layers.Ours(kernel) for kernel in kernels),
        keras_layers.KerasGRU(),
    ]
    if process == "tensorflow":
        layers += [keras_layers.Ours(jit=True), keras_layers.KerasGRU(jit=True)]
    if process == "jax":
        from benchmarks.contenders import flax_scan

        layers.append(flax_scan.FlaxGRU())
    return layers
