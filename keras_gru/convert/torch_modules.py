"""from_torch, to_torch: `torch.nn.GRU` and `GRUCell` as layers of Keras, and back.

torch is imported when they are called, on whichever backend Keras runs.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_gru.bidirectional import Bidirectional
from keras_gru.cell import GRUCellV
from keras_gru.convert.errors import ConversionError
from keras_gru.convert.layers import CELLS, cells_of
from keras_gru.convert.weights import export_weights, import_weights
from keras_gru.layer import GRU


def from_torch(module: Any) -> Any:
    """A `torch.nn.GRU` or `torch.nn.GRUCell` as layers of Keras, with its weights.

    Args:
        module: the module. Whatever its `batch_first`, the layers take
            `(batch, time, features)`, as all of Keras.

    Returns:
        Of a `GRUCell`, a `GRUCellV`. Of a `GRU` with one layer, a `GRU` that returns
        sequences, inside of a `Bidirectional` where the module has two directions; of
        one with more, a `keras.Sequential` of these, with `Dropout` between them where
        the module has it. All in the dtype of the module.

    Raises:
        TypeError: `module` is something else, or of a class derived from these.

    Example:

    >>> import torch, keras_gru
    >>> module = torch.nn.GRU(3, 4, num_layers=2, dropout=0.1, device="cpu")
    >>> model = keras_gru.convert.from_torch(module)
    >>> [type(layer).__name__ for layer in model.layers]
    ['GRU', 'Dropout', 'GRU']
    """
    import torch

    if type(module) not in (torch.nn.GRU, torch.nn.GRUCell):
        raise TypeError(
            "Argument `module` must be a torch.nn.GRU or torch.nn.GRUCell. Received: "
            f"{type(module).__module__}.{type(module).__name__}."
        )
    arrays = module.state_dict()
    options = {
        "units": module.hidden_size,
        "use_bias": module.bias,
        "dtype": str(next(iter(arrays.values())).dtype).removeprefix("torch."),
    }
    if type(module) is torch.nn.GRUCell:
        cell = GRUCellV(**options)
        import_weights(cell, "torch", arrays)
        return cell
    layers: list[Any] = [
        GRU(return_sequences=True, **options) for _ in range(module.num_layers)
    ]
    if module.bidirectional:
        layers = [Bidirectional(layer) for layer in layers]
    import_weights(layers, "torch", arrays)
    if len(layers) == 1:
        return layers[0]
    stack = [keras.Input((None, module.input_size), dtype=options["dtype"]), layers[0]]
    for layer in layers[1:]:
        if module.dropout:
            stack.append(keras.layers.Dropout(module.dropout, dtype=options["dtype"]))
        stack.append(layer)
    return keras.Sequential(stack)


def to_torch(layer: Any) -> Any:
    """The layers of Keras as a `torch.nn.GRU`, or a cell as a `torch.nn.GRUCell`.

    Args:
        layer: a built GRU of keras_gru or of Keras, a `Bidirectional` around one with
            `merge_mode="concat"`, or a list or `keras.Sequential` of them, with the
            same `Dropout` between all of them or none; or a cell.

    Returns:
        The module on the CPU, with `batch_first=True`. It returns all outputs and the
        final states, whatever the layers return.

    Raises:
        ConversionError: torch's module does not compute the same; it has no dropout of
            inputs and states, and is never stateful.
        TypeError, ValueError: as `export_weights`.

    Example:

    >>> import keras_gru
    >>> layer = keras_gru.GRU(4, update_gate="replace")
    >>> layer.build((None, None, 3))
    >>> keras_gru.convert.to_torch(layer)
    GRU(3, 4, batch_first=True)
    """
    import torch

    layers, dropout = _without_dropout(layer)
    for one in layers:
        _check_options(one)
    rows = cells_of(layers)
    alone = type(layer) in CELLS
    arrays = export_weights(layer if alone else layers, "torch")
    dtype = getattr(torch, rows[0][0].variable_dtype)
    end = "" if alone else "_l0"
    options = {"bias": f"bias_ih{end}" in arrays, "device": "cpu", "dtype": dtype}
    features = arrays[f"weight_ih{end}"].shape[1]
    if alone:
        module = torch.nn.GRUCell(features, layer.units, **options)
    else:
        module = torch.nn.GRU(
            features,
            rows[0][0].units,
            num_layers=len(rows),
            batch_first=True,
            dropout=dropout,
            bidirectional=len(rows[0]) == 2,
            **options,
        )
    module.load_state_dict(
        {
            name: torch.from_numpy(np.array(array, "float64")).to(dtype)
            for name, array in arrays.items()
        }
    )
    return module


def _without_dropout(layer: Any) -> tuple[list[Any], float]:
    """The GRU layers of a stack, and the rate of the dropout between them."""
    if isinstance(layer, keras.Sequential):
        layer = layer.layers
    if not isinstance(layer, (list, tuple)):
        return [layer], 0.0
    kinds = [type(one) is keras.layers.Dropout for one in layer]
    layers = [one for one, drops in zip(layer, kinds, strict=True) if not drops]
    dropouts = [one for one, drops in zip(layer, kinds, strict=True) if drops]
    between = [False, *[True, False] * (len(layers) - 1)]
    rates = {one.rate for one in dropouts}
    odd = any(one.noise_shape is not None for one in dropouts)
    if dropouts and (kinds != between or len(rates) > 1 or odd):
        raise ConversionError(
            "torch.nn.GRU",
            "its dropout acts between all layers, at one rate, on each number alone",
            "the layers " + ", ".join(one.name for one in layer),
        )
    return layers, max(rates, default=0.0)


def _check_options(layer: Any) -> None:
    """Raises ConversionError where the layer does what torch's module cannot."""
    inner = [layer]
    if isinstance(layer, keras.layers.Bidirectional):
        inner = [layer.forward_layer, layer.backward_layer]
        _refuse(layer, "merge_mode", layer.merge_mode != "concat")
    for one in inner:
        for (cell,) in cells_of(one):
            _refuse(cell, "dropout", cell.dropout > 0)
            _refuse(cell, "recurrent_dropout", cell.recurrent_dropout > 0)
        _refuse(one, "stateful", getattr(one, "stateful", False))
        alone = one is layer and getattr(one, "go_backwards", False)
        _refuse(one, "go_backwards", alone)


def _refuse(layer: Any, name: str, wrong: bool) -> None:
    if wrong:
        raise ConversionError(
            "torch.nn.GRU",
            f"it has no {name} of this kind",
            f"{name}={getattr(layer, name)!r} of {layer.name}",
            advice="export_weights(layer, 'torch') gives the weights alone.",
        )
