"""What cannot be right is told: the argument, the value, what was expected."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru

X = np.ones((3, 7, 5), "float32")
H = np.ones((3, 6), "float32")
BOTH = [keras_gru.GRU, keras_gru.GRUCellV]


def _message(error):
    """What a user reads, Keras' own frame around it included."""
    return str(error.value)


def _raises(parts, function, kinds=(ValueError,)):
    """Calls it, and holds the message against the parts that must stand in it."""
    with pytest.raises(kinds) as error:
        function()
    message = _message(error)
    for part in parts:
        assert str(part) in message, f"{part!r} not in: {message}"


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("units", [0, -1])
def test_units_not_positive(cls, units):
    _raises(["`units`", units, "positive integer"], lambda: cls(units))


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("units", [2.5, 3.0, "3", None, True, [3]])
def test_units_no_integer(cls, units):
    parts = ["`units`", repr(units), "positive integer"]
    _raises(parts, lambda: cls(units), (TypeError, ValueError))


@pytest.mark.parametrize("cls", BOTH)
def test_units_numpy_integer_is_one(cls):
    assert cls(np.int64(4)).units == 4


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("value", ["keeps", "KEEP", None, True, 1])
def test_unknown_update_gate(cls, value):
    parts = ["`update_gate`", repr(value), "'keep'", "'replace'"]
    _raises(parts, lambda: cls(4, update_gate=value), (TypeError, ValueError))


@pytest.mark.parametrize("value", ["fast", "", None, "keras_gru.kernels.portable"])
def test_unknown_kernel(value):
    parts = ["`kernel`", repr(value), "'auto'", "'portable'"]
    _raises(parts, lambda: keras_gru.GRU(4, kernel=value), (TypeError, ValueError))


@pytest.mark.parametrize("value", ["yes", None, 2, "True"])
def test_unknown_use_cudnn(value):
    parts = ["`use_cudnn`", repr(value), "'auto'", "True", "False"]
    _raises(parts, lambda: keras_gru.GRU(4, use_cudnn=value), (TypeError, ValueError))


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("value", [3, "2", False])
def test_unknown_implementation(cls, value):
    parts = ["`implementation`", repr(value), "1", "2"]
    _raises(parts, lambda: cls(4, implementation=value), (TypeError, ValueError))


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("value", ["after", None])
def test_reset_after_is_true_or_false(cls, value):
    parts = ["`reset_after`", repr(value), "True", "False"]
    _raises(parts, lambda: cls(4, reset_after=value), (TypeError, ValueError))


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("value", ["0.5", None, float("nan")])
def test_dropout_is_a_number(cls, name, value):
    parts = [f"`{name}`", repr(value)]
    _raises(parts, lambda: cls(4, **{name: value}), (TypeError, ValueError))


@pytest.mark.parametrize("cls", BOTH)
def test_unknown_argument(cls):
    _raises(["updategate"], lambda: cls(4, updategate="keep"), (TypeError, ValueError))


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("shape", [(3,), (3, 7), (3, 7, 5, 2)])
def test_wrong_rank(shape, built):
    """The expected rank is 3; both are told."""
    layer = keras_gru.GRU(6)
    if built:
        layer(X)
    parts = ["ndim=3", f"ndim={len(shape)}"]
    _raises(parts, lambda: layer(np.ones(shape, "float32")))


@pytest.mark.parametrize("shape", [(3,), (3, 7), (3, 7, 5, 2)])
def test_build_with_a_wrong_rank(shape):
    parts = [f"`sequences` has shape {shape}", "(batch, time, features)"]
    _raises(parts, lambda: keras_gru.GRU(6).build(shape))


def test_wrong_feature_size():
    layer = keras_gru.GRU(6)
    layer(X)
    _raises(["5", "4", "(3, 7, 4)"], lambda: layer(X[..., :4]))


def test_unknown_feature_size():
    _raises(["(3, 7, None)"], lambda: keras_gru.GRU(6).build((3, 7, None)))


@pytest.mark.parametrize("count", [0, 2, 3])
def test_wrong_count_of_initial_states(count):
    parts = ["`initial_state`", count, "one state"]
    _raises(parts, lambda: keras_gru.GRU(6)(X, initial_state=[H] * count))


def test_wrong_count_of_initial_states_in_a_list_of_symbols():
    states = [keras.Input((6,)) for _ in range(2)]
    parts = ["`initial_state`", "2", "one state"]
    _raises(parts, lambda: keras_gru.GRU(6)(keras.Input((7, 5)), initial_state=states))


@pytest.mark.parametrize("wrap", [lambda h: h, lambda h: [h]])
@pytest.mark.parametrize("shape", [(3, 5), (2, 6), (6,), (3, 1, 6)])
def test_wrong_shape_of_the_initial_state(shape, wrap):
    h = wrap(np.ones(shape, "float32"))
    parts = ["`initial_state`", shape, "(3, 6)"]
    _raises(parts, lambda: keras_gru.GRU(6)(X, initial_state=h))


def test_wrong_shape_of_a_symbolic_initial_state():
    parts = ["`initial_state`", "(None, 4)", "(None, 6)"]
    h = keras.Input((4,))
    _raises(parts, lambda: keras_gru.GRU(6)(keras.Input((7, 5)), initial_state=h))


@pytest.mark.parametrize("shape", [(3, 6), (2, 7), (7,), (3, 7, 2), (3, 7, 5)])
def test_wrong_shape_of_the_mask(shape):
    parts = ["`mask`", shape, "(3, 7)"]
    _raises(parts, lambda: keras_gru.GRU(6)(X, mask=np.ones(shape, bool)))


def test_unroll_with_unknown_time():
    parts = ["unroll", "(None, None, 5)"]
    _raises(parts, lambda: keras_gru.GRU(6, unroll=True)(keras.Input((None, 5))))


def test_stateful_without_a_static_batch():
    parts = ["stateful", "(None, 7, 5)", "batch"]
    _raises(parts, lambda: keras_gru.GRU(6, stateful=True)(keras.Input((7, 5))))


def test_stateful_with_another_batch():
    layer = keras_gru.GRU(6, stateful=True)
    layer(X)
    _raises(["batch size 2", "3"], lambda: layer(X[:2]))


@pytest.mark.parametrize("unroll", [False, True])
def test_no_time_steps(unroll):
    layer = keras_gru.GRU(6, unroll=unroll)
    _raises(["`sequences`", "(3, 0, 5)", "one step"], lambda: layer(X[:, :0]))


def test_no_time_steps_when_built():
    layer = keras_gru.GRU(6)
    layer(X)
    _raises(["`sequences`", "(3, 0, 5)", "one step"], lambda: layer(X[:, :0]))


def test_no_time_steps_symbolic():
    parts = ["`sequences`", "(None, 0, 5)"]
    _raises(parts, lambda: keras_gru.GRU(6)(keras.Input((0, 5))))


def test_compute_output_shape_checks_too():
    _raises(
        ["`sequences`", "(3, 7)"], lambda: keras_gru.GRU(6).compute_output_shape((3, 7))
    )


@pytest.mark.parametrize("shape", [(3,), (3, 7, 5)])
def test_cell_with_a_wrong_rank(shape):
    cell = keras_gru.GRUCellV(6)
    _raises([shape], lambda: cell(np.ones(shape, "float32"), H))


def test_cell_with_a_wrong_feature_size():
    cell = keras_gru.GRUCellV(6)
    cell(X[:, 0], H)
    _raises(["5", "4", "(3, 4)"], lambda: cell(X[:, 0, :4], H))


@pytest.mark.parametrize("count", [0, 2])
def test_cell_with_a_wrong_count_of_states(count):
    cell = keras_gru.GRUCellV(6)
    _raises(["`states`", count, "one"], lambda: cell(X[:, 0], [H] * count))


def test_cell_with_a_wrong_shape_of_the_state():
    cell = keras_gru.GRUCellV(6)
    _raises(["`states`", "(3, 4)", "(3, 6)"], lambda: cell(X[:, 0], H[:, :4]))


def test_an_error_leaves_the_layer_usable():
    layer = keras_gru.GRU(6, dropout=0.5)
    layer(X)
    with pytest.raises(ValueError, match="mask"):
        layer(X, mask=np.ones((3, 6), bool), training=True)
    assert tuple(layer(X).shape) == (3, 6)
