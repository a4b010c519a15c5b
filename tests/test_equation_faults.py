"""Deliberate faults: with each of them the comparison with the oracle turns red.

A comparison that cannot fail proves nothing. Each fault here is one a person makes;
each must be seen in the values, or, where it is one of the backward pass, in the
gradients.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from keras_gru import equations, gradients, normalization
from keras_gru.kernels import portable, recurrence
from tests.cases import CONVENTIONS, Case, numbers
from tests.passes import BACKEND, check

# The faults are put into the formula, not into a loop: the one that compiles fastest.
LAYER = {"kernel": "portable", "unroll": True}

gates, project, update = equations.gates, equations.project, equations.update
zone_out, normalized = equations.zone_out, normalization.normalized
split_gates, run = equations.split_gates, portable.run
stop_gradient = keras.ops.stop_gradient


def _swap(first, second):
    """`split_gates` with two of the blocks z, r, n exchanged."""

    def faulty(blocks):
        cut = list(split_gates(blocks))
        cut[first], cut[second] = cut[second], cut[first]
        return tuple(cut)

    return faulty


def _swap_update_and_reset_columns(tensors, name):
    weight = getattr(tensors, name)
    if weight is None:
        return None
    z, r, n = split_gates(weight)
    return keras.ops.concatenate([r, z, n], axis=-1)


def _other_gate(update_gate):
    return {"keep": "replace", "replace": "keep"}[update_gate]


def _with_activations_swapped(*args, activation, recurrent_activation, **options):
    return gates(
        *args,
        activation=recurrent_activation,
        recurrent_activation=activation,
        **options,
    )


def _without_gradient_of_reset(*args, recurrent_activation, **options):
    """The recurrent activation is asked for z, then for r."""
    asked = []

    def faulty(a):
        asked.append(a)
        value = recurrent_activation(a)
        return stop_gradient(value) if len(asked) == 2 else value

    return gates(*args, recurrent_activation=faulty, **options)


def _run_with(tensors=None, call=None, result=None):
    """`portable.run` on a changed call and changed tensors.

    `tensors` and `call` map a field to a function of all of them that gives its new
    value; `result` is a function of what `portable.run` returned.
    """

    def faulty(told, given):
        changes = {name: new(given) for name, new in (tensors or {}).items()}
        told_changes = {name: new(told) for name, new in (call or {}).items()}
        returned = run(
            dataclasses.replace(told, **told_changes),
            dataclasses.replace(given, **changes),
        )
        return result(returned) if result else returned

    return faulty


# name -> (module, attribute, what stands there instead, the case that must see it)
FAULTS = {
    "z and r swapped": (
        portable,
        "run",
        _run_with(
            {
                name: lambda t, name=name: _swap_update_and_reset_columns(t, name)
                for name in (
                    "kernel",
                    "recurrent_kernel",
                    "input_bias",
                    "recurrent_bias",
                )
            }
        ),
        {},
    ),
    "z and r swapped where they are cut": (
        equations,
        "split_gates",
        _swap(0, 1),
        {},
    ),
    "r and n swapped where they are cut": (
        equations,
        "split_gates",
        _swap(1, 2),
        {},
    ),
    "the update convention flipped": (
        equations,
        "update",
        lambda z, h, n, update_gate: update(z, h, n, _other_gate(update_gate)),
        {},
    ),
    "the state and the candidate swapped": (
        equations,
        "update",
        lambda z, h, n, update_gate: update(z, n, h, update_gate),
        {},
    ),
    "the reset moved": (
        portable,
        "run",
        _run_with(call={"reset_after": lambda call: not call.reset_after}),
        {},
    ),
    "the activations swapped": (equations, "gates", _with_activations_swapped, {}),
    "the input bias forgotten": (
        equations,
        "project",
        lambda x, kernel, bias, *more: project(x, kernel, None, *more),
        {},
    ),
    "the first dropout mask for all gates": (
        portable,
        "run",
        _run_with({"dropout_masks": lambda tensors: tensors.dropout_masks[:1]}),
        {"option": "dropout_1"},
    ),
    "dropout forgotten": (
        portable,
        "run",
        _run_with({"dropout_masks": lambda tensors: ()}),
        {"option": "dropout"},
    ),
    "recurrent dropout forgotten": (
        portable,
        "run",
        _run_with({"recurrent_dropout_masks": lambda tensors: ()}),
        {"option": "recurrent_dropout"},
    ),
    "recurrent dropout masks in another order": (
        portable,
        "run",
        _run_with(
            {
                "recurrent_dropout_masks": lambda tensors: (
                    tensors.recurrent_dropout_masks[::-1]
                )
            }
        ),
        {"option": "recurrent_dropout"},
    ),
    "the initial state dropped too": (
        portable,
        "run",
        _run_with(
            {
                "initial_state": lambda tensors: (
                    tensors.initial_state * tensors.recurrent_dropout_masks[0]
                )
            }
        ),
        {"option": "recurrent_dropout"},
    ),
    "the mask forgotten": (
        portable,
        "run",
        _run_with({"mask": lambda tensors: None}),
        {"mask": "holes"},
    ),
    "the mask turned round": (
        portable,
        "run",
        _run_with({"mask": lambda tensors: keras.ops.logical_not(tensors.mask)}),
        {"mask": "holes"},
    ),
    "the mask not flipped with the sequence": (
        portable,
        "run",
        _run_with({"mask": lambda tensors: keras.ops.flip(tensors.mask, axis=1)}),
        {"mask": "holes", "option": "backwards"},
    ),
    "the initial state forgotten": (
        portable,
        "run",
        _run_with({"initial_state": lambda t: keras.ops.zeros_like(t.initial_state)}),
        {},
    ),
    "the direction forgotten": (
        portable,
        "run",
        _run_with(call={"go_backwards": lambda call: False}),
        {"option": "backwards"},
    ),
    "the final state one step early": (
        portable,
        "run",
        _run_with(result=lambda r: r._replace(final_state=r.states[:, -2])),
        {},
    ),
    "zoneout forgotten": (
        equations,
        "zone_out",
        lambda new, h, kept: new,
        {"option": "zoneout"},
    ),
    "zoneout turned round": (
        equations,
        "zone_out",
        lambda new, h, kept: zone_out(h, new, kept),
        {"option": "zoneout_drawn"},
    ),
    "zoneout of the wrong step": (
        portable,
        "run",
        _run_with({"zoneout_mask": lambda t: keras.ops.flip(t.zoneout_mask, axis=1)}),
        {"option": "zoneout_drawn"},
    ),
    "the rate in the place of what is drawn": (
        portable,
        "run",
        _run_with({"zoneout_mask": lambda tensors: None}),
        {"option": "zoneout_drawn"},
    ),
    "the gains of input and state swapped": (
        portable,
        "run",
        _run_with(
            {
                "input_gain": lambda tensors: tensors.recurrent_gain,
                "recurrent_gain": lambda tensors: tensors.input_gain,
            }
        ),
        {"option": "layer_norm"},
    ),
    "the input not normalised": (
        portable,
        "run",
        _run_with({"input_gain": lambda tensors: None}),
        {"option": "layer_norm"},
    ),
    "each gate normalised apart": (
        normalization,
        "normalized",
        lambda products, gain: keras.ops.concatenate(
            [
                normalized([p], g)
                for p, g in zip(
                    split_gates(keras.ops.concatenate(products, -1)),
                    split_gates(gain),
                    strict=True,
                )
            ],
            -1,
        ),
        {"option": "layer_norm_dropped"},
    ),
    "the mean left in": (
        normalization,
        "_mean",
        lambda row: keras.ops.sum(row, -1, keepdims=True) / (row.shape[-1] + 1),
        {"option": "layer_norm"},
    ),
    "the gradient of the candidate lost": (
        equations,
        "gates",
        lambda *a, **o: (v := gates(*a, **o))._replace(n=stop_gradient(v.n)),
        {},
    ),
    "the gradient of the update gate lost": (
        equations,
        "gates",
        lambda *a, **o: (v := gates(*a, **o))._replace(z=stop_gradient(v.z)),
        {},
    ),
    "the gradient of the reset gate lost": (
        equations,
        "gates",
        _without_gradient_of_reset,
        {},
    ),
    "the gradient of the initial state lost": (
        portable,
        "run",
        _run_with({"initial_state": lambda t: stop_gradient(t.initial_state)}),
        {},
    ),
}


@pytest.mark.parametrize(
    ("fault", "convention"),
    [  # each under two that have nothing in common
        (fault, convention)
        for i, fault in enumerate(FAULTS)
        for convention in (
            ("keep_after", "replace_before"),
            ("keep_before", "replace_after"),
        )[i % 2]
    ],
)
def test_the_comparison_turns_red(fault, convention, monkeypatch):
    module, attribute, faulty, where = FAULTS[fault]
    case = Case(convention, **where)
    monkeypatch.setattr(module, attribute, faulty)
    with pytest.raises(AssertionError, match="differs"):
        check(case, "float64", **LAYER)


# Faults of the gradients that the scans bring, and the option that must see each.
SCAN_FAULTS = {
    "what is normalised passed through": (
        normalization,
        "gradient",
        lambda d, product, gain: (d * gain, d * product),
        "layer_norm",
    ),
    "the product of the candidate passed through": (
        gradients,
        "step_gradient",
        lambda *args, unnormalize=(), **options: step_gradient(
            *args, unnormalize=(*unnormalize[:1], lambda d: d), **options
        ),
        "layer_norm",
    ),
    "zoneout's share of the state lost": (
        recurrence.Recurrence,
        "_kept",
        lambda self, drawn: stop_gradient(kept(self, drawn)) * 0.5,
        "zoneout_drawn",
    ),
    "the learnt state where nothing is reset": (
        recurrence,
        "_start_anew",
        lambda state, resets, learned_state=None: start_anew(state, resets),
        "learned_state",
    ),
}
step_gradient, kept = gradients.step_gradient, recurrence.Recurrence._kept
start_anew = recurrence._start_anew


@pytest.mark.parametrize("fault", SCAN_FAULTS)
def test_the_scans_turn_red(fault, monkeypatch):
    module, attribute, faulty, option = SCAN_FAULTS[fault]

    def compare(units):
        case = Case("keep_before", "holes", option, shape=(3, 7, 5, units))
        given = numbers(case)
        given.resets = np.eye(3, 7, 2) > 0
        check(case, "float64", kernel=f"{BACKEND}_scan", given=given)

    compare(6)
    monkeypatch.setattr(module, attribute, faulty)
    with pytest.raises(AssertionError, match="differs"):
        compare(4)  # what is compiled for 6 has no fault


@pytest.mark.parametrize("update_gate", ["keep", "replace"])
def test_swapped_bias_rows_turn_it_red(update_gate, monkeypatch):
    """Only the after form has two rows; only the candidate can tell them apart."""
    swapped = _run_with(
        {
            "input_bias": lambda tensors: tensors.recurrent_bias,
            "recurrent_bias": lambda tensors: tensors.input_bias,
        }
    )
    monkeypatch.setattr(portable, "run", swapped)
    with pytest.raises(AssertionError, match="differs"):
        check(Case(f"{update_gate}_after"), "float64", **LAYER)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_same_cases_are_green_without_a_fault(convention):
    """So that it is the fault that they turn red for."""
    for where in {tuple(where.items()) for *_, where in FAULTS.values()}:
        check(Case(convention, **dict(where)), "float64", **LAYER)
