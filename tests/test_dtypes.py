"""Every dtype: what comes out, how exact it is, what the variables are."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests import errors, oracle
from tests.cases import CONVENTIONS, Case, numbers
from tests.passes import build_layer, check, float64_allowed, to_numpy
from tests.tolerances import TOLERANCES, assert_close

# policy -> dtype of the results, dtype of the variables
POLICIES = {
    "float16": ("float16", "float16"),
    "bfloat16": ("bfloat16", "bfloat16"),
    "float32": ("float32", "float32"),
    "float64": ("float64", "float64"),
    "mixed_bfloat16": ("bfloat16", "float32"),
    "mixed_float16": ("float16", "float32"),
}


OPTIONS = ("default", "no_bias", "unroll", "backwards")


@pytest.mark.parametrize(
    ("convention", "policy", "option"),
    [  # every two of them meet
        (convention, policy, OPTIONS[(i + j) % 4])
        for i, convention in enumerate(CONVENTIONS)
        for j, policy in enumerate(POLICIES)
    ],
)
def test_results(convention, policy, option):
    """Outputs and state in the compute dtype, as near as that dtype allows."""
    compute, variable = POLICIES[policy]
    case = Case(convention, "right", option)
    given = numbers(case)
    with float64_allowed(policy):
        layer = build_layer(case, given.weights, policy)
        assert {v.dtype for v in layer.trainable_variables} == {variable}
        x, h = (keras.ops.cast(a, compute) for a in (given.x, given.h0))
        results = layer(x, initial_state=h, mask=given.mask)
        for result in results:
            assert keras.backend.standardize_dtype(result.dtype) == compute
        results = [to_numpy(result).astype("float64") for result in results]
    ran = oracle.forward(
        given.x,
        given.h0,
        *given.weights,
        mask=given.mask,
        go_backwards=case.maths["go_backwards"],
        **CONVENTIONS[convention],
    )
    assert_close(results[0], ran.outputs, compute)
    assert_close(results[1], ran.final_state, compute)


@pytest.mark.parametrize("given_dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "float16"])
def test_inputs_of_another_dtype_are_cast(policy, given_dtype):
    layer = keras_gru.GRU(4, dtype=policy, return_state=True)
    x = np.ones((2, 3, 5), given_dtype)
    for result in layer(x, initial_state=np.ones((2, 4), given_dtype)):
        assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype


@pytest.mark.parametrize("policy", POLICIES)
def test_dropout_in_every_dtype(policy):
    with float64_allowed(policy):
        layer = keras_gru.GRU(4, dtype=policy, dropout=0.5, recurrent_dropout=0.5)
        outputs = layer(np.ones((2, 3, 5), layer.compute_dtype), training=True)
        dtype = keras.backend.standardize_dtype(outputs.dtype)
        assert dtype == layer.compute_dtype
        assert np.isfinite(to_numpy(outputs).astype("float64")).all()


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("argument", ["activation", "recurrent_activation"])
def test_activations_keep_float64(argument, activation):
    """No activation falls to float32 inside, in values or gradients."""
    case = Case("keep_after", shape=(2, 3, 3, 2), extra=((argument, activation),))
    check(case, "float64")


@pytest.mark.parametrize(
    ("convention", "policy"),
    [("keep_after", "mixed_bfloat16"), ("replace_before", "mixed_float16")],
)
def test_mixed_precision_trains(convention, policy):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 6, 3)).astype("float32")
    y = x.sum((1, 2))[:, None]
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            keras_gru.GRU(8, dtype=policy, **CONVENTIONS[convention]),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    losses = model.fit(x, y, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert {v.dtype for v in model.layers[0].trainable_variables} == {"float32"}


def test_the_rows_of_the_table_are_ordered_by_precision():
    rows = ["float64", "float32", "float16", "bfloat16"]
    errors = [TOLERANCES[row].error for row in rows]
    assert errors == sorted(errors)


def test_the_errors_that_readme_tells():
    """`python -m tests.errors` measures; more digits, smaller errors."""
    single, double = (errors.largest_error("portable", d) for d in errors.DTYPES[:2])
    assert 0 < double < 1e-12 < single < 1e-5
