"""GRUCellV: the weights of a GRU, its dropout masks, and one step."""

from __future__ import annotations

import functools
import warnings
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_gru import arguments, backends, equations, normalization, surroundings
from keras_gru.equations import Tensor

UPDATE_GATES = ("keep", "replace")
IMPLEMENTATIONS = (1, 2)
OLD_IMPLEMENTATIONS = {0: 1, None: 2}
"""What Keras 2 took, and what it meant."""


class Weights(NamedTuple):
    """The weights of a cell: W, U, b, c, both γ, h_0; None for those it has not."""

    kernel: Tensor  # (features, 3 * units)
    recurrent_kernel: Tensor  # (units, 3 * units)
    input_bias: Tensor | None  # (3 * units,)
    recurrent_bias: Tensor | None  # (3 * units,)
    input_gain: Tensor | None  # (3 * units,)
    recurrent_gain: Tensor | None  # (3 * units,)
    learned_state: Tensor | None  # (units,)


@keras.saving.register_keras_serializable(package="keras_gru", name="GRUCellV")
class GRUCellV(keras.layers.GRUCell):
    """One step of a gated recurrent unit, in every convention.

    With σ the recurrent activation, g the activation, and `x` (batch, features),
    `h` (batch, units):

        z = σ(W_z x + b_z + U_z h + c_z)
        r = σ(W_r x + b_r + U_r h + c_r)
        n = g(W_n x + b_n + r ⊙ (U_n h + c_n))      reset_after=True
        n = g(W_n x + b_n + U_n (r ⊙ h))            reset_after=False
        h' = z ⊙ h + (1 − z) ⊙ n                    update_gate="keep"
        h' = (1 − z) ⊙ h + z ⊙ n                    update_gate="replace"

    `kernel` is W, (features, 3 * units); `recurrent_kernel` is U,
    (units, 3 * units); `bias` is (2, 3 * units), rows b and c, with
    `reset_after`, else b alone, (3 * units,). The gates stand in the order z, r,
    n. Weights, names and initial values are those of `keras.layers.GRUCell`; two
    options add weights behind these.

    Args:
        units: positive integer, the size of the state.
        activation: g. Default `"tanh"`; None is the identity.
        recurrent_activation: σ. Default `"sigmoid"`; None is the identity.
        use_bias: whether there are b and c.
        kernel_initializer, recurrent_initializer, bias_initializer: initial
            values of the weights. Defaults `"glorot_uniform"`, `"orthogonal"`,
            `"zeros"`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on
            the weights. Default None.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints on
            the weights. Default None.
        dropout: rate in [0, 1] at which inputs are dropped in training; values
            outside are clamped.
        recurrent_dropout: rate in [0, 1] at which the state is dropped where it
            enters a recurrent product, one mask a gate; clamped likewise.
        reset_after: where the reset gate acts. Default True.
        seed: seed of the dropout masks.
        update_gate: `"keep"` (default) or `"replace"`: which term z multiplies.
        implementation: 2 (default): the gates share one dropout mask on the
            input. 1: one mask a gate. `recurrent_dropout` implies 1. What older
            code passes, 0 and None, is taken as 1 and 2 with a warning.
        learn_initial_state: whether the state that a sequence starts from is a weight,
            `initial_state`, `(units,)`, zeros at first. `get_initial_state` then gives
            it for each row, and `resets` go to it. Default False: zeros.
        zoneout: rate in [0, 1] at which a unit keeps its old state, drawn anew at each
            step: h'' = d ⊙ h + (1 − d) ⊙ h', with d = 1 at this rate, else 0, in
            training, and the rate itself otherwise. Default 0.
        layer_normalization: whether each product with a kernel is normalised before
            its bias is added; a row is made of all gates that one product serves:
            LN(W x), LN(U h), and with the reset before LN(U_n (r ⊙ h)), with the weight
            `gamma`, (2, 3 * units), row 0 the gains of W x, row 1 the others, ones at
            first. Default False.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: `(batch, features)`.
        states: `(batch, units)`, or a list of that one tensor.
        training: whether dropout acts.
        resets: `(batch,)`, True where the state is to start anew before this step.

    Returns:
        The output, `(batch, units)`, and the new state, which is the same tensor
        in the form (tensor or list) of `states`.

    Raises:
        ValueError: `units` is not positive, `update_gate` or `implementation`
            is unknown, `zoneout` is not in [0, 1], an input does not fit the weights;
            on JAX, zoneout in training inside of a loop of `keras.layers.RNN`, which
            lets no cell draw: `keras_gru.GRU` has zoneout there, and so has
            `unroll=True`.
        TypeError: `units` is not an integer, `zoneout` no number.

    A stateful `keras.layers.RNN` starts from zeros after `reset_state`, also where
    there is a learnt state; `keras_gru.GRU` starts from that one.

    Source: Cho et al. 2014, arXiv 1406.1078; Chung et al. 2014, arXiv 1412.3555.
    Zoneout: Krueger et al. 2016, arXiv 1606.01305. Layer normalisation: Ba et al. 2016,
    arXiv 1607.06450, in the form of haste's `LayerNormGRU`; see
    `keras_gru.normalization`.
    `keras_gru.VARIANTS` names the conventions.

    Example:

    >>> import keras, keras_gru, numpy as np
    >>> cell = keras_gru.GRUCellV(4, **keras_gru.VARIANTS["chung2014"])
    >>> layer = keras.layers.RNN(cell, return_sequences=True)
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        *,
        update_gate: str = "keep",
        implementation: int = 2,
        learn_initial_state: bool = False,
        zoneout: float = 0.0,
        layer_normalization: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            arguments.positive_integer("units", units),
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=arguments.rate("dropout", dropout),
            recurrent_dropout=arguments.rate("recurrent_dropout", recurrent_dropout),
            reset_after=arguments.one_of("reset_after", reset_after, (True, False)),
            seed=seed,
            implementation=meant_implementation(implementation),
            **kwargs,
        )
        self.update_gate = arguments.one_of("update_gate", update_gate, UPDATE_GATES)
        self.learn_initial_state = arguments.one_of(
            "learn_initial_state", learn_initial_state, (True, False)
        )
        self.zoneout = arguments.fraction("zoneout", zoneout)
        self.layer_normalization = arguments.one_of(
            "layer_normalization", layer_normalization, (True, False)
        )
        self._outside: Any = None  # JAX's trace before a loop of keras.layers.RNN

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        arguments.shape(
            "inputs", input_shape, (None, input_shape[-1]), "(batch, features)"
        )
        if input_shape[-1] is None:
            raise ValueError(
                "The last dimension of the inputs must be known to build the "
                f"weights. Received: inputs of shape {tuple(input_shape)}. Give "
                "the number of features, as in keras.Input((None, features))."
            )
        super().build(input_shape)
        self.gamma = self.initial_state = None
        if self.layer_normalization:
            shape = (2, 3 * self.units)
            self.gamma = self.add_weight(shape=shape, name="gamma", initializer="ones")
        if self.learn_initial_state:
            self.initial_state = self.add_weight(
                shape=(self.units,), name="initial_state", initializer="zeros"
            )
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: input_shape[-1]})

    def add_weight(self, *args: Any, initializer: Any = None, **kwargs: Any) -> Any:
        """Adds a weight; in half precision its initial value is cast from float32.

        The orthogonal initializer needs a QR decomposition, which no framework
        has in half precision.
        """
        if self.variable_dtype in ("float16", "bfloat16"):
            single = keras.initializers.get(initializer)

            def initializer(shape: tuple[int, ...], dtype: str) -> Tensor:
                return ops.cast(single(shape, dtype="float32"), dtype)

        return super().add_weight(*args, initializer=initializer, **kwargs)

    def call(
        self,
        inputs: Tensor,
        states: Any,
        training: bool = False,
        *,
        resets: Tensor | None = None,
    ) -> Any:
        nested = keras.tree.is_nested(states)
        if nested and len(states) != 1:
            raise ValueError(
                "Argument `states` must be one tensor, or a list of one: a GRU has "
                f"one state. Received: {len(states)} tensors."
            )
        (h,) = states if nested else (states,)
        arguments.shape(
            "states", h.shape, (inputs.shape[0], self.units), "(batch, units)"
        )
        weights = self.compute_weights()
        if resets is not None:
            resets = ops.cast(ops.convert_to_tensor(resets), "bool")
            arguments.shape("resets", resets.shape, (inputs.shape[0],), "(batch,)")
            start = weights.learned_state
            start = ops.zeros_like(h) if start is None else start
            h = backends.current().where(resets[:, None], start, h)
        dropout: tuple[Tensor, ...] = ()
        recurrent_dropout: tuple[Tensor, ...] = ()
        if training and self.dropout > 0:
            dropout = _as_tuple(super().get_dropout_mask(inputs))
        if training and self.recurrent_dropout > 0:
            recurrent_dropout = _as_tuple(self.get_recurrent_dropout_mask(h))
        kept: Tensor | float | None = self.zoneout or None
        if training and self.zoneout:
            self._refuse_to_draw_in_a_loop()
            kept = self.draw_zoneout_mask(ops.shape(h))
        normalize = None
        if weights.input_gain is not None:
            normalize = functools.partial(
                normalization.normalized, gain=weights.input_gain
            )
        x = equations.project(
            inputs,
            weights.kernel,
            weights.input_bias,
            dropout,
            backends.current().concatenate,
            normalize,
        )
        cut = functools.partial(
            equations.recurrent_blocks, reset_after=self.reset_after
        )
        per_gate = bool(recurrent_dropout)
        h = equations.step(
            x,
            h,
            cut(weights.recurrent_kernel, per_gate=per_gate),
            cut(
                weights.recurrent_bias,
                per_gate=per_gate and not self.layer_normalization,
            ),
            activation=backends.exact(self.activation),
            recurrent_activation=backends.exact(self.recurrent_activation),
            reset_after=self.reset_after,
            update_gate=self.update_gate,
            recurrent_dropout=recurrent_dropout,
            normalize=normalization.normalizers(
                weights.recurrent_gain, reset_after=self.reset_after
            ),
            kept=kept,
        )
        return h, [h] if nested else h

    def compute_weights(self) -> Weights:
        """The weights as tensors of the compute dtype."""

        def tensor(variable: Any) -> Tensor:
            return ops.cast(variable.value, self.compute_dtype)

        input_bias = recurrent_bias = input_gain = recurrent_gain = start = None
        if self.use_bias and self.reset_after:
            bias = tensor(self.bias)  # (2, 3 * units)
            input_bias, recurrent_bias = bias[0], bias[1]
        elif self.use_bias:
            input_bias = tensor(self.bias)  # (3 * units,)
        if self.layer_normalization:
            gamma = tensor(self.gamma)  # (2, 3 * units)
            input_gain, recurrent_gain = gamma[0], gamma[1]
        if self.learn_initial_state:
            start = tensor(self.initial_state)  # (units,)
        return Weights(
            kernel=tensor(self.kernel),
            recurrent_kernel=tensor(self.recurrent_kernel),
            input_bias=input_bias,
            recurrent_bias=recurrent_bias,
            input_gain=input_gain,
            recurrent_gain=recurrent_gain,
            learned_state=start,
        )

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """The state that a sequence starts from, `[(batch_size, units)]`.

        Raises:
            ValueError: it is learnt, and the cell is not built yet.
        """
        states: list[Tensor] = super().get_initial_state(batch_size)
        if not self.learn_initial_state:
            return states
        if not self.built:
            raise ValueError(
                "With learn_initial_state=True the initial state is a weight, which "
                "this cell does not have yet. Call the cell or its layer once before, "
                "or build it: cell.build((None, features))."
            )
        # A sum, not a view of the weight: a stateful layer writes into what it gets.
        return [states[0] + self.compute_weights().learned_state]

    def draw_dropout_masks(
        self, inputs: Tensor, state: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """New masks for one pass over a batch of sequences.

        Unlike `get_dropout_mask` it keeps nothing on the cell, so that two
        threads may call one layer. The draws are those of `keras.layers.GRU`:
        the same seed gives the same masks.

        Args:
            inputs: `(batch, features)`, of the shape and dtype of the masks.
            state: `(batch, units)`, likewise.

        Returns:
            The masks on the input (none, one or three) and those on the state
            (none or three): 0 where dropped, else 1 / (1 − rate).
        """

        def draw(like: Tensor, rate: float) -> tuple[Tensor, ...]:
            return _as_tuple(self._create_dropout_mask(like, rate)) if rate > 0 else ()

        return draw(inputs, self.dropout), draw(state, self.recurrent_dropout)

    def draw_zoneout_mask(self, shape: Any) -> Tensor:
        """1 where a unit is to keep its old state, else 0; of this shape, new."""
        drawn = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return ops.cast(drawn < self.zoneout, self.compute_dtype)

    def get_dropout_mask(self, step_input: Tensor) -> Any:
        """As Keras' own, which `keras.layers.RNN` calls before its loop."""
        if self.zoneout:
            self._outside = backends.trace()
        return super().get_dropout_mask(step_input)

    def reset_dropout_mask(self) -> None:
        """As Keras' own, which `keras.layers.RNN` calls after its loop."""
        self._outside = None
        super().reset_dropout_mask()

    def _refuse_to_draw_in_a_loop(self) -> None:
        """JAX would carry the seed out of its loop, and fail much later."""
        if self._outside is not None and self._outside != backends.trace():
            raise ValueError(
                "On JAX a cell inside of keras.layers.RNN cannot draw anew at each "
                f"step, which zoneout={self.zoneout} needs in training. Use "
                "keras_gru.GRU, which has the same arguments, or RNN(..., unroll=True)."
            )

    def _create_dropout_mask(self, like: Tensor, rate: float) -> Any:
        """Keras' masks, also where all is dropped, and inside of torch.compile.

        Keras before 3.14 hands that rate to TensorFlow, which refuses it. And Keras'
        seeds break the graphs of torch.
        """
        seeded = self.seed is not None and keras.backend.backend() == "torch"
        if 0 < rate < 1 and seeded and surroundings.compiling():
            from keras_gru.native.torch_operators import draw_dropout_mask

            masks = [
                draw_dropout_mask(like, rate, self.seed_generator)
                for _ in range(getattr(self, "dropout_mask_count", 1))
            ]
            return masks if hasattr(self, "dropout_mask_count") else masks[0]
        if rate < 1:
            return super()._create_dropout_mask(like, rate)
        ones = super()._create_dropout_mask(like, 0.0)
        return keras.tree.map_structure(ops.zeros_like, ones)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "update_gate": self.update_gate,
            "implementation": self.implementation,
            "learn_initial_state": self.learn_initial_state,
            "zoneout": self.zoneout,
            "layer_normalization": self.layer_normalization,
        }


# Keras calls a cell without a name, and a cell of a stack in a file of weights, by the
# name of its class: both are to be what they are for keras.layers.GRUCell.
GRUCellV.__name__ = "GRUCell"


def meant_implementation(value: Any) -> int:
    """`value`, which is 1 or 2, or stands for one of them in old code.

    To be called by a constructor: the warning names the line that calls that one.
    """
    if value is None or (type(value) is int and value == 0):
        meant = OLD_IMPLEMENTATIONS[value]
        warnings.warn(
            f"implementation={value!r} is no longer used; it is taken as "
            f"implementation={meant}. Pass that, or leave the argument out.",
            stacklevel=3,
        )
        return meant
    return int(arguments.one_of("implementation", value, IMPLEMENTATIONS))


def _as_tuple(masks: Any) -> tuple[Tensor, ...]:
    return tuple(masks) if isinstance(masks, list) else (masks,)
