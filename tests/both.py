"""`keras_gru.Bidirectional` against the oracle: outputs, states, every gradient."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

import keras_gru
from tests.cases import Case, Numbers, judge
from tests.passes import (
    float64_allowed,
    run_layer,
    set_weights,
    spy_on_kernels,
    to_numpy,
)
from tests.tolerances import assert_close

MERGE_MODES = ("concat", "sum", "mul", "ave", None)


class Both(keras.layers.Layer):
    """A Bidirectional with one state, `(batch, 2 * units)`, and one output."""

    def __init__(self, layer, **options):
        super().__init__(**options)
        self.layer = layer
        self.supports_masking = True  # Keras would warn
        self.built = True

    def call(self, x, initial_state, mask=None, training=False, **more):
        outputs, *states = self.layer(
            x,
            initial_state=ops.split(initial_state, 2, axis=-1),
            mask=mask,
            training=training,
            **more,
        )
        if self.layer.merge_mode is None:
            back, *states = states
            outputs = ops.concatenate([outputs, back], axis=-1)
        return outputs, ops.concatenate(states, axis=-1)


def build(cases, dtype="float32", merge_mode="concat", **options):
    """A `Bidirectional` of a forward and a backward case, which returns its states."""
    ahead, back = (
        keras_gru.GRU(
            case.shape[3],
            return_state=True,
            dtype=dtype,
            seed=seed,
            **{**case.options, "go_backwards": seed == 4, **options},
        )
        for seed, case in enumerate(cases, 3)
    )
    layer = keras_gru.Bidirectional(ahead, merge_mode, backward_layer=back, dtype=dtype)
    layer.build(cases[0].shape[:3])
    return layer


def check(
    cases: tuple[Case, Case],
    dtype: str,
    given: tuple[Numbers, Numbers],
    merge_mode="concat",
    native=None,
    **options,
):
    """Holds both directions against the oracle.

    Args:
        cases: forward and backward in time; they may differ in the convention.
        dtype: also the row of the tolerance table.
        given: the numbers of the two; x, the mask and the resets are the first's.
        merge_mode: of the layer.
        native: whether one native call must run both; None does not care.
        options: more arguments of both layers.

    Raises:
        AssertionError: they differ by more than the tolerance.
    """
    units = cases[0].shape[3]
    with float64_allowed(dtype):
        layer = build(cases, dtype, merge_mode, **options)
        for one, numbers in zip(
            (layer.forward_layer, layer.backward_layer), given, strict=True
        ):
            set_weights(one, numbers.weights)
        first = given[0]
        side_by_side = Numbers(
            x=first.x,
            h0=np.concatenate([one.h0 for one in given], -1),
            mask=first.mask,
            weights=[],
            d_outputs=np.concatenate([one.d_outputs for one in given], -1)
            if merge_mode in ("concat", None)
            else first.d_outputs,
            d_state=np.concatenate([one.d_state for one in given], -1),
            resets=first.resets,
        )
        wrapped = Both(layer, dtype=dtype)
        training = cases[0].training
        with spy_on_kernels() as seen:
            ran = run_layer(wrapped, side_by_side, training=training)
        assert len(seen.calls) == 2, f"{len(seen.calls)} passes ran"
        if native is not None:
            assert seen.names == ["native_cpu, both"] * 2 or not native, seen.names
            assert native or "native_cpu, both" not in seen.names
        masks = [
            [
                [to_numpy(m) for m in drawn] or None
                for drawn in (one.dropout_masks, one.recurrent_dropout_masks)
            ]
            for one in seen.tensors
        ]

    def judged(incoming):
        """What the oracle says of each direction, outputs in the order of time."""
        found = []
        for number, (case, numbers, drawn) in enumerate(
            zip(cases, given, masks, strict=True)
        ):
            d_outputs, d_state = incoming[number], numbers.d_state
            if number and case.maths["return_sequences"]:
                d_outputs = d_outputs[:, ::-1]
            directed = dict(case.extra) | {
                "go_backwards": bool(number),
                # keras.layers.Bidirectional asks for zeros at masked steps.
                "zero_output_for_mask": case.maths["return_sequences"],
            }
            outputs, state, gradients = judge(
                Case(case.convention, shape=case.shape, extra=tuple(directed.items())),
                Numbers(
                    first.x,
                    numbers.h0,
                    first.mask,
                    numbers.weights,
                    d_outputs,
                    d_state,
                    first.resets,
                ),
                *drawn,
            )
            if number and case.maths["return_sequences"]:
                outputs = outputs[:, ::-1]
            found.append((outputs, state, gradients))
        return found

    incoming = [one.d_outputs for one in given]
    if merge_mode not in ("concat", None):
        ahead, back = (one[0] for one in judged(incoming))
        d_outputs = first.d_outputs
        incoming = {
            "sum": lambda: [d_outputs, d_outputs],
            "ave": lambda: [d_outputs / 2, d_outputs / 2],
            "mul": lambda: [d_outputs * back, d_outputs * ahead],
        }[merge_mode]()
    (ahead, state, gradients), (back, back_state, back_gradients) = judged(incoming)
    outputs = {
        "sum": lambda: ahead + back,
        "ave": lambda: (ahead + back) / 2,
        "mul": lambda: ahead * back,
    }.get(merge_mode, lambda: np.concatenate([ahead, back], -1))()
    assert ran.outputs.shape[-1] == outputs.shape[-1] in (units, 2 * units)
    assert ran.outputs.dtype == ran.final_state.dtype == dtype
    assert_close(ran.outputs, outputs, dtype, "outputs")
    states = np.concatenate([state, back_state], -1)
    assert_close(ran.final_state, states, dtype, "final states")
    expected = {
        **gradients,
        **{f"back {name}": value for name, value in back_gradients.items()},
        "x": gradients["x"] + back_gradients["x"],
        "h0": np.concatenate([gradients["h0"], back_gradients["h0"]], -1),
    }
    del expected["back x"], expected["back h0"]
    assert set(ran.gradients) == set(expected)
    for name, gradient in expected.items():
        assert_close(ran.gradients[name], gradient, dtype, f"gradient of {name}")
