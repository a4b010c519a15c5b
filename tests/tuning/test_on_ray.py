"""Ray Tune runs the same hypermodels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

from keras_gru import tuning
from keras_gru.tuning import on_ray
from tests.tuning.models import HEIGHT, height

pytestmark = pytest.mark.once

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray's own imports
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    import ray
    from ray import tune


class Hill(keras_tuner.HyperModel):
    """A parabola whose highest rows fail."""

    def build(self, hp: Any) -> None:
        hp.Float("x", -1.0, 1.0)
        hp.Choice("variant", ["keras", "chung2014"])

    def fit(self, hp: Any, model: None, **arguments: Any) -> dict[str, float]:
        if hp.get("x") < -0.5:
            raise RuntimeError("too steep")
        return {"height": height(hp.values), "seed": float(self.trial.seed)}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # Ray's, not ours
        patch.setenv("RAY_worker_niceness", "0")  # else other tests starve it
        out = tmp_path_factory.mktemp("ray") / "sweep"
        options = {"objective": HEIGHT, "trials": 6, "seed": 3, "backend": "numpy"}
        yield out, on_ray.run(Hill(), out=out, workers=2, **options)
        ray.shutdown()


def test_a_sweep_on_two_workers(found: tuple[Path, Any]) -> None:
    out, results = found
    assert len(results) == 6
    for result in results:
        if result.config["x"] < -0.5:
            assert "too steep" in str(result.error)
        else:
            assert result.error is None
            assert result.metrics["height"] == pytest.approx(height(result.config))
            seed = on_ray.seed_of(3, result.config)
            assert result.metrics["seed"] == seed
    assert 0 < len(results.errors) < 6  # of these six values some fail
    best = min(
        (result for result in results if not result.error),
        key=lambda result: result.metrics["height"],
    )
    assert results.get_best_result().config == best.config
    assert len({result.metrics["pid"] for result in results if not result.error}) == (
        len(results) - len(results.errors)
    ), "a process a trial"
    assert out.is_dir()


def test_processes_with_another_backend_say_so(
    found: tuple[Path, Any], tmp_path: Path
) -> None:
    results = on_ray.run(
        Hill(), objective=HEIGHT, out=tmp_path / "other", trials=1, backend="torch"
    )
    (error,) = results.errors
    assert "Ray's processes have KERAS_BACKEND=numpy" in str(error)


def test_every_kind_of_hyperparameter_has_its_domain() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("units", [16, 32])
    hp.Boolean("bias")
    hp.Fixed("fixed", 7)
    hp.Int("layers", 1, 4)
    hp.Int("many", 8, 512, sampling="log")
    hp.Int("wide", 16, 128, step=2, sampling="log")
    hp.Float("rate", 0.5, 2.0, sampling="log")
    hp.Float("dropout", 0.0, 0.5)
    hp.Float("decay", 0.0, 0.4, step=0.2)
    space = on_ray.param_space(hp)
    assert space["units"].categories == [16, 32]
    assert space["bias"].categories == [False, True]
    assert space["fixed"].categories == [7]
    assert space["wide"].categories == [16, 32, 64, 128]
    assert space["decay"].categories == [0.0, 0.2, 0.4]
    for name, like in (
        ("layers", tune.randint(1, 5)),
        ("many", tune.lograndint(8, 513)),
        ("rate", tune.loguniform(0.5, 2.0)),
        ("dropout", tune.uniform(0.0, 0.5)),
    ):
        assert type(space[name]) is type(like)
        assert type(space[name].get_sampler()) is type(like.get_sampler())
        assert (space[name].lower, space[name].upper) == (like.lower, like.upper)


def test_the_same_name_on_two_branches_has_the_values_of_both() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b", "c"])
    for kind, units in (("a", [8, 16]), ("b", [16, 32])):
        with hp.conditional_scope("kind", [kind]):
            hp.Choice("units", units)
    assert on_ray.param_space(hp)["units"].categories == [8, 16, 32]
    with hp.conditional_scope("kind", ["c"]):
        hp.Float("units", 0.0, 1.0)
    with pytest.raises(tuning.SweepError, match="'units' has two ranges"):
        on_ray.param_space(hp)


def test_what_ray_cannot_draw() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Float("momentum", 0.5, 0.9, sampling="reverse_log")
    with pytest.raises(tuning.SweepError, match=r"'momentum' has sampling='reverse_l"):
        on_ray.param_space(hp)


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(tuning.SweepError, match=r"pip install 'keras_gru\[ray\]'"):
        on_ray.run(Hill(), objective=HEIGHT, out="nowhere")


def test_seeds_are_of_the_sweep_and_the_values() -> None:
    values = {"x": 0.25, "variant": "keras"}
    assert on_ray.seed_of(0, values) == on_ray.seed_of(
        0, dict(reversed(values.items()))
    )
    assert (
        len({on_ray.seed_of(s, {**values, "x": x}) for s in (0, 1) for x in (0, 1)})
        == 4
    )
