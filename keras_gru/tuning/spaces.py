"""The search space: keras-tuner's hyperparameters, and what is asked of them here."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner import HyperParameters

from keras_gru.files import read_sealed
from keras_gru.tuning.errors import SweepError, one_line

Values = dict[str, Any]


def explore(hypermodel: Any) -> HyperParameters:
    """All hyperparameters that a hypermodel asks for, on every conditional branch."""
    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("x", "min"))
    with tempfile.TemporaryDirectory() as folder:
        try:
            # A tuner builds the model until it knows the space.
            keras_tuner.engine.base_tuner.BaseTuner(oracle, hypermodel.build, folder)
        except Exception as error:
            raise SweepError(
                f"the model cannot be built: {type(error).__name__}: {one_line(error)}"
            ) from error
    return with_values(oracle.get_space(), {})


def with_values(space: HyperParameters, values: Mapping[str, Any]) -> HyperParameters:
    """The space with values of its own; the hyperparameters themselves are shared."""
    hp = copy.copy(space)
    hp.values = dict(values)
    return hp


def rounded(value: Any) -> Any:
    """A float with six digits, that a reader can type and a table can show.

    Example:
        >>> rounded(0.0012345678), rounded("haiku"), rounded(0.1 + 0.2)
        (0.00123457, 'haiku', 0.3)
    """
    return float(f"{value:.6g}") if isinstance(value, float) else value


def combinations(
    space: HyperParameters, chosen: Values | None = None, place: int = 0
) -> Iterator[Values]:
    """Every combination of the space; the last hyperparameter changes fastest.

    The default of a hyperparameter comes first, then its other values in their order;
    of a range without steps there are ten. keras-tuner draws the value of a
    hyperparameter that becomes active on the way; here it is gone through as well.

    Example:
        >>> space = keras_tuner.HyperParameters()
        >>> _ = space.Int("layers", 1, 2), space.Choice("units", [8, 16], default=16)
        >>> [tuple(values.values()) for values in combinations(space)]
        [(1, 16), (1, 8), (2, 16), (2, 8)]
    """
    chosen = chosen or {}
    if place == len(space.space):
        yield dict(chosen)
        return
    hp = space.space[place]
    if not with_values(space, chosen).is_active(hp):
        yield from combinations(space, chosen, place + 1)
        return
    values = list(hp.values)
    if all(isinstance(value, (int, float)) for value in values):
        values.sort()
    for value in [hp.default, *(value for value in values if value != hp.default)]:
        yield from combinations(space, {**chosen, hp.name: value}, place + 1)


def config(space: HyperParameters) -> dict[str, Any]:
    """The space as JSON has it, without values."""
    return {**json.loads(json.dumps(space.get_config())), "values": {}}


def changed(before: HyperParameters, now: HyperParameters) -> list[str]:
    """The hyperparameters that two spaces have not in common, or not in one place."""
    both = [
        {hp["config"]["name"]: (hp, place) for place, hp in enumerate(one["space"])}
        for one in (config(before), config(now))
    ]
    names = {name for one in both for name in one}
    return sorted(name for name in names if both[0].get(name) != both[1].get(name))


def read(path: Path) -> HyperParameters:
    """The space of a sweep."""
    return HyperParameters.from_config(read_sealed(path))


def names(space: HyperParameters) -> list[str]:
    """The hyperparameters in the order in which the model asks for them."""
    return list(dict.fromkeys(hp.name for hp in space.space))


def choices(space: HyperParameters, name: str) -> list[Any]:
    """The values to choose from, on all branches; [] where it is a number in a range.

    Example:
        >>> hp = keras_tuner.HyperParameters()
        >>> _ = hp.Boolean("bias"), hp.Float("rate", 0.1, 1.0)
        >>> choices(hp, "bias"), choices(hp, "rate")
        ([True, False], [])
    """
    kinds = ("Choice", "Fixed", "Boolean")
    found = [hp for hp in space.space if hp.name == name]
    if any(type(hp).__name__ not in kinds for hp in found):
        return []
    return list(dict.fromkeys(value for hp in found for value in hp.values))


def logarithmic(space: HyperParameters, name: str) -> bool:
    """Whether a range is drawn from on a logarithmic scale."""
    samplings = {getattr(hp, "sampling", None) for hp in space.space if hp.name == name}
    return bool(samplings & {"log", "reverse_log"})
