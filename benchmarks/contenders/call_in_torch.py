"""A Keras layer called eagerly, as Keras' "auto" does on torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.contenders.contender import (
    Built,
    Results,
    explained,
    gradients_by_name,
)
from benchmarks.numbers import CHECKED_ROWS, Numbers
from benchmarks.rows import Group


def build(layer: Any, group: Group, numbers: Numbers) -> Built:
    """See `Contender.build`."""
    x = torch.from_numpy(numbers.x)
    mask = None if numbers.mask is None else torch.from_numpy(numbers.mask)
    weights = [variable.value for variable in layer.trainable_variables]

    if group.mode == "training":
        x.requires_grad_()
        cotangent = torch.from_numpy(numbers.cotangent)
        check_cotangent = torch.from_numpy(numbers.check_cotangent)

        def step(cotangent: Any) -> Any:
            outputs = layer(x, mask=mask, training=True)
            return torch.autograd.grad((outputs * cotangent).sum(), [x, *weights])

        def results() -> Results:
            d_x, *d_weights = step(check_cotangent)
            named = gradients_by_name(layer, d_x, d_weights)
            named["x"] = named["x"][:CHECKED_ROWS]
            return {name: value.numpy() for name, value in named.items()}

        def run() -> Any:
            return step(cotangent)
    else:

        def run() -> Any:
            with torch.no_grad():
                return layer(x, mask=mask, training=False)

        def results() -> Results:
            if group.mode == "inference":
                return {"outputs": run()[:CHECKED_ROWS].numpy()}
            layer.reset_state()
            return {"outputs": np.concatenate([run(), run()], axis=1)}

    return Built(run, results, explained(layer, group), "eager")
