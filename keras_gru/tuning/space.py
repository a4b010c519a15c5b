"""The search space as data, out of ``space.json``: for tables and pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Dimension:
    """A hyperparameter.

    Attributes:
        name: of the hyperparameter.
        values: those of a choice, in their order; () where it is a number in a range.
        log: whether a range is drawn from on a logarithmic scale.
    """

    name: str
    values: tuple[Any, ...] = ()
    log: bool = False


def read(path: Path) -> list[Dimension]:
    """The dimensions in the order in which the model asks for them; [] before that."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    # Not declared yet, or damaged, which the chief mends.
    except (FileNotFoundError, ValueError):
        return []
    found: dict[str, Dimension] = {}
    for entry in config["space"]:
        name, hp = entry["config"]["name"], entry["config"]
        if entry["class_name"] in ("Choice", "Fixed", "Boolean"):
            values = hp.get("values") or (
                [hp["value"]] if "value" in hp else [False, True]
            )
            # The same name on two branches: the values of both.
            before = found[name].values if name in found else ()
            values = [*before, *(v for v in values if v not in before)]
            found[name] = Dimension(name, tuple(values))
        else:
            log = hp.get("sampling") in ("log", "reverse_log")
            found[name] = Dimension(name, log=log)
    return list(found.values())


def is_variant(dimension: Dimension) -> bool:
    """Whether it chooses the convention of a GRU."""
    from keras_gru.variants import VARIANTS

    values = dimension.values
    return len(values) > 1 and all(value in VARIANTS for value in values)
