"""The same hypermodels and spaces on Ray Tune, which has clusters and more searchers.

Needs the extra ``[ray]``. Ray runs each trial in a process of its own and keeps the
results; the guarantees of `keras_gru.tuning.run` against kills are not Ray's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.payload import as_hypermodel
from keras_gru.tuning.pool import environment
from keras_gru.tuning.records import EPOCHS, SEED, trial_seed
from keras_gru.tuning.sweep import objective_of, require

if TYPE_CHECKING:
    import keras_tuner
    from ray import tune


def run(
    hypermodel: keras_tuner.HyperModel | Callable[..., Any],
    *,
    objective: str | keras_tuner.Objective,
    out: str | Path,
    fit: Mapping[str, Any] | None = None,
    trials: int = 20,
    workers: int = 1,
    epochs: int | None = None,
    seed: int = 0,
    backend: str | None = None,
    searcher: tune.search.Searcher | None = None,
    scheduler: tune.schedulers.TrialScheduler | None = None,
) -> tune.ResultGrid:
    """Search the hyperparameters of a model with Ray Tune.

    Starts Ray on this machine unless ``ray.init`` was called. Then its processes must
    have been given the backend: ``ray.init(runtime_env={"env_vars": {"KERAS_BACKEND":
    "jax"}})``; on a cluster, Keras, this package and the hypermodel's module must be
    installed on every node.

    Args:
        hypermodel, objective, fit, epochs: as for `keras_gru.tuning.run`.
        out: folder of the results: Ray's own files, and what each trial leaves in
            ``trials/``.
        trials: how many are run.
        workers: how many at a time, each in a process with its part of the processors.
        seed: decides the values where Ray draws them at random, and the trials' seeds.
        backend: of Keras in the trials; by default the one that runs here.
        searcher: one of Ray's, with `objective` as its metric; by default at random.
        scheduler: one of Ray's, such as ASHA: a trial reports the objective after
            each epoch, and once more at its end.

    Returns:
        Ray's results: ``.get_best_result().config`` are the best values,
        ``.get_dataframe()`` a table. A trial whose code raised is in ``.errors``.

    Raises:
        SweepError: Ray is missing, or the model cannot be built.
    """
    require_ray()
    require()
    import keras
    import ray
    from ray import tune

    from keras_gru.tuning.trials import explore

    name, direction = objective_of(objective)
    backend = backend or keras.backend.backend()
    hypermodel = as_hypermodel(hypermodel)
    space = explore(hypermodel)
    if not ray.is_initialized():
        variables = {**environment(backend, workers), "RAY_USAGE_STATS_ENABLED": "0"}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(runtime_env={"env_vars": variables}, include_dashboard=False)
    folder = Path(out).resolve()
    trial = _Trial(
        hypermodel=hypermodel,
        space=space,
        objective=(name, direction),
        folder=folder,
        fit=dict(fit or {}),
        seed=seed,
        backend=backend,
    )
    processors = max(1, (os.cpu_count() or 1) // workers)
    tuner = tune.Tuner(
        tune.with_resources(trial.run, {"cpu": processors}),
        param_space={
            **param_space(space),
            **({} if epochs is None else {EPOCHS: epochs}),
        },
        tune_config=tune.TuneConfig(
            metric=name,
            mode=direction,
            num_samples=trials,
            max_concurrent_trials=workers,
            search_alg=searcher or tune.search.BasicVariantGenerator(random_state=seed),
            scheduler=scheduler,
        ),
        run_config=tune.RunConfig(name=folder.name, storage_path=str(folder.parent)),
    )
    return tuner.fit()


def param_space(space: keras_tuner.HyperParameters) -> dict[str, Any]:
    """The hyperparameters of keras-tuner's as domains of Ray Tune.

    Those on branches that are not taken are drawn too, and have no effect.

    Example:
        >>> import keras_tuner
        >>> hp = keras_tuner.HyperParameters()
        >>> _ = hp.Choice("units", [16, 32]), hp.Float("rate", 0.5, 2.0, sampling="log")
        >>> space = param_space(hp)
        >>> space["units"].categories, space["rate"].lower, space["rate"].upper
        ([16, 32], 0.5, 2.0)
    """
    found: dict[str, Any] = {}
    for hp in space.space:
        domain, before = _domain(hp), found.get(hp.name)
        if before is not None:  # the same name on two branches: the values of both
            if not (hasattr(before, "categories") and hasattr(domain, "categories")):
                raise SweepError(
                    f"hyperparameter {hp.name!r} has two ranges on two branches; for "
                    f"Ray Tune give each a name of its own"
                )
            values = [*before.categories, *domain.categories]
            domain.categories = list(dict.fromkeys(values))
        found[hp.name] = domain
    return found


def require_ray() -> None:
    """Check that Ray Tune is there."""
    if importlib.util.find_spec("ray") is None:
        raise SweepError("this needs ray: pip install 'keras_gru[ray]'")


def _domain(hp: Any) -> Any:
    """One hyperparameter of keras-tuner's as a domain."""
    from ray import tune

    kind = type(hp).__name__
    if kind == "Fixed":
        return tune.choice([hp.value])
    if kind == "Boolean":
        return tune.choice([False, True])
    whole = kind == "Int"
    if kind == "Choice" or not (hp.step is None or (whole and hp.step == 1)):
        return tune.choice(list(hp.values))
    high = hp.max_value + 1 if whole else hp.max_value  # Ray leaves out the last
    if hp.sampling == "log":
        draw = tune.lograndint if whole else tune.loguniform
    elif hp.sampling == "linear":
        draw = tune.randint if whole else tune.uniform
    else:
        raise SweepError(
            f"hyperparameter {hp.name!r} has sampling={hp.sampling!r}, which Ray Tune "
            f"does not have: expected 'linear' or 'log'"
        )
    return draw(hp.min_value, high)


@dataclass(frozen=True)
class _Trial:
    """What a process of Ray's runs."""

    hypermodel: Any
    space: Any
    objective: tuple[str, str]
    folder: Path
    fit: dict[str, Any]
    seed: int
    backend: str

    def run(self, values: dict[str, Any]) -> None:
        """Train the model of these values, and report what was measured."""
        import keras
        import keras_tuner
        from ray import tune

        from keras_gru.tuning.proposals import with_values
        from keras_gru.tuning.trials import run_trial

        if keras.backend.backend() != self.backend:
            raise SweepError(
                f"backend={self.backend!r}: Ray's processes have KERAS_BACKEND="
                f"{keras.backend.backend()}; start Ray with runtime_env="
                f"{{'env_vars': {{'KERAS_BACKEND': '{self.backend}'}}}}"
            )
        trial_id = str(tune.get_context().get_trial_id())
        objective = keras_tuner.Objective(*self.objective)

        def tell(epoch: int, logs: Mapping[str, float] | None) -> None:
            if logs and objective.has_value(logs):
                value = float(objective.get_value(logs))
                tune.report({objective.name: value, "epochs": epoch + 1})

        report = run_trial(
            self.hypermodel,
            objective,
            with_values(self.space, {**values, SEED: seed_of(self.seed, values)}),
            trial_id,
            self.folder / "trials" / trial_id,
            self.fit,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=tell)],
        )
        tune.report(
            {**report.metrics, "epochs": report.epochs, "seconds": report.seconds}
        )


def seed_of(seed: int, values: Mapping[str, Any]) -> int:
    """The seed of a trial: a function of the sweep's seed and of the trial's values.

    Ray's searchers do not number their trials.

    Example:
        >>> seed_of(0, {"a": 1, "b": 2}) == seed_of(0, {"b": 2, "a": 1})
        True
    """
    text = json.dumps(dict(values), sort_keys=True)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return trial_seed(seed, number)
