"""`torch.nn.GRU`, eager, and through `torch.compile`.

Masks are packed sequences. It has keep-after only, and has zeros at padded steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.contenders.contender import Built, Results
from benchmarks.contenders.gates import swap_first_two
from benchmarks.numbers import CHECKED_ROWS, Numbers
from benchmarks.rows import Group, Shape


class TorchNN:
    name = "torch.nn.GRU"
    backend = "torch"
    padding = "zero"
    is_ours = False

    def conventions(self, group: Group) -> tuple[str, ...]:
        after = any(name.endswith("after") for name in group.conventions)
        return ("keep_after",) if after else ()

    def absence(self, group: Group) -> str | None:
        return None

    def compiled(self, function: Any) -> Any:
        """What is called; here the function itself."""
        return function

    def build(self, group: Group, convention: str, numbers: Numbers) -> Built:
        module = torch.nn.GRU(group.shape.features, group.shape.units, batch_first=True)
        with torch.no_grad():
            module.weight_ih_l0.copy_(_to_torch(numbers.kernel))
            module.weight_hh_l0.copy_(_to_torch(numbers.recurrent_kernel))
            module.bias_ih_l0.copy_(_to_torch(numbers.bias[0]))
            module.bias_hh_l0.copy_(_to_torch(numbers.bias[1]))
        x = torch.from_numpy(numbers.x)
        lengths = torch.from_numpy(numbers.lengths)

        def forward(x: Any) -> Any:
            if not group.masked:
                return module(x)[0]
            packed = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
            return pad_packed_sequence(
                module(packed)[0], True, total_length=group.shape.timesteps
            )[0]

        call = self.compiled(forward)
        if group.mode == "training":
            return _training(call, module, x, numbers)
        if group.mode == "generation":
            return _generation(module, x)

        def run() -> Any:
            with torch.no_grad():
                return call(x)

        run()
        return Built(run, lambda: {"outputs": run()[:CHECKED_ROWS].numpy()})


class CompiledTorchNN(TorchNN):
    """The loop unrolled by `torch.compile`.

    By default the compiler leaves the module alone and calls the eager kernel.
    Told to go in (`allow_rnn`) it unrolls the time steps: compilation takes a
    minute at 20 steps and grows with them.
    """

    name = "torch.nn.GRU compiled"
    tried_at = (Shape(256, 20, 32, 32),)

    def absence(self, group: Group) -> str | None:
        if group.shape not in self.tried_at or group.mode == "generation":
            return "torch.compile unrolls the time steps; tried at 20 steps only"
        if group.masked:
            return "torch.compile does not look into packed sequences"
        if group.threads == 1:
            return "torch.compile takes a minute: tried on the most threads only"
        return None

    def compiled(self, function: Any) -> Any:
        torch._dynamo.reset()
        torch._dynamo.config.allow_rnn = True
        return torch.compile(function)


def _training(call: Any, module: Any, x: Any, numbers: Numbers) -> Built:
    x.requires_grad_()
    cotangent = torch.from_numpy(numbers.cotangent)
    check_cotangent = torch.from_numpy(numbers.check_cotangent)
    parameters = list(module.parameters())  # W, U, b, c

    def step(cotangent: Any) -> Any:
        loss = (call(x) * cotangent).sum()
        return torch.autograd.grad(loss, [x, *parameters])

    def results() -> Results:
        d_x, d_kernel, d_recurrent, d_input_bias, d_recurrent_bias = (
            value.numpy() for value in step(check_cotangent)
        )
        biases = [swap_first_two(d_input_bias), swap_first_two(d_recurrent_bias)]
        return {
            "x": d_x[:CHECKED_ROWS],
            "kernel": swap_first_two(d_kernel.T),
            "recurrent_kernel": swap_first_two(d_recurrent.T),
            "bias": np.stack(biases),
        }

    step(cotangent)
    return Built(lambda: step(cotangent), results)


def _generation(module: Any, x: Any) -> Built:
    state = None

    def run() -> Any:
        nonlocal state
        with torch.no_grad():
            outputs, state = module(x, state)
        return outputs

    def results() -> Results:
        nonlocal state
        state = None
        return {"outputs": np.concatenate([run(), run()], axis=1)}

    return Built(run, results)


def _to_torch(weight: np.ndarray) -> Any:
    return torch.from_numpy(swap_first_two(weight).T.copy())
