"""Ratios from made-up timings."""

from __future__ import annotations

import pytest

from benchmarks import ratios
from benchmarks.measure import Measured
from benchmarks.rows import CONVENTIONS, Group, Shape
from tests.benchmarks.made_up import timings

pytestmark = pytest.mark.once

GROUP = Group(Shape(2, 10, 3, 4), False, "training", 2, tuple(CONVENTIONS))


def rows_of(*measured):
    made = ratios.rows(GROUP, 20, Measured(list(measured), {}, 0.02))
    return {
        (row["backend"], row["contender"], row["update_gate"], row["reset_after"]): row
        for row in made
    }


def test_a_ratio_is_taken_within_a_repeat():
    # The machine slows down fourfold; in each repeat keras takes twice our time,
    # but the medians of the times are 2 and 1.
    ours = timings("jax", "keras_gru", "keep_after", [1.0, 4.0, 1.0, 4.0, 1.0])
    keras = timings("jax", "keras.layers.GRU", "keep_after", [2.0, 8.0, 2.0, 8.0, 9.0])
    found = rows_of(ours, keras)["jax", "keras_gru", "keep", True]
    assert found["ratio_to_keras"] == 2.0
    assert found["median_s"] == 1.0
    assert (found["q25_s"], found["q75_s"]) == (1.0, 4.0)
    assert (found["min_s"], found["max_s"]) == (1.0, 4.0)
    assert found["repeats"] == 5


def test_a_replace_row_is_compared_with_the_keep_row_of_the_same_reset():
    found = rows_of(
        timings("jax", "keras_gru", "keep_after", [1.0]),
        timings("jax", "keras_gru", "replace_before", [2.0]),
        timings("jax", "keras.layers.GRU", "keep_after", [5.0]),
        timings("jax", "keras.layers.GRU", "keep_before", [6.0]),
        timings("torch", "torch.nn.GRU", "keep_after", [3.0]),
    )
    row = found["jax", "keras_gru", "replace", False]
    assert row["ratio_to_keras"] == 3.0
    assert row["time_to_keep_after"] == 2.0
    assert "ratio_to_torch_nn" not in row  # it has no reset-before
    assert row["best_peer"] == "keras.layers.GRU (jax)"
    row = found["jax", "keras_gru", "keep", True]
    assert row["ratio_to_torch_nn"] == 3.0
    assert row["best_peer"] == "torch.nn.GRU (torch)"
    assert row["ratio_to_best_peer"] == 3.0


def test_other_backends_do_not_count_as_keras():
    found = rows_of(
        timings("jax", "keras_gru", "keep_after", [1.0]),
        timings("tensorflow", "keras.layers.GRU", "keep_after", [5.0]),
    )
    assert "ratio_to_keras" not in found["jax", "keras_gru", "keep", True]


def test_jit_is_compared_with_jit():
    found = rows_of(
        timings("tensorflow", "keras_gru", "keep_after", [1.0]),
        timings("tensorflow", "keras_gru jit", "keep_after", [1.0]),
        timings("tensorflow", "keras.layers.GRU", "keep_after", [5.0]),
        timings("tensorflow", "keras.layers.GRU jit", "keep_after", [7.0]),
    )
    assert found["tensorflow", "keras_gru", "keep", True]["ratio_to_keras"] == 5.0
    assert found["tensorflow", "keras_gru jit", "keep", True]["ratio_to_keras"] == 7.0


def test_the_limit_is_the_fastest_product():
    flops = GROUP.flops(20)
    ours = timings("jax", "keras_gru", "keep_after", [4.0, 8.0, 4.0])
    found = rows_of(
        ours,
        timings("torch", "sgemm large", "", [1.0, 2.0, 1.0], flops=flops / 2),
        timings("numpy", "sgemm large", "", [9.0, 9.0, 9.0], flops=flops / 2),
    )
    row = found["jax", "keras_gru", "keep", True]
    assert row["share_of_sgemm"] == pytest.approx(0.5)
    assert row["gflops"] == pytest.approx(flops / 4 / 1e9)
    product = found["torch", "sgemm large", "", None]
    assert product["gflops"] == pytest.approx(flops / 2 / 1e9)
