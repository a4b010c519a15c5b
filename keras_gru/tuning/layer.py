"""A GRU whose shape, rates and convention are searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_gru.layer import GRU
from keras_gru.variants import VARIANTS

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

# The four that differ; the other names in VARIANTS are synonyms of the first three.
CONVENTIONS = ("keras", "cho2014", "chung2014", "replace_after")


def gru(
    hp: HyperParameters,
    prefix: str = "gru",
    *,
    units: int | tuple[int, int] = (32, 512),
    variant: str | Sequence[str] = CONVENTIONS,
    dropout: float | tuple[float, float] = (0.0, 0.5),
    recurrent_dropout: float | tuple[float, float] = 0.0,
    **arguments: Any,
) -> GRU:
    """Build a `keras_gru.GRU` from hyperparameters.

    | hyperparameter | values of a range (low, high) |
    |---|---|
    | ``PREFIX_units`` | low · 2ᵏ up to high |
    | ``PREFIX_variant`` | names in `keras_gru.VARIANTS` |
    | ``PREFIX_dropout`` | low, low + 0.1, … up to high |
    | ``PREFIX_recurrent_dropout`` | the same |

    Args:
        hp: a `keras_tuner.HyperParameters`.
        prefix: begins the names; layers with the same prefix share their values.
        units: a range, or one number that is not searched.
        variant: names to choose from, or one. By default the four conventions that
            there are, each under one of its names.
        dropout: a range, or one rate.
        recurrent_dropout: a range, or one rate. Not searched by default: a rate above
            zero rules out the faster kernels.
        arguments: of `keras_gru.GRU`, such as ``return_sequences=True``.

    Returns:
        The layer.

    Raises:
        ValueError: a name is no variant, or a range is no range.
        TypeError: `arguments` has `update_gate` or `reset_after`, which the variant
            decides.

    Example:
        >>> import keras_tuner
        >>> from keras_gru import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> layer = tuning.gru(hp, units=(16, 128), return_sequences=True)
        >>> layer.units, layer.update_gate, layer.reset_after
        (16, 'keep', True)
        >>> sorted(hp.values)
        ['gru_dropout', 'gru_units', 'gru_variant']
    """
    return GRU(
        _units(hp, f"{prefix}_units", units),
        dropout=_rate(hp, f"{prefix}_dropout", dropout),
        recurrent_dropout=_rate(hp, f"{prefix}_recurrent_dropout", recurrent_dropout),
        **VARIANTS[_variant(hp, f"{prefix}_variant", variant)],
        **arguments,
    )


def _units(hp: HyperParameters, name: str, units: int | tuple[int, int]) -> int:
    if not isinstance(units, tuple):
        return units
    low, high = _range(name, units)
    return int(hp.Int(name, int(low), int(high), step=2, sampling="log"))


def _rate(hp: HyperParameters, name: str, rate: float | tuple[float, float]) -> float:
    if not isinstance(rate, tuple):
        return rate
    low, high = _range(name, rate)
    # Not Float with a step: of 0.0, 0.1, … 0.5 it leaves out the last.
    return float(hp.Choice(name, np.arange(low, high + 1e-6, 0.1).round(6).tolist()))


def _variant(hp: HyperParameters, name: str, variant: str | Sequence[str]) -> str:
    names = [variant] if isinstance(variant, str) else list(variant)
    unknown = [given for given in names if given not in VARIANTS]
    if unknown or not names:
        raise ValueError(
            f"Argument `variant` must be one or several of {', '.join(VARIANTS)}. "
            f"Received: variant={variant!r}."
        )
    return names[0] if isinstance(variant, str) else str(hp.Choice(name, names))


def _range(name: str, given: tuple[float, float]) -> tuple[float, float]:
    if len(given) != 2 or not given[0] < given[1]:
        raise ValueError(
            f"The range of {name} must be (low, high) with low < high. "
            f"Received: {given!r}."
        )
    return given
