"""The layers that are compared, and how wide each is for an equal parameter count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.language_model.config import Config

if TYPE_CHECKING:
    import keras

# Parameter counts may differ by so much of the smallest GRU's.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Kind:
    """A recurrent layer: `gates` products of the input and of the state, each a matrix.

    Attributes:
        gates: 3 in a GRU, 4 in an LSTM, 1 in a simple RNN.
        biases: of each gate.
        arguments: of `keras_gru.GRU`; None for Keras' own layers.
    """

    gates: int
    biases: int = 1
    arguments: dict[str, Any] | None = None


KINDS = {
    "keep, after": Kind(3, 2, {"update_gate": "keep", "reset_after": True}),
    "keep, before": Kind(3, 1, {"update_gate": "keep", "reset_after": False}),
    "replace, after": Kind(3, 2, {"update_gate": "replace", "reset_after": True}),
    "replace, before": Kind(3, 1, {"update_gate": "replace", "reset_after": False}),
    "LSTM": Kind(4),
    "SimpleRNN": Kind(1),
}


def parameters(kind: Kind, units: int, config: Config) -> int:
    """Count the parameters of the whole model: embedding, layer, logits."""
    layer = kind.gates * units * (config.embedding_units + units + kind.biases)
    embedding = config.vocabulary_size * config.embedding_units
    return embedding + layer + config.vocabulary_size * (units + 1)


def equal_units(config: Config) -> dict[str, int]:
    """Units of each kind, so that all models have as many parameters.

    The reference is the first kind with ``config.units``.

    Raises:
        ValueError: the counts differ by more than `TOLERANCE`: the units are too few.
    """
    target = parameters(next(iter(KINDS.values())), config.units, config)
    found: dict[str, int] = {}
    for name, kind in KINDS.items():
        differences = [
            abs(parameters(kind, units, config) - target) / target
            for units in range(1, 4 * config.units)
        ]
        difference = min(differences)
        units = 1 + differences.index(difference)
        if difference > TOLERANCE:
            raise ValueError(
                f"{name} with {units} units differs by {difference:.1%} from "
                f"{target:,} parameters; expected at most {TOLERANCE:.0%}: more units"
            )
        found[name] = units
    return found


def layer(name: str, units: int, stateful: bool) -> keras.layers.Layer:
    """The layer of a kind, for whole sequences."""
    import keras

    import keras_gru

    arguments = KINDS[name].arguments
    common: dict[str, Any] = {
        "return_sequences": True,
        "stateful": stateful,
        "name": "recurrent",
    }
    if arguments is not None:
        return keras_gru.GRU(units, **common, **arguments)
    return _carrying(getattr(keras.layers, name))(units, **common)


def _carrying(layer: type[keras.layers.RNN]) -> type[keras.layers.RNN]:
    """Keras' layer, its state carried on every backend, as `keras_gru.GRU` does.

    Keras writes the new state into the tensor of the old one, which torch still needs
    for the gradient: the layer gets a copy. And it does not count states as variables,
    so that JAX drops them after each call, and a checkpoint would not have them.
    """
    import keras

    class Carrying(layer):
        @property
        def variables(self) -> list[keras.Variable]:
            return [*super().variables, *(self.states or ())]

        def call(
            self,
            sequences: Any,
            initial_state: Any = None,
            mask: Any = None,
            training: bool = False,
        ) -> Any:
            if initial_state is None and self.stateful:
                initial_state = [keras.ops.add(state, 0.0) for state in self.states]
            return super().call(
                sequences, initial_state=initial_state, mask=mask, training=training
            )

    return Carrying
