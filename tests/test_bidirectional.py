"""Both directions: merge modes, states in and out, masks, stateful."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru import keras_private
from keras_gru.native import library
from tests import oracle
from tests.cases import CONVENTIONS, make_weights
from tests.passes import float64_allowed, set_weights, spy_on_kernels, to_numpy
from tests.tolerances import assert_close

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 7, 5)).astype("float32")
STATES = [RNG.normal(size=(3, 6)).astype("float32") for _ in range(2)]
MASK = np.array([[1, 1, 1, 0, 0, 1, 0], [0] * 7, [1] * 7], bool)
MERGE = {
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda a, b: (a + b) / 2,
}


both_wrappers = pytest.mark.parametrize(
    "wrapper", [keras.layers.Bidirectional, keras_gru.Bidirectional]
)


def _layer(convention, wrapper=keras.layers.Bidirectional, merge_mode="concat", **more):
    options = CONVENTIONS[convention]
    layer = wrapper(keras_gru.GRU(6, **options, **more), merge_mode=merge_mode)
    layer.build(X.shape)
    rng = np.random.default_rng(1)
    weights = [
        make_weights(5, 6, rng, reset_after=options["reset_after"]) for _ in range(2)
    ]
    set_weights(layer.forward_layer, weights[0])
    set_weights(layer.backward_layer, weights[1])
    return layer, weights


def _expected(convention, weights, states=None, mask=None, return_sequences=True):
    """Outputs of the two directions, in the order of time, and their final states."""
    states = states or [np.zeros((3, 6))] * 2
    passes = [
        oracle.forward(
            X,
            state,
            *directed,
            mask=mask,
            go_backwards=backwards,
            return_sequences=return_sequences,
            # keras.layers.Bidirectional asks for zeros at masked steps.
            zero_output_for_mask=True,
            **CONVENTIONS[convention],
        )
        for state, directed, backwards in zip(
            states, weights, (False, True), strict=True
        )
    ]
    outputs = [p.outputs for p in passes]
    if return_sequences:
        outputs[1] = outputs[1][:, ::-1]
    return outputs, [p.final_state for p in passes]


@both_wrappers
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize(
    ("convention", "merge_mode"),
    [  # each convention with the default, each other mode with one that differs in all
        *((convention, "concat") for convention in CONVENTIONS),
        *(("replace_before", mode) for mode in [*MERGE, None] if mode != "concat"),
    ],
)
def test_merge_modes(convention, merge_mode, return_sequences, wrapper):
    layer, weights = _layer(
        convention, wrapper, merge_mode, return_sequences=return_sequences
    )
    outputs = layer(X)
    (forwards, backwards), _ = _expected(
        convention, weights, return_sequences=return_sequences
    )
    if merge_mode is None:
        assert_close(to_numpy(outputs[0]), forwards, "float32")
        assert_close(to_numpy(outputs[1]), backwards, "float32")
    else:
        merged = MERGE[merge_mode](forwards, backwards)
        assert_close(to_numpy(outputs), merged, "float32")


@both_wrappers
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("as_input", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_states_in_and_out(convention, as_input, masked, wrapper):
    """The first half of the states goes forward, the second backward."""
    layer, weights = _layer(
        convention, wrapper, return_sequences=True, return_state=True
    )
    states = STATES if as_input else None
    mask = MASK if masked else None
    initial = None if states is None else list(map(keras.ops.convert_to_tensor, states))
    outputs, *final = layer(X, initial_state=initial, mask=mask)
    directions, expected = _expected(convention, weights, states, mask)
    assert_close(to_numpy(outputs), np.concatenate(directions, -1), "float32")
    for one, two in zip(final, expected, strict=True):
        assert_close(to_numpy(one), two, "float32")


@both_wrappers
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_masked(convention, return_sequences, wrapper):
    layer, weights = _layer(convention, wrapper, return_sequences=return_sequences)
    directions, _ = _expected(
        convention, weights, mask=MASK, return_sequences=return_sequences
    )
    outputs = layer(X, mask=MASK)
    assert_close(to_numpy(outputs), np.concatenate(directions, -1), "float32")


@both_wrappers
@pytest.mark.parametrize("merge_mode", [*MERGE, None])
@pytest.mark.parametrize("reset_after", [True, False])
def test_equal_to_keras(reset_after, merge_mode, wrapper):
    results = []
    for cls in (keras_gru.GRU, keras.layers.GRU):
        keras.utils.set_random_seed(3)
        inner = cls(
            6, reset_after=reset_after, return_sequences=True, return_state=True
        )
        kind = wrapper if cls is keras_gru.GRU else keras.layers.Bidirectional
        layer = kind(inner, merge_mode=merge_mode)
        results.append(keras.tree.flatten(layer(X)))
        assert layer.compute_output_shape(X.shape) is not None
    for ours, keras_own in zip(*results, strict=True):
        assert_close(to_numpy(ours), to_numpy(keras_own), "same_float32")


@both_wrappers
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_stateful(convention, wrapper):
    """Each direction keeps its own state."""
    layer, weights = _layer(convention, wrapper, stateful=True, return_sequences=True)
    layer(X)
    outputs = to_numpy(layer(X))
    _, states = _expected(convention, weights)
    directions, _ = _expected(convention, weights, states)
    assert_close(outputs, np.concatenate(directions, -1), "float32")
    layer.reset_state()
    directions, _ = _expected(convention, weights)
    assert_close(to_numpy(layer(X)), np.concatenate(directions, -1), "float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_its_kernels_really_run(convention):
    """Nobody takes the weights and computes something else with them."""
    layer, _ = _layer(convention)
    with spy_on_kernels() as seen:
        layer(X)
    assert [call.go_backwards for call in seen.calls] == [False, True]
    for call in seen.calls:
        assert call.update_gate == CONVENTIONS[convention]["update_gate"]
        assert call.reset_after == CONVENTIONS[convention]["reset_after"]


def test_another_backward_layer():
    """The two directions need not share a convention."""
    layer = keras.layers.Bidirectional(
        keras_gru.GRU(6, **CONVENTIONS["keep_after"]),
        backward_layer=keras_gru.GRU(
            6, go_backwards=True, **CONVENTIONS["replace_before"]
        ),
    )
    outputs = to_numpy(layer(X))
    alone = [layer.forward_layer(X), layer.backward_layer(X)]
    expected = np.concatenate([to_numpy(a) for a in alone], -1)
    assert_close(outputs, expected, "exact")
    assert layer.backward_layer.update_gate == "replace"


@pytest.mark.parametrize("use_cudnn", ["auto", False])
@pytest.mark.parametrize("kernel", ["auto", "portable"])
def test_the_directions_keep_the_choice_of_a_kernel(use_cudnn, kernel):
    layer = keras.layers.Bidirectional(
        keras_gru.GRU(6, use_cudnn=use_cudnn, kernel=kernel, implementation=1)
    )
    for one in (layer.forward_layer, layer.backward_layer):
        assert one.use_cudnn == use_cudnn
        assert one.kernel == kernel
        assert one.implementation == 1


@pytest.mark.parametrize("merge_mode", ["concat", None])
@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_masks_of_the_results(return_sequences, stateful, merge_mode):
    """keras_gru.Bidirectional has as many masks as results, whatever is asked for."""
    layer, _ = _layer(
        "keep_after",
        keras_gru.Bidirectional,
        merge_mode,
        return_sequences=return_sequences,
        return_state=True,
        stateful=stateful,
    )
    masked = keras.layers.Masking()(X * MASK[..., None])
    results = layer(masked)
    masks = list(map(keras_private.get(keras_private.GET_MASK), results))
    count = 1 if merge_mode else 2
    assert len(results) == count + 2
    for mask in masks[:count]:
        if return_sequences:
            assert np.array_equal(to_numpy(mask), MASK)
        else:
            assert mask is None
    assert masks[count:] == [None, None]


def test_in_a_functional_model_with_symbolic_states():
    layer, _ = _layer("replace_after", return_sequences=True, return_state=True)
    inputs = [keras.Input((7, 5)), keras.Input((6,)), keras.Input((6,))]
    model = keras.Model(inputs, layer(inputs[0], initial_state=inputs[1:]))
    expected = layer(X, initial_state=list(map(keras.ops.convert_to_tensor, STATES)))
    for one, two in zip(model([X, *STATES]), expected, strict=True):
        assert_close(to_numpy(one), to_numpy(two), "same_float32")


@both_wrappers
def test_saved_and_loaded(wrapper, tmp_path):
    layer, _ = _layer("replace_before", wrapper)
    model = keras.Sequential([keras.Input((7, 5)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is wrapper
    assert_close(to_numpy(loaded(X)), to_numpy(model(X)), "same_float32")


TWO_CALLS = {  # and a word of what `explain` says of it
    "another kernel": ({"kernel": "portable"}, "native_cpu"),
    "a regularizer": ({"activity_regularizer": "l2"}, "activity_regularizer"),
    "other units": ({"units": 4}, "units"),
    "another dtype": ({"dtype": "bfloat16"}, "dtypes"),
}


@pytest.mark.skipif(library.missing() is not None, reason=str(library.missing()))
@pytest.mark.parametrize(
    ("of_back", "reason"), [({}, None), *TWO_CALLS.values()], ids=["one", *TWO_CALLS]
)
@pytest.mark.parametrize("training", [False, True])
def test_what_runs_in_one_call(of_back, reason, training):
    """And what cannot gives the same by two."""
    ahead = keras_gru.GRU(6, return_sequences=True)
    back = {"units": 6, "return_sequences": True, "go_backwards": True, **of_back}
    layer = keras_gru.Bidirectional(ahead, backward_layer=keras_gru.GRU(**back))
    layer.build(X.shape)
    with spy_on_kernels() as seen, float64_allowed(of_back.get("dtype")):
        outputs = to_numpy(layer(X, training=training))
        apart = [to_numpy(layer.forward_layer(X)), to_numpy(layer.backward_layer(X))]
    together = not of_back
    explained = layer.explain(X.shape, training=training)
    assert (explained.two_calls is None) == together
    assert reason is None or reason in str(explained)
    assert seen.names[:2] == ["native_cpu, both"] * 2 or not together
    assert together or "native_cpu, both" not in seen.names
    expected = np.concatenate([apart[0], apart[1][:, ::-1]], -1)
    assert_close(outputs, expected, "same_float32")
    if "activity_regularizer" in of_back:
        assert len(layer.losses) == 1


def test_a_mask_that_freezes_needs_two_calls():
    layer, _ = _layer(
        "keep_after", keras_gru.Bidirectional, return_sequences=True, kernel="auto"
    )
    layer.forward_layer.zero_output_for_mask = False
    assert "zero_output" in layer.explain(X.shape, mask=True).two_calls
    assert "zero_output" not in str(layer.explain(X.shape, mask=False))


def test_resets_need_layers_that_take_them():
    layer = keras_gru.Bidirectional(keras.layers.GRU(6))
    with pytest.raises(ValueError, match=r"explain\(\) needs .* around GRU"):
        layer.explain()
    with pytest.raises(ValueError, match=r"`resets` needs .* Bidirectional around GRU"):
        layer(X, resets=MASK)
    assert to_numpy(layer(X)).shape == (3, 12)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="tensors of torch")
@pytest.mark.parametrize("return_sequences", [False, True])
def test_without_data(return_sequences):
    """Keras asks torch for shapes by tensors that have no data."""
    import torch

    layer, _ = _layer(
        "keep_after", keras_gru.Bidirectional, return_sequences=return_sequences
    )
    found = layer(torch.empty(X.shape, device="meta"))
    assert tuple(found.shape) == ((3, 7, 12) if return_sequences else (3, 12))
