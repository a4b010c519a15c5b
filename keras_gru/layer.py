"""GRU: masks, states, direction, stateful; a kernel runs the sequence."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_gru import arguments, backends, callers, inputs, kernels
from keras_gru.cell import GRUCellV, meant_implementation
from keras_gru.equations import Tensor
from keras_gru.kernels.compaction import restarts
from keras_gru.kernels.contract import (
    SequenceCall,
    SequenceResult,
    SequenceTensors,
    shapes_alone,
    without_data,
)
from keras_gru.surroundings import Surroundings


class Prepared(NamedTuple):
    """A pass that is ready to run.

    Attributes:
        call, tensors: as `contract.py` describes them.
        run: the chosen kernel's.
        starts_at_zero: nobody gave an initial state.
    """

    call: SequenceCall
    tensors: SequenceTensors
    run: Callable[[SequenceCall, SequenceTensors], SequenceResult]
    starts_at_zero: bool


def _of_cell(name: str) -> Any:
    """A property that the cell has too. torch.compile cannot look into attrgetter."""
    return property(lambda layer: getattr(layer.cell, name))


@keras.saving.register_keras_serializable(package="keras_gru")
class GRU(keras.layers.RNN):
    """Gated recurrent unit over sequences, in every convention.

    A drop-in for `keras.layers.GRU`: the same arguments in the same order, the
    same weights under the same names, the same outputs; `docs/drop_in.md` shows
    each use of it on every backend. For each time step,
    with σ the recurrent activation and g the activation:

        z = σ(W_z x + b_z + U_z h + c_z)
        r = σ(W_r x + b_r + U_r h + c_r)
        n = g(W_n x + b_n + r ⊙ (U_n h + c_n))      reset_after=True
        n = g(W_n x + b_n + U_n (r ⊙ h))            reset_after=False
        h' = z ⊙ h + (1 − z) ⊙ n                    update_gate="keep"
        h' = (1 − z) ⊙ h + z ⊙ n                    update_gate="replace"

    `keras_gru.VARIANTS` holds the choices of the literature by name.

    Args:
        units: positive integer, the size of the state and of the output.
        activation: g. Default `"tanh"`; None is the identity.
        recurrent_activation: σ. Default `"sigmoid"`; None is the identity.
        use_bias: whether there are biases b (and c with `reset_after`).
        kernel_initializer, recurrent_initializer, bias_initializer: initial
            values of W, U and the biases. Defaults `"glorot_uniform"`,
            `"orthogonal"`, `"zeros"`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer,
            activity_regularizer: penalties on weights and output. Default None.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints on
            the weights. Default None.
        dropout: rate in [0, 1] at which inputs are dropped in training, one mask
            a sequence; values outside are clamped.
        recurrent_dropout: rate in [0, 1] at which the state is dropped where it
            enters a recurrent product, one mask a gate and a sequence.
        seed: seed of the dropout masks.
        return_sequences: return the output of every step, not only the last.
        return_state: return the final state too.
        go_backwards: process the sequence from its end; the outputs stand in
            the order of processing.
        stateful: start each batch with the final states of the batch before.
        unroll: write the loop out; needs a known number of time steps.
        reset_after: where the reset gate acts. Default True.
        use_cudnn: `"auto"`, True (ValueError when called, where cuDNN cannot run
            it) or False.
        update_gate: `"keep"` (default) or `"replace"`: which term z multiplies.
        learn_initial_state: whether the state that sequences start from is a weight,
            `(units,)`, zeros at first, in place of zeros. A given `initial_state` goes
            before it; with `stateful` the first batch after `reset_state` starts from
            it.
        zoneout: rate in [0, 1] at which a unit keeps its old state, drawn anew at each
            step: h'' = d ⊙ h + (1 − d) ⊙ h', with d = 1 at this rate, else 0, in
            training, and the rate itself otherwise.
        layer_normalization: whether each product with a kernel is normalised before
            its bias is added: LN(W x), LN(U h), and with the reset before
            LN(U_n (r ⊙ h)), with the weight `gamma` of gains, (2, 3 * units).
        kernel: `"auto"` or the name of one kernel (`keras_gru.kernels`); a named
            kernel that cannot run a call raises a ValueError with the reason.
        **kwargs: `zero_output_for_mask` (outputs of masked steps are zero, with
            `return_sequences`), `implementation` (1: a dropout mask a gate),
            `name`, `dtype`, `trainable`.

    Call arguments:
        sequences: `(batch, time, features)`.
        initial_state: `(batch, units)`, or `(1, units)` for all rows, or a list
            of that one tensor. Default: zeros, or the kept state with `stateful`.
        mask: `(batch, time)`, or `(1, time)` for all rows, or either with a last
            axis of size 1; True where a step is used. Where it is not, the state
            is frozen and the output repeats the one before it (zeros before the
            first used step). Default: the mask that the layer before attached to
            `sequences`.
        training: whether dropout acts.
        resets: `(batch, time)`, True where a sequence begins inside of a row: the
            state before this step is zero, or the learnt one, and no gradient crosses
            the border. With `go_backwards` the border is the same, met from its other
            side. A step that `mask` skips begins none. `keras_gru.pack_sequences` makes
            them.

    Returns:
        The outputs `(batch, time, units)` with `return_sequences`, else the
        output of the last used step `(batch, units)`; with `return_state`, also
        the final state `(batch, units)`. All in the compute dtype.

    Raises:
        TypeError: `units` is not an integer, `zoneout` no number.
        ValueError: an argument or an input is not what is described here; the
            message names it, its value and what was expected.

    Source: Cho et al. 2014, arXiv 1406.1078; Chung et al. 2014, arXiv 1412.3555.
    Zoneout: Krueger et al. 2016, arXiv 1606.01305. Layer normalisation: Ba et al. 2016,
    arXiv 1607.06450, in the form of haste's `LayerNormGRU`; see
    `keras_gru.normalization`.

    Example:

    >>> import keras_gru, numpy as np
    >>> layer = keras_gru.GRU(4, return_sequences=True, return_state=True)
    >>> outputs, state = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(outputs.shape), tuple(state.shape)
    ((2, 5, 4), (2, 4))
    >>> before = keras_gru.GRU(4, **keras_gru.VARIANTS["cho2014"])
    >>> tuple(before(np.ones((2, 5, 3), "float32")).shape)
    (2, 4)
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: str | bool = "auto",
        *,
        update_gate: str = "keep",
        kernel: str = "auto",
        learn_initial_state: bool = False,
        zoneout: float = 0.0,
        layer_normalization: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = GRUCellV(
            units,
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
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            reset_after=reset_after,
            seed=seed,
            update_gate=update_gate,
            implementation=meant_implementation(kwargs.pop("implementation", 2)),
            learn_initial_state=learn_initial_state,
            zoneout=zoneout,
            layer_normalization=layer_normalization,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.use_cudnn = arguments.one_of("use_cudnn", use_cudnn, ("auto", True, False))
        self.kernel = arguments.one_of("kernel", kernel, ("auto", *kernels.names()))

    @property
    def supports_jit(self) -> bool:
        """False while Keras decides what `jit_compile="auto"` means, if XLA costs.

        XLA on TensorFlow can run this layer, but not every kernel of it. So `"auto"`
        compiles where the fastest kernel can be compiled; `jit_compile=True` always
        does, with another kernel where need be.
        """
        if keras.backend.backend() != "tensorflow" or not callers.resolving_jit():
            return self._supports_jit
        training_step = self._describe((None, None, None), False, True)
        return kernels.compilable(training_step)

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        self._supports_jit = value

    def build(
        self,
        sequences_shape: tuple[int | None, ...],
        initial_state_shape: Any = None,
    ) -> None:
        self._check_shapes(sequences_shape, initial_state_shape)
        if self.stateful and sequences_shape[0] is None:
            raise ValueError(
                "stateful=True needs a known batch size, for the state is kept "
                f"per row. Received: sequences of shape {tuple(sequences_shape)}. "
                "Give the batch size, as in keras.Input(batch_shape=(32, None, 8))."
            )
        if sequences_shape[-1] is None:
            raise ValueError(
                "The last dimension of `sequences` must be known to build the "
                f"weights. Received: shape {tuple(sequences_shape)}. Give the "
                "number of features, as in keras.Input((None, 8))."
            )
        super().build(sequences_shape)
        if self.stateful and self.learn_initial_state and len(self.states) == 1:
            # `reset_state` makes it False: the next batch starts from what is learnt.
            goes_on = keras.Variable(False, trainable=False, dtype="bool", name="used")
            self.states.append(goes_on)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    @property
    def variables(self) -> list[Any]:
        """All variables, the kept state of `stateful` included.

        A compiled step on JAX hands back these and no others: a state that is not
        among them would start at zero in each batch. It is no weight, so that
        `get_weights` and files stay those of `keras.layers.GRU`.
        """
        return [*super().variables, *(self.states or ())]

    def compute_output_shape(
        self,
        sequences_shape: tuple[int | None, ...],
        initial_state_shape: Any = None,
    ) -> Any:
        self._check_shapes(sequences_shape, initial_state_shape)
        return super().compute_output_shape(sequences_shape)

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
        *,
        resets: Tensor | None = None,
    ) -> Any:
        ready = self._prepare(sequences, initial_state, mask, training, resets)
        states, final_state = ready.run(ready.call, ready.tensors)
        return self._finish(ready, states, final_state)

    def _prepare(
        self,
        sequences: Tensor,
        initial_state: Any,
        mask: Tensor | None,
        training: bool | None,
        resets: Tensor | None,
    ) -> Prepared:
        """What the arguments of `call` come to: what runs them, and on what."""
        sequences = ops.cast(sequences, self.compute_dtype)
        mask = inputs.standardize_mask(mask, sequences)
        if resets is not None:
            resets = inputs.standardize_resets(resets, sequences)
            resets = restarts(resets, mask, self.go_backwards)
        starts_at_zero = initial_state is None and not (
            self.stateful or self.learn_initial_state
        )
        initial_state = self._standardize_initial_state(sequences, initial_state)

        call = self._describe(
            sequences.shape,
            mask is not None,
            bool(training),
            resets is not None,
            Surroundings.of(sequences),
        )
        exporting = call.surroundings.exporting
        if self.stateful and exporting and callers.exporting_without_variables():
            raise ValueError(
                "ONNX, OpenVINO and jax.export have no variables, so that "
                "stateful=True cannot be exported. Build the layer with "
                "stateful=False and return_state=True, "
                "give the model an input for `initial_state`, and pass the state from "
                "call to call; the weights are the same."
            )
        if exporting and callers.leaving_time_open():
            raise ValueError(
                "torch's exporter writes the number of time steps into the file, "
                "so that it cannot be left open. Received: a model with a variable "
                "number of time steps. Give it, as in keras.Input((10, 8)) or "
                "model.export(..., input_signature=...), or export on TensorFlow or "
                "JAX; the weights are the same."
            )
        kernel = kernels.choose(call)
        dropout_masks: tuple[Tensor, ...] = ()
        recurrent_dropout_masks: tuple[Tensor, ...] = ()
        zoneout_mask = None
        if training:
            dropout_masks, recurrent_dropout_masks = self.cell.draw_dropout_masks(
                sequences[:, 0, :], initial_state
            )
        if training and self.zoneout:
            shape = (*ops.shape(sequences)[:2], self.units)  # (batch, time, units)
            zoneout_mask = self.cell.draw_zoneout_mask(shape)
        tensors = SequenceTensors(
            sequences=sequences,
            initial_state=initial_state,
            mask=mask,
            resets=resets,
            dropout_masks=dropout_masks,
            recurrent_dropout_masks=recurrent_dropout_masks,
            zoneout_mask=zoneout_mask,
            **self.cell.compute_weights()._asdict(),
        )
        run = shapes_alone if without_data(tensors) else kernel.run
        return Prepared(call, tensors, run, starts_at_zero)

    def _finish(
        self, ready: Prepared, states: Tensor | None, final_state: Tensor
    ) -> Any:
        """What `call` returns: of a kernel's results, with the state kept."""
        if self.stateful:
            self._keep(final_state)
        outputs = states if self.return_sequences else final_state
        mask = ready.tensors.mask
        if mask is not None:
            outputs = self._hide_unused(outputs, mask, ready.starts_at_zero)
        return (outputs, final_state) if self.return_state else outputs

    def explain(
        self,
        input_shape: Sequence[int | None] | None = None,
        mask: bool = False,
        training: bool = False,
        jit_compile: bool = False,
        resets: bool = False,
    ) -> kernels.Explanation:
        """Which kernel runs this layer, and for each other one why not.

        Args:
            input_shape: `(batch, time, features)`, None where not known.
                Default: only what the built layer knows.
            mask: whether the call has a mask.
            training: whether it is a training step.
            resets: whether the call has resets.
            jit_compile: whether XLA compiles the model on TensorFlow. It does
                where `model.compile` is told `jit_compile=True`; with `"auto"`,
                only where that does not cost the layer its kernel.

        Returns:
            An object with `kernel`, a name, and `refusals`, name → reason, whose
            `str` is a table.

        Raises:
            ValueError: the kernel that the layer asks for cannot run the call,
                or `input_shape` is not one of a sequence.

        Example:

        >>> import keras_gru
        >>> print(keras_gru.GRU(4, kernel="portable").explain().kernel)
        portable
        """
        asked = input_shape, mask, training, jit_compile, resets
        return kernels.explain(self._asked(*asked))

    def _asked(
        self,
        input_shape: Sequence[int | None] | None,
        mask: bool,
        training: bool,
        jit_compile: bool,
        resets: bool,
    ) -> SequenceCall:
        """The call that `explain` is asked about."""
        if input_shape is None:
            features = self.cell.kernel.shape[0] if self.cell.built else None
            input_shape = (None, None, features)
        arguments.shape(
            "input_shape", input_shape, (None, None, None), "(batch, time, features)"
        )
        call = self._describe(input_shape, mask, training, resets)
        if jit_compile and keras.backend.backend() == "tensorflow":
            call = kernels.compiled(call)
        return call

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # The cell's arguments are the layer's own; what both have (name, dtype,
        # trainable) is the layer's.
        cell_config = config.pop("cell")["config"]
        return {
            **cell_config,
            **config,
            "activity_regularizer": keras.regularizers.serialize(
                self.activity_regularizer
            ),
            "use_cudnn": self.use_cudnn,
            "kernel": self.kernel,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GRU:
        return cls(**config)

    def _describe(
        self,
        shape: Sequence[int | None],
        masked: bool,
        training: bool,
        resets: bool = False,
        where: Surroundings | None = None,
    ) -> SequenceCall:
        """What the choice of a kernel rests on."""
        where = where or Surroundings.of()
        if self.kernel == "native_cpu" and callers.exporting_program():
            # Asked for by name, it may stand in a program of torch.export.
            where = dataclasses.replace(where, exporting=False)
        batch, timesteps, features = shape
        dropout_masks = 0
        if training and self.dropout > 0:
            dropout_masks = 3 if self.implementation == 1 else 1
        return SequenceCall(
            surroundings=where,
            dtype=self.compute_dtype,
            batch=batch,
            timesteps=timesteps,
            features=features,
            units=self.units,
            update_gate=self.update_gate,
            reset_after=self.reset_after,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            use_bias=self.use_bias,
            return_sequences=self.return_sequences,
            go_backwards=self.go_backwards,
            unroll=self.unroll,
            masked=masked,
            resets=resets,
            training=training,
            stateful=self.stateful,
            dropout_masks=dropout_masks,
            recurrent_dropout=training and self.recurrent_dropout > 0,
            learned_resets=resets and self.learn_initial_state,
            zoneout=self.zoneout,
            layer_normalization=self.layer_normalization,
            use_cudnn=self.use_cudnn,
            kernel=self.kernel,
        )

    def _check_shapes(
        self, sequences_shape: Sequence[int | None], initial_state_shape: Any
    ) -> None:
        """Raises ValueError where the inputs do not fit the layer or each other."""
        arguments.shape(
            "sequences", sequences_shape, (None, None, None), "(batch, time, features)"
        )
        batch, timesteps, _ = arguments.known(sequences_shape)
        if self.stateful and self.built and batch is not None:
            expected = self.states[0].shape[0]
            if batch != expected:
                raise ValueError(
                    "stateful=True keeps one state a row, so that the batch size "
                    f"may not change. Received: sequences with batch size {batch}. "
                    f"Expected: {expected}, the batch size that the layer was "
                    "built with."
                )
        if timesteps == 0:
            raise ValueError(
                "Argument `sequences` has no time steps: its shape is "
                f"{tuple(sequences_shape)}, (batch, time, features). Expected at "
                "least one step; drop empty sequences or pad and mask them."
            )
        # Not `timesteps`: where a tracer stands for their number, it is a known one.
        if sequences_shape[1] is None and self.unroll:
            raise ValueError(
                "unroll=True needs a known number of time steps. Received: "
                f"sequences of shape {tuple(sequences_shape)}. Give it, as in "
                "keras.Input((10, 8)), or pass unroll=False."
            )
        if initial_state_shape is not None:
            inputs.check_initial_state(initial_state_shape, batch, self.units)

    def _standardize_initial_state(self, sequences: Tensor, state: Any) -> Tensor:
        """The state before the first step, `(batch, units)`, compute dtype."""
        if state is None and self.stateful:
            state = self._kept_state(ops.shape(sequences)[0])
        elif state is None:
            state = self.get_initial_state(ops.shape(sequences)[0])
        convert = functools.partial(ops.convert_to_tensor, dtype=self.compute_dtype)
        if keras.tree.is_nested(state):
            state = keras.tree.map_structure(convert, state)
            shape = keras.tree.map_structure(lambda x: tuple(x.shape), state)
            self._check_shapes(sequences.shape, shape)
            state = state[0]
        else:  # the same without a walk through it, for single steps
            state = convert(state)
            self._check_shapes(sequences.shape, tuple(state.shape))
        if arguments.known(state.shape)[0] != 1 or sequences.shape[0] == 1:
            return state
        return ops.broadcast_to(state, (ops.shape(sequences)[0], self.units))

    def _kept_state(self, batch: Any) -> Tensor:
        """With `stateful`: what the batch before left, `(batch, units)`."""
        state, *used = self.states
        # A copy, for torch assigns the next state in place, also to what the
        # backward pass of this call still needs.
        kept = ops.cast(ops.copy(state.value), self.compute_dtype)
        if not used:
            return kept
        (learned,) = self.get_initial_state(batch)
        return backends.current().where(ops.copy(used[0].value), kept, learned)

    def _keep(self, final_state: Tensor) -> None:
        """With `stateful`: leaves the state for the next batch."""
        state, *used = self.states
        state.assign(final_state)
        for flag in used:
            flag.assign(ops.ones_like(flag.value))

    def _hide_unused(
        self, outputs: Tensor, mask: Tensor, starts_at_zero: bool
    ) -> Tensor:
        """Puts zeros where the state is not an output of this pass.

        That is at masked steps with `zero_output_for_mask`, otherwise before the
        first used step, where the frozen state is the initial one; a pass that
        starts at zero has the zeros there already.
        """
        if self.return_sequences and self.zero_output_for_mask:
            shown = ops.flip(mask, axis=1) if self.go_backwards else mask
        elif starts_at_zero:
            return outputs
        elif self.return_sequences:
            in_order = ops.flip(mask, axis=1) if self.go_backwards else mask
            shown = ops.cumsum(ops.cast(in_order, "int32"), axis=1) > 0
        else:
            shown = ops.any(mask, axis=1)
        return backends.current().where(
            ops.expand_dims(shown, -1), outputs, ops.zeros_like(outputs)
        )

    # What keras.layers.GRU offers of its cell.
    units = _of_cell("units")
    activation = _of_cell("activation")
    recurrent_activation = _of_cell("recurrent_activation")
    use_bias = _of_cell("use_bias")
    kernel_initializer = _of_cell("kernel_initializer")
    recurrent_initializer = _of_cell("recurrent_initializer")
    bias_initializer = _of_cell("bias_initializer")
    kernel_regularizer = _of_cell("kernel_regularizer")
    recurrent_regularizer = _of_cell("recurrent_regularizer")
    bias_regularizer = _of_cell("bias_regularizer")
    kernel_constraint = _of_cell("kernel_constraint")
    recurrent_constraint = _of_cell("recurrent_constraint")
    bias_constraint = _of_cell("bias_constraint")
    dropout = _of_cell("dropout")
    recurrent_dropout = _of_cell("recurrent_dropout")
    implementation = _of_cell("implementation")
    reset_after = _of_cell("reset_after")
    update_gate = _of_cell("update_gate")
    learn_initial_state = _of_cell("learn_initial_state")
    zoneout = _of_cell("zoneout")
    layer_normalization = _of_cell("layer_normalization")
    seed = _of_cell("seed")
