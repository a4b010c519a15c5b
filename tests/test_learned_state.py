"""learn_initial_state=True: the state that sequences start from is a weight."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS, Case, judge, numbers
from tests.passes import BACKEND, float64_allowed, run_layer, spy_on_kernels, to_numpy
from tests.tolerances import assert_close

X = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
H = np.random.default_rng(1).normal(size=6).astype("float32")
RESETS = np.random.default_rng(5).random((3, 7)) < 0.4
LEARNED = {"learn_initial_state": True, "seed": 1}


def _layer(cls=keras_gru.GRU, **options):
    """A layer of 6 units whose learnt state is not zero, and the plain one."""
    layers = cls(6, **LEARNED, **options), cls(6, **options)
    for layer in layers:
        layer.build(X.shape if cls is keras_gru.GRU else (3, 5))
    weights = [np.array(w) for w in layers[0].get_weights()]
    layers[0].set_weights([*weights[:-1], H])
    layers[1].set_weights(weights[:-1])
    return layers


def test_it_is_the_last_weight_and_starts_at_zero():
    layer = keras_gru.GRU(6, layer_normalization=True, **LEARNED)
    layer.build(X.shape)
    names = [variable.name for variable in layer.trainable_weights]
    assert names == ["kernel", "recurrent_kernel", "bias", "gamma", "initial_state"]
    assert tuple(layer.trainable_weights[-1].shape) == (6,)
    assert_close(layer.get_weights()[-1], np.zeros(6), "exact")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_it_is_the_row_for_each_sequence(convention):
    learned, plain = _layer(return_sequences=True, **CONVENTIONS[convention])
    with spy_on_kernels() as seen:
        ours = to_numpy(learned(X))
        expected = to_numpy(plain(X, initial_state=np.tile(H, (3, 1))))
    assert len(set(seen.names)) == 1  # the kernel that runs without it
    assert_close(ours, expected, "exact")


def test_resets_to_it_leave_out_the_kernels_that_know_zeros():
    layer = keras_gru.GRU(6, **LEARNED)
    assert layer.explain().kernel == keras_gru.GRU(6).explain().kernel
    reason = layer.explain(resets=True).refusals["native_cpu"]
    assert reason == "its resets start from zeros, not from a learnt state"
    assert layer.explain(resets=True).kernel == f"{BACKEND}_scan"


@pytest.mark.parametrize("resets", [None, RESETS])
def test_a_given_state_goes_before_it(resets):
    """Resets go to the learnt one all the same."""
    learned, plain = _layer(return_state=True)
    given = np.ones((3, 6), "float32")
    options = {} if resets is None else {"resets": resets}
    ours = to_numpy(learned(X, initial_state=given, **options)[1])
    zeros = to_numpy(plain(X, initial_state=given, **options)[1])
    if resets is None:
        assert_close(ours, zeros, "exact")
    else:
        assert np.abs(ours - zeros).max() > 1e-3


@pytest.mark.parametrize("wrapper", [keras.layers.Bidirectional, None])
def test_a_packed_row_is_its_sequences(wrapper):
    layer, _ = _layer(return_sequences=True)
    if wrapper is not None:
        layer = keras_gru.Bidirectional(layer)
        layer.build(X.shape)
        for variable in layer.trainable_weights:
            if variable.name == "initial_state":
                variable.assign(H)
    resets = np.zeros((3, 7), bool)
    resets[:, 3] = True
    packed = to_numpy(layer(X, resets=resets))
    alone = [to_numpy(layer(X[:, :3])), to_numpy(layer(X[:, 3:]))]
    assert_close(packed, np.concatenate(alone, 1), "same_float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_cell(convention):
    """In keras.layers.RNN as in GRU; its own resets go to the learnt state."""
    options = CONVENTIONS[convention]
    cell, _ = _layer(keras_gru.GRUCellV, **options)
    layer, _ = _layer(**options)
    layer.set_weights(cell.get_weights())
    (start,) = cell.get_initial_state(3)
    assert_close(to_numpy(start), np.tile(H, (3, 1)), "exact")
    rnn = keras.layers.RNN(cell)
    assert_close(to_numpy(rnn(X)), to_numpy(layer(X)), "same_float32")
    one, _ = cell(X[:, 0], [start * 0], resets=np.array([True, False, True]))
    rows = np.stack([H, 0 * H, H])
    two, _ = cell(X[:, 0], [keras.ops.convert_to_tensor(rows)])
    assert_close(to_numpy(one), to_numpy(two), "exact")


def test_without_weights_there_is_no_state_yet():
    with pytest.raises(ValueError, match=r"learn_initial_state=True .*cell\.build"):
        keras_gru.GRUCellV(6, learn_initial_state=True).get_initial_state(3)


@pytest.mark.parametrize("make", [keras_gru.GRU, "rnn", "bidirectional"])
def test_training_moves_it(make):
    layer = keras_gru.GRU(6, **LEARNED)
    if make == "rnn":
        layer = keras.layers.RNN(keras_gru.GRUCellV(6, **LEARNED))
    elif make == "bidirectional":
        layer = keras.layers.Bidirectional(layer)
    model = keras.Sequential([keras.Input((7, 5)), layer])
    model.compile("sgd", "mse")
    model.fit(X, np.ones((3, *model.output_shape[1:])), verbose=0)
    states = [w for w in model.trainable_weights if w.name == "initial_state"]
    assert len(states) == 1 + (make == "bidirectional")
    for state in states:
        assert np.abs(to_numpy(state.value)).min() > 0


@pytest.mark.parametrize("kernel", ["auto", "portable"])
@pytest.mark.parametrize("resets", [False, True])
def test_stateful_starts_from_it_after_a_reset_only(kernel, resets):
    """Values and gradients, against the oracle."""
    case = Case("keep_after", option="learned_state")
    given = numbers(case)
    given.resets = RESETS if resets else None
    with float64_allowed():
        options = {"return_sequences": True, "return_state": True, "dtype": "float64"}
        layer = keras_gru.GRU(6, stateful=True, kernel=kernel, **LEARNED, **options)
        layer.build(given.x.shape)
        layer.set_weights([*given.weights, *layer.get_weights()[4:]])
        first = run_layer(layer, given)
        second = run_layer(layer, given)
        layer.reset_state()
        third = run_layer(layer, given)
    outputs, state, gradients = judge(case, given)
    for ran in (first, third):
        assert_close(ran.outputs, outputs, "float64")
        assert_close(ran.final_state, state, "float64")
        for name, gradient in gradients.items():
            assert_close(ran.gradients[name], gradient, "float64", name)
    assert np.abs(second.outputs[:, 0] - outputs[:, 0]).max() > 1e-3  # it went on
    if not resets:
        assert not second.gradients["initial_state"].any()


def test_stateful_follows_the_weight():
    """The state of a batch to come is not that of an older weight."""
    layer = keras_gru.GRU(6, stateful=True, **LEARNED)
    layer.build(X.shape)
    layer.cell.initial_state.assign(H)
    plain = keras_gru.GRU(6)
    plain.build(X.shape)
    plain.set_weights(layer.get_weights()[:3])
    expected = to_numpy(plain(X, initial_state=np.tile(H, (3, 1))))
    assert_close(to_numpy(layer(X)), expected, "same_float32")


def test_stateful_in_a_compiled_model():
    """JAX hands back which variables a step has changed: the flag is among them."""
    layer = keras_gru.GRU(6, stateful=True, **LEARNED)
    model = keras.Sequential([keras.Input(batch_shape=(3, 7, 5)), layer])
    assert len(model.get_weights()) == 4
    layer.cell.initial_state.assign(H)
    first, second = (model.predict(X, verbose=0) for _ in range(2))
    assert np.abs(second - first).max() > 1e-3
    layer.reset_state()
    assert_close(model.predict(X, verbose=0), first, "same_float32")
    model.compile("sgd", "mse")
    model.fit(X, np.ones((3, 6)), verbose=0)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_files(suffix, tmp_path):
    options = {**LEARNED, "zoneout": 0.2, "layer_normalization": True}
    model = keras.Sequential([keras.Input((7, 5)), keras_gru.GRU(6, **options)])
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        again = keras.models.load_model(path)
        assert again.layers[0].get_config() == model.layers[0].get_config()
    else:
        model.save_weights(path)
        again = keras.models.clone_model(model)
        again.load_weights(path)
    assert_close(to_numpy(again(X)), to_numpy(model(X)), "same_float32")


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_in_half_precision(dtype):
    """With all three options: forward, backward, the dtype, nothing infinite."""
    options = {**LEARNED, "zoneout": 0.2, "layer_normalization": True}
    layer = keras_gru.GRU(6, dtype=dtype, **options)
    model = keras.Sequential([keras.Input((7, 5)), layer])
    single = keras_gru.GRU(6, **options)
    single.build(X.shape)
    single.set_weights([np.array(w, "float32") for w in model.get_weights()])
    outputs = model(X)
    half = dtype.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(outputs.dtype) == half
    values = to_numpy(keras.ops.cast(outputs, "float32"))
    assert_close(values, to_numpy(single(X)), half)
    model.compile("sgd", "mse")
    model.fit(X, np.ones((3, 6)), verbose=0)
    assert all(np.isfinite(np.array(w, "float32")).all() for w in model.get_weights())


@pytest.mark.parametrize("cls", [keras_gru.GRU, keras_gru.GRUCellV])
@pytest.mark.parametrize("name", ["learn_initial_state", "layer_normalization"])
@pytest.mark.parametrize("value", ["learned", None, 1, "zeros"])
def test_what_is_no_yes_or_no(cls, name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*True, False.*{value!r}"):
        cls(6, **{name: value})


def test_stateful_in_both_directions():
    """Also where one call runs both: the second batch goes on, a reset lets go."""
    gru = keras_gru.GRU(6, stateful=True, return_sequences=True, **LEARNED)
    layer = keras_gru.Bidirectional(gru)
    layer.build(X.shape)
    for one in (layer.forward_layer, layer.backward_layer):
        one.cell.initial_state.assign(H)
    first, second = (to_numpy(layer(X)) for _ in range(2))
    assert np.abs(second - first).max() > 1e-3
    layer.reset_states()
    assert_close(to_numpy(layer(X)), first, "same_float32")
