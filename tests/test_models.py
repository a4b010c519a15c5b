"""In models: shapes known late, wrappers, encoder and decoder, fit."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_gru
from tests.cases import CONVENTIONS
from tests.passes import BACKEND, to_numpy
from tests.tolerances import assert_close

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 7, 5)).astype("float32")


@pytest.mark.parametrize(
    ("convention", "masked"),
    [
        ("keep_after", True),
        ("keep_before", False),
        ("replace_after", False),
        ("replace_before", True),
    ],
)
def test_dynamic_batch_and_time(convention, masked):
    """One model, many shapes, through predict: traced with unknown sizes."""
    gru = keras_gru.GRU(6, return_sequences=True, **CONVENTIONS[convention])
    x = keras.Input((None, 5))
    outputs = gru(keras.layers.Masking()(x) if masked else x)
    assert tuple(outputs.shape) == (None, None, 6)
    model = keras.Model(x, outputs)
    for batch, timesteps in ((6, 7), (4, 3)):
        given = X[:batch, :timesteps].copy()
        mask = np.ones((batch, timesteps), bool)
        if masked:
            mask[1, 1:] = False
            given[1, 1:] = 0.0
        actual = model.predict(given, batch_size=3, verbose=0)
        assert_close(actual, to_numpy(gru(given, mask=mask)), "same_float32")


class Inside(keras.layers.Layer):
    """A layer of one's own, of which Keras asks by a call what it returns."""

    def __init__(self):
        super().__init__()
        self.gru = keras_gru.GRU(6)

    def build(self, shape):
        self.gru.build(shape)

    def call(self, x):
        return self.gru(x)


@pytest.mark.parametrize("timesteps", [7, None])
def test_inside_a_layer_of_ones_own(timesteps):
    """On JAX a symbol stands for the batch there, which no kernel may ask for."""
    layer = Inside()
    model = keras.Sequential([keras.Input((timesteps, 5)), layer])
    assert model.output_shape == (None, 6)
    assert_close(to_numpy(model(X)), to_numpy(layer.gru(X)), "same_float32")


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("options", [{}, {"unroll": True}, {"go_backwards": True}])
@pytest.mark.parametrize("masked", [False, True])
def test_empty_batch(return_sequences, options, masked):
    layer = keras_gru.GRU(
        6, return_sequences=return_sequences, return_state=True, **options
    )
    mask = np.ones((0, 7), bool) if masked else None
    outputs, state = layer(X[:0], mask=mask)
    assert tuple(outputs.shape) == ((0, 7, 6) if return_sequences else (0, 6))
    assert tuple(state.shape) == (0, 6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_one_time_step(convention):
    layer = keras_gru.GRU(6, return_sequences=True, **CONVENTIONS[convention])
    outputs = layer(X[:, :1])
    expected, _ = layer.cell(X[:, 0], np.zeros((6, 6), "float32"))
    assert_close(to_numpy(outputs)[:, 0], to_numpy(expected), "same_float32")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_time_distributed(convention):
    """A GRU over each sequence of a sequence of sequences."""
    gru = keras_gru.GRU(4, **CONVENTIONS[convention])
    x = RNG.normal(size=(2, 3, 7, 5)).astype("float32")
    layer = keras.layers.TimeDistributed(gru)
    outputs = to_numpy(layer(x))
    assert outputs.shape == (2, 3, 4)
    assert_close(outputs[:, 1], to_numpy(gru(x[:, 1])), "same_float32")


def test_wrapped_around_by_time_distributed():
    """A layer for each step of the outputs."""
    model = keras.Sequential(
        [
            keras.Input((7, 5)),
            keras_gru.GRU(6, return_sequences=True),
            keras.layers.TimeDistributed(keras.layers.Dense(2)),
        ]
    )
    assert tuple(model(X).shape) == (6, 7, 2)


@pytest.mark.parametrize("convention", ["keep_after", "replace_before"])
def test_encoder_and_decoder(convention):
    """The encoder's final state, symbolic, starts the decoder; gradients reach both."""
    options = CONVENTIONS[convention]
    source, target = keras.Input((None, 5)), keras.Input((None, 3))
    encoder = keras_gru.GRU(6, return_state=True, **options)
    decoder = keras_gru.GRU(6, return_sequences=True, **options)
    _, state = encoder(source)
    model = keras.Model(
        [source, target], keras.layers.Dense(2)(decoder(target, initial_state=state))
    )
    given = [X, RNG.normal(size=(6, 4, 3)).astype("float32")]
    _, h = encoder(given[0])
    expected = model.layers[-1](decoder(given[1], initial_state=h))
    assert_close(to_numpy(model(given)), to_numpy(expected), "same_float32")
    before = [w.copy() for w in encoder.get_weights()]
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    model.fit(given, np.zeros((6, 4, 2)), verbose=0)
    for old, new in zip(before, encoder.get_weights(), strict=True):
        assert np.abs(old - new).max() > 0


def _task():
    """Sequences whose sum of the first feature is to be told."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(32, 6, 2)).astype("float32")
    return x, x[:, :, :1].sum(1)


@pytest.mark.parametrize(
    ("convention", "jit_compile"),
    [
        *((convention, "auto") for convention in CONVENTIONS),
        ("keep_after", True),
        ("replace_before", True),
        ("keep_before", False),
        ("replace_after", False),
    ],
)
def test_fit_learns(convention, jit_compile):
    if BACKEND == "torch" and jit_compile is True:
        pytest.skip("torch.compile needs a minute a model: it writes the loop out")
    x, y = _task()
    model = keras.Sequential(
        [
            keras.Input((6, 2)),
            keras_gru.GRU(8, **CONVENTIONS[convention]),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), "mse", jit_compile=jit_compile)
    losses = model.fit(x, y, epochs=15, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert_close(
        model.evaluate(x, y, verbose=0),
        np.mean((model.predict(x, verbose=0) - y) ** 2),
        "float32",
    )


@pytest.mark.parametrize(
    "options",
    [
        {"unroll": True},
        {"go_backwards": True},
        {"recurrent_dropout": 0.1},
        {"implementation": 1, "dropout": 0.1},
    ],
    ids=str,
)
def test_fit_under_a_mask_with_unknown_lengths(options):
    """Padding, last batches of another size, compiled as Keras chooses."""
    x, y = _task()
    x[:5, 3:] = 0.0
    time = 6 if options.get("unroll") else None
    model = keras.Sequential(
        [
            keras.Input((time, 2)),
            keras.layers.Masking(),
            keras_gru.GRU(8, **options),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), "mse")
    losses = model.fit(x, y, epochs=4, batch_size=12, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_a_stack_of_layers():
    model = keras.Sequential([keras.Input((7, 5))])
    for name, options in keras_gru.VARIANTS.items():
        model.add(keras_gru.GRU(3, return_sequences=True, name=name, **options))
    assert tuple(model(X).shape) == (6, 7, 3)
    assert len(model.trainable_variables) == 3 * len(keras_gru.VARIANTS)


def test_two_calls_share_the_weights():
    """Siamese use: one layer, two inputs."""
    layer = keras_gru.GRU(6)
    left, right = keras.Input((7, 5)), keras.Input((4, 5))
    model = keras.Model([left, right], [layer(left), layer(right)])
    one, two = model([X, X[:, :4]])
    assert len(model.trainable_variables) == 3
    assert_close(to_numpy(one), to_numpy(layer(X)), "same_float32")
    assert_close(to_numpy(two), to_numpy(layer(X[:, :4])), "same_float32")


def test_frozen_layers_do_not_train():
    model = keras.Sequential(
        [keras.Input((7, 5)), keras_gru.GRU(6), keras.layers.Dense(1)]
    )
    model.layers[0].trainable = False
    before = [w.copy() for w in model.layers[0].get_weights()]
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(X, np.ones((6, 1)), verbose=0)
    for old, new in zip(before, model.layers[0].get_weights(), strict=True):
        assert_close(new, old, "exact")
