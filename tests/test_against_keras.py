"""Where keras.layers.GRU is right, the two agree: values, states, gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import OPTIONS, Case, numbers
from tests.passes import BACKEND, run_layer, set_weights, to_numpy
from tests.tolerances import assert_close

# Dropout draws are compared in test_dropout.py, stateful layers in test_stateful.py.
_ELSEWHERE = {"dropout", "recurrent_dropout", "stateful"}
_NOT_IN_KERAS = {"learn_initial_state", "zoneout", "layer_normalization"}
_WITHOUT_DROPOUT = [
    name
    for name, options in OPTIONS.items()
    if not (_ELSEWHERE | _NOT_IN_KERAS) & set(options)
]


def _keras_is_wrong(option, mask):
    """The faults of Keras that the oracle, not Keras, must judge."""
    options = OPTIONS[option]
    if mask == "none":
        return None
    if BACKEND == "torch" and option == "unroll_backwards":
        return "crashes under a mask when unrolled backwards on torch"
    if not options.get("zero_output_for_mask"):
        return None
    if not options.get("return_sequences", True):
        return "returns zeros where the last step is masked"
    if BACKEND == "jax" and options.get("unroll"):
        return "ignores zero_output_for_mask when unrolled on JAX"
    return None


def _pair(case, given, **options):
    """The two layers with the same weights; each returns its final state too."""
    options = {**case.options, "return_state": True, **options}
    ours = keras_gru.GRU(case.shape[3], **options)
    del options["update_gate"]
    keras_own = keras.layers.GRU(case.shape[3], **options)
    for layer in (ours, keras_own):
        layer.build((*case.shape[:3],))
        set_weights(layer, given.weights)
    return ours, keras_own


def _compare(ours, keras_own, given, kernel="portable"):
    """`portable` computes as Keras does; the kernel of "auto" has a tanh of its own."""
    ours.kernel = kernel
    row = "same_float32" if kernel == "portable" else "float32"
    gradients_row = f"{row}_gradients" if kernel == "portable" else row
    one, two = run_layer(ours, given), run_layer(keras_own, given)
    assert_close(one.outputs, two.outputs, row, "outputs")
    assert_close(one.final_state, two.final_state, row, "final state")
    assert set(one.gradients) == set(two.gradients)
    for name, gradient in two.gradients.items():
        assert_close(one.gradients[name], gradient, gradients_row, name)


@pytest.mark.parametrize("option", _WITHOUT_DROPOUT)
@pytest.mark.parametrize("convention", ["keep_after", "keep_before"])
@pytest.mark.parametrize(
    ("kernel", "mask"), [("portable", "none"), ("portable", "holes"), ("auto", "holes")]
)
def test_values_and_gradients(kernel, convention, option, mask):
    if (reason := _keras_is_wrong(option, mask)) is not None:
        pytest.skip(f"keras.layers.GRU {reason}; the oracle judges this case")
    case = Case(convention, mask, option)
    given = numbers(case)
    if mask == "holes":
        given.mask[:, [0, -1]] = (
            True  # Keras' backends disagree on leading masked steps
        )
    _compare(*_pair(case, given), given, kernel)


@pytest.mark.parametrize(
    "activation",
    ["elu", "gelu", "softsign", "silu", "selu", None, lambda a: a / (1 + a * a)],
    ids=str,
)
@pytest.mark.parametrize("convention", ["keep_after", "keep_before"])
def test_any_activation(convention, activation):
    """Also such that no kernel has heard of."""
    case = Case(convention, "right")
    given = numbers(case)
    _compare(*_pair(case, given, activation=activation), given)


@pytest.mark.parametrize(
    "activation", ["hard_sigmoid", "softsign", "relu", None], ids=str
)
@pytest.mark.parametrize("convention", ["keep_after", "keep_before"])
def test_any_recurrent_activation(convention, activation):
    case = Case(convention, "right", shape=(2, 3, 3, 2))
    given = numbers(case)
    _compare(*_pair(case, given, recurrent_activation=activation), given)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("convention", ["keep_after", "keep_before"])
def test_mixed_precision(convention, dtype):
    case = Case(convention)
    given = numbers(case)
    x = given.x.astype("float32")
    ours, keras_own = _pair(case, given, dtype=dtype)
    row = dtype.removeprefix("mixed_")
    for one, two in zip(ours(x), keras_own(x), strict=True):
        assert one.dtype == two.dtype
        assert_close(to_numpy(one), to_numpy(two), row)


@pytest.mark.parametrize("reset_after", [True, False])
def test_training_goes_the_same_way(reset_after):
    """Ten steps of fit, from the same weights, end at the same weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 6, 5)).astype("float32")
    y = rng.normal(size=(8, 2)).astype("float32")
    ends = []
    for cls in (keras_gru.GRU, keras.layers.GRU):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.Input((6, 5)),
                cls(4, reset_after=reset_after),
                keras.layers.Dense(2),
            ]
        )
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        model.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0)
        ends.append(model.get_weights())
    for ours, keras_own in zip(*ends, strict=True):
        assert_close(ours, keras_own, "same_float32_gradients")
