"""The forecaster: its formula, its losses, its stream."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from tests import oracle
from tests.tolerances import assert_close
from tests.zoo.tiny_forecasting import TINY
from zoo.errors import ZooError
from zoo.forecasting.config import PARAMETERS, QUANTILES, SIZES, Config
from zoo.forecasting.model import build, loss
from zoo.forecasting.streaming import Stream
from zoo.forecasting.windows import Scaler

SMALL = replace(TINY, look_back=12, horizon=7, segment=4, units=6, series=3)


def _randomised(config: Config, **options: object) -> keras.Model:
    """A model whose weights, biases too, are random and unequal."""
    model = build(config, **options)
    rng = np.random.default_rng(11)
    model.set_weights([rng.normal(0, 0.5, weight.shape) for weight in model.weights])
    return model


def _window(config: Config = SMALL, batch: int = 2) -> np.ndarray:
    shape = (batch, config.look_back, config.series)
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def _call(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict_on_batch(x))


@pytest.mark.once
@pytest.mark.parametrize("size", list(SIZES))
def test_the_listed_parameters_are_those_of_the_model(size: str) -> None:
    config = replace(SIZES[size], series=7)
    assert PARAMETERS[size] == build(config).count_params()


def test_segments_are_their_formula() -> None:
    """Row by row in float64, one decoder step after the other."""
    model, x = _randomised(SMALL), _window()
    found = _call(model, x)
    assert found.shape == (2, 7, 3)
    kernel, recurrent, bias = model.get_layer("gru").get_weights()
    segment, segment_bias = (
        np.asarray(one, "float64") for one in model.get_layer("segment").get_weights()
    )
    positions, channels = model.get_layer("queries").get_weights()
    out, out_bias = model.get_layer("out").get_weights()

    def gru(inputs: np.ndarray, state: np.ndarray) -> np.ndarray:
        found = oracle.forward(inputs[None], state[None], kernel, recurrent, bias)
        return found.final_state[0]

    for row in range(2):
        for series in range(3):
            window = x[row, :, series].astype("float64")
            level = window[-1]
            parts = (window - level).reshape(3, 4)
            embedded = np.maximum(parts @ segment + segment_bias, 0)
            state = gru(embedded, np.zeros(6))
            expected = []
            for place in range(2):
                query = np.concatenate([positions[place], channels[series]])
                decoded = gru(query[None], state)
                expected.append(decoded @ out + out_bias + level)
            assert_close(found[row, :, series], np.concatenate(expected)[:7], "float32")


def test_a_series_does_not_see_the_others() -> None:
    model, x = _randomised(SMALL), _window()
    changed = x.copy()
    changed[:, :, 1] += 1.0
    before, after = _call(model, x), _call(model, changed)
    np.testing.assert_allclose(after[..., [0, 2]], before[..., [0, 2]], atol=1e-6)
    # What the level took away comes back.
    np.testing.assert_allclose(after[..., 1], before[..., 1] + 1.0, atol=1e-5)


@pytest.mark.parametrize("model", ["segments", "plain"])
def test_a_window_normalised_by_its_deviation(model: str) -> None:
    config = replace(SMALL, normalisation="window", model=model)
    x = _window() * 3.0
    found, scaled = (_call(_randomised(config), one) for one in (x, x * 2 + 5))
    np.testing.assert_allclose(scaled, found * 2 + 5, atol=2e-3)


@pytest.mark.parametrize("model", ["segments", "plain"])
@pytest.mark.parametrize("layer", ["gru", "lstm"])
@pytest.mark.parametrize("head", ["point", "quantiles"])
@pytest.mark.parametrize("single", [False, True])
def test_shapes(model: str, layer: str, head: str, single: bool) -> None:
    config = replace(SMALL, model=model, layer=layer, head=head, single=single)
    found = _call(build(config), _window())
    rows = 1 if single else 7
    assert found.shape == (2, rows, 3) + ((9,) if head == "quantiles" else ())


@pytest.mark.once
def test_quantiles_of_a_segment_stand_at_their_row() -> None:
    """With weights that make row and quantile of the bias, each place is told."""
    config = replace(SMALL, head="quantiles", horizon=4, normalisation="none")
    model = build(config)
    model.get_layer("out").set_weights([np.zeros((6, 36)), np.arange(36.0)])
    found = _call(model, _window())
    np.testing.assert_array_equal(found[0, :, 0], np.arange(36.0).reshape(4, 9))


@pytest.mark.once
def test_segments_divide_the_window() -> None:
    with pytest.raises(
        ZooError, match="look_back=10; expected a multiple of segment=4"
    ):
        replace(SMALL, look_back=10)
    with pytest.raises(ZooError, match="units=5; expected an even number"):
        replace(SMALL, units=5)


@pytest.mark.parametrize("kind", ["mae", "mse", "quantiles"])
def test_losses_are_their_formulas(kind: str) -> None:
    head = {"head": "quantiles"} if kind == "quantiles" else {"loss": kind}
    config = replace(SMALL, **head)
    rng = np.random.default_rng(5)
    y = rng.normal(size=(2, 7, 3)).astype("float32")
    y[0, 2, 1] = np.nan
    f = rng.normal(size=(2, 7, 3, 9) if kind == "quantiles" else (2, 7, 3))
    f = f.astype("float32")
    found = loss(config)(*(keras.ops.convert_to_tensor(one) for one in (y, f)))
    found = keras.ops.convert_to_numpy(found)
    expected = []
    for row in range(2):
        errors = []
        for place in np.ndindex(7, 3):
            target = y[row][place]
            if np.isnan(target):
                continue
            guess = f[row][place]
            if kind == "quantiles":
                each = [
                    max(q * (target - one), (q - 1) * (target - one))
                    for q, one in zip(QUANTILES, guess, strict=True)
                ]
                errors.append(np.mean(each))
            else:
                errors.append(abs(target - guess) ** (1 if kind == "mae" else 2))
        expected.append(np.mean(errors))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("layer", ["gru", "lstm"])
@pytest.mark.parametrize("head", ["point", "quantiles"])
def test_a_stream_is_the_whole_window(layer: str, head: str) -> None:
    config = replace(SMALL, model="plain", normalisation="none", layer=layer, head=head)
    model = _randomised(config)
    scaler = Scaler(("a", "b", "c"), np.array([1.0, 2, 3]), np.array([1.0, 2, 0.5]))
    rows = np.random.default_rng(8).normal(size=(12, 3))
    stream = Stream(model, scaler, config)
    for row in rows:
        last = stream.push(row)
    whole = np.sort(_call(model, scaler.standardised(rows)[None])[0], axis=-1)
    if head == "quantiles":
        whole = whole * scaler.deviation[:, None] + scaler.mean[:, None]
    else:
        whole = _call(model, scaler.standardised(rows)[None])[0]
        whole = whole * scaler.deviation + scaler.mean
    assert_close(last, whole, "float32")
    with pytest.raises(ZooError, match="expected 3 finite numbers"):
        stream.push(np.array([1.0, np.nan, 2.0]))


@pytest.mark.once
@pytest.mark.parametrize(
    "options", [{"model": "segments"}, {"model": "plain", "normalisation": "last"}]
)
def test_what_cannot_be_streamed_says_so(options: dict[str, str]) -> None:
    config = replace(SMALL, **options)
    scaler = Scaler(("a", "b", "c"), np.zeros(3), np.ones(3))
    with pytest.raises(ZooError, match="must see its whole window at once"):
        Stream(build(config), scaler, config)
    with pytest.raises(ValueError, match="batch_size=1 with model="):
        build(config, batch_size=1)


@pytest.mark.once
def test_series_must_be_known() -> None:
    with pytest.raises(ValueError, match=r"config\.series=0; expected at least 1"):
        build(replace(SMALL, series=0))
