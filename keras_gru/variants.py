"""The conventions of the literature and of the libraries, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypedDict


class Convention(TypedDict):
    """The two choices that tell one GRU from another."""

    update_gate: str
    reset_after: bool


VARIANTS: Mapping[str, Convention] = MappingProxyType(
    {
        "keras": {"update_gate": "keep", "reset_after": True},
        "pytorch": {"update_gate": "keep", "reset_after": True},
        "cudnn": {"update_gate": "keep", "reset_after": True},
        "cho2014_v1": {"update_gate": "keep", "reset_after": True},
        "cho2014": {"update_gate": "keep", "reset_after": False},
        "chung2014": {"update_gate": "replace", "reset_after": False},
        "haiku": {"update_gate": "replace", "reset_after": False},
        "replace_after": {"update_gate": "replace", "reset_after": True},
    }
)
"""Keyword arguments of each named convention, for `GRU` and `GRUCellV`.

| name | update gate | reset gate | source |
|---|---|---|---|
| `"keras"` | keep | after | `keras.layers.GRU`, its default |
| `"pytorch"` | keep | after | `torch.nn.GRU` |
| `"cudnn"` | keep | after | NVIDIA cuDNN, `CUDNN_GRU` |
| `"cho2014_v1"` | keep | after | Cho et al. 2014, arXiv 1406.1078, v1 and v2 |
| `"cho2014"` | keep | before | Cho et al. 2014, arXiv 1406.1078, v3 |
| `"chung2014"` | replace | before | Chung et al. 2014, arXiv 1412.3555 |
| `"haiku"` | replace | before | `haiku.GRU` |
| `"replace_after"` | replace | after | the combination that nobody has named |

Example:

>>> import keras_gru
>>> layer = keras_gru.GRU(8, **keras_gru.VARIANTS["chung2014"])
>>> layer.update_gate, layer.reset_after
('replace', False)
"""
